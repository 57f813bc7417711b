-- Who did what, for rooms whose policy wants it kept. Nothing is changed or taken out again: each row carries a
-- digest of itself and of the one before, and the head, which every writer locks last, says which is the latest.

CREATE TABLE audit (
    tenant_id uuid NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    actor_id uuid NOT NULL,
    act text NOT NULL,
    room_id uuid NOT NULL,
    subject text NOT NULL DEFAULT '',
    details text NOT NULL DEFAULT '{}',
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX audit_room ON audit (tenant_id, room_id, number);
CREATE INDEX audit_actor ON audit (tenant_id, actor_id, number);

CREATE TABLE audit_heads (
    tenant_id uuid NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    hash bytea NOT NULL
);

-- postgresql:
CREATE FUNCTION audit_is_kept() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'audit rows are neither changed nor deleted';
END
$$ LANGUAGE plpgsql;
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();
-- sqlite:
CREATE TRIGGER audit_kept BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are neither changed nor deleted');
END;
CREATE TRIGGER audit_not_emptied BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are neither changed nor deleted');
END;
-- end
