-- Who is mentioned where, so that each finds their own without reading everybody's messages. Kept by triggers: the
-- journal, a purge and the version before write messages and know nothing of it. A message that mentions nobody has none.
CREATE TABLE mentions (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    message_id uuid NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id, message_id)
);
CREATE INDEX mentions_latest ON mentions (tenant_id, user_id, at, message_id);
CREATE INDEX mentions_message ON mentions (tenant_id, message_id);

-- What a visitor thought of a conversation that no person was in; others have a case, which holds it.
ALTER TABLE rooms ADD COLUMN rating bigint;
ALTER TABLE rooms ADD COLUMN rating_comment text;

-- postgresql:
CREATE FUNCTION mentions_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM mentions WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO mentions (tenant_id, user_id, message_id, at)
            SELECT NEW.tenant_id, named.id::uuid, NEW.id, NEW.created_at
            FROM json_array_elements_text(NEW.mentions::json) AS named (id)
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER messages_mention AFTER INSERT ON messages
    FOR EACH ROW WHEN (NEW.mentions <> '[]') EXECUTE FUNCTION mentions_follow();
CREATE TRIGGER messages_mention_others AFTER UPDATE OF mentions ON messages
    FOR EACH ROW WHEN (OLD.mentions <> NEW.mentions) EXECUTE FUNCTION mentions_follow();
CREATE TRIGGER messages_mention_nobody AFTER DELETE ON messages
    FOR EACH ROW WHEN (OLD.mentions <> '[]') EXECUTE FUNCTION mentions_follow();
-- sqlite:
CREATE TRIGGER messages_mention AFTER INSERT ON messages WHEN NEW.mentions <> '[]'
BEGIN
    INSERT OR IGNORE INTO mentions (tenant_id, user_id, message_id, at)
        SELECT NEW.tenant_id, named.value, NEW.id, NEW.created_at FROM json_each(NEW.mentions) AS named;
END;
CREATE TRIGGER messages_mention_others AFTER UPDATE OF mentions ON messages WHEN OLD.mentions <> NEW.mentions
BEGIN
    DELETE FROM mentions WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
    INSERT OR IGNORE INTO mentions (tenant_id, user_id, message_id, at)
        SELECT NEW.tenant_id, named.value, NEW.id, NEW.created_at FROM json_each(NEW.mentions) AS named;
END;
CREATE TRIGGER messages_mention_nobody AFTER DELETE ON messages WHEN OLD.mentions <> '[]'
BEGIN
    DELETE FROM mentions WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
END;
-- end
