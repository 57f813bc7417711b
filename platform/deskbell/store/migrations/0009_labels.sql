-- What a tenant's agents sort cases by. A label that is no longer offered stays, for the cases that carry it.
CREATE TABLE labels (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    name_key text NOT NULL,
    color text NOT NULL DEFAULT '',
    retired bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX labels_name ON labels (tenant_id, name_key) WHERE retired = 0;

-- A list of ids, in JSON: a case is read and written whole.
ALTER TABLE cases ADD COLUMN labels text NOT NULL DEFAULT '[]';
