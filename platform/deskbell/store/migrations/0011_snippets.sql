-- Texts that agents write again and again. Without an owner: the whole tenant's.
CREATE TABLE snippets (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    owner_id uuid,
    shortcut text NOT NULL,
    content text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX snippets_shared ON snippets (tenant_id, shortcut) WHERE owner_id IS NULL;
CREATE UNIQUE INDEX snippets_own ON snippets (tenant_id, owner_id, shortcut) WHERE owner_id IS NOT NULL;
