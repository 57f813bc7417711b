-- What admins switched on and off while Deskbell ran.
CREATE TABLE plugin_switches (
    plugin text NOT NULL PRIMARY KEY,
    enabled boolean NOT NULL,
    changed_by text NOT NULL DEFAULT '',
    changed_at bigint NOT NULL
);

-- Work that has one cause is left once, however often the cause is told.
ALTER TABLE outbox ADD COLUMN once text;
-- brief: the outbox holds a day's work, and none of it has one yet
CREATE UNIQUE INDEX outbox_once ON outbox (tenant_id, queue, once) WHERE once IS NOT NULL;
