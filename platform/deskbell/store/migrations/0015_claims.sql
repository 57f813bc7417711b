-- When it is looked at whether what a visitor said of themselves is still needed; null: they said nothing.
ALTER TABLE users ADD COLUMN forget_at bigint;
-- brief: nobody has one yet
CREATE INDEX users_forget ON users (forget_at) WHERE forget_at IS NOT NULL;
