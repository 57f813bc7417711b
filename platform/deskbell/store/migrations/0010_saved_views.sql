-- Lists of cases that agents come back to. Without an owner: the whole tenant's.
CREATE TABLE saved_views (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    owner_id uuid,
    name text NOT NULL,
    filter text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX saved_views_owner ON saved_views (tenant_id, owner_id, created_at);
