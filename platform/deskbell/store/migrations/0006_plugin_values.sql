-- What plugins keep for themselves. Names are compared byte by byte, so that ids of version 7 are in order of time.
-- postgresql:
CREATE TABLE plugin_values (
    tenant_id uuid NOT NULL,
    plugin text NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, plugin, name)
);
-- sqlite:
CREATE TABLE plugin_values (
    tenant_id TEXT NOT NULL,
    plugin TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, plugin, name)
) STRICT;
-- end
