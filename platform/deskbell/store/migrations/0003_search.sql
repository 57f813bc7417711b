-- The search index. It is kept by triggers, in the transaction that changes a text: no path of the
-- program can forget it, nor can the version before this one, while both run.
-- Each message with words has one row: where it stands in time (`place`), whose eyes it is for (`scope`:
-- its room, its kind of room, its sender) and its words. What is deleted or purged has none.

-- How the words of a tenant are reduced: 'simple' (not at all) or a language of the database.
ALTER TABLE tenants ADD COLUMN search_language text NOT NULL DEFAULT 'simple';

-- Tenants whose older messages are still to be indexed: those with an id below `below`.
CREATE TABLE search_backfill (
    tenant_id uuid NOT NULL PRIMARY KEY,
    below uuid NOT NULL
);

-- postgresql:

-- Both are allowed to whoever owns the database, where they are installed; without them search is plainer.
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS unaccent;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'search tells accents apart: %', SQLERRM;
END $$;
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'search forgives no typing errors: %', SQLERRM;
END $$;

-- One configuration per language of this server, without accents where that can be had.
DO $$
DECLARE
    base name;
    stem text;
BEGIN
    FOR base IN SELECT cfgname FROM pg_ts_config WHERE cfgnamespace = 'pg_catalog'::regnamespace LOOP
        EXECUTE format('CREATE TEXT SEARCH CONFIGURATION %I (COPY = pg_catalog.%I)', 'deskbell_' || base, base);
        stem := CASE WHEN base = 'simple' THEN 'simple' ELSE base || '_stem' END;
        IF EXISTS (SELECT 1 FROM pg_ts_dict WHERE dictname = 'unaccent')
           AND EXISTS (SELECT 1 FROM pg_ts_dict WHERE dictname = stem) THEN
            EXECUTE format(
                'ALTER TEXT SEARCH CONFIGURATION %I ALTER MAPPING FOR word WITH unaccent, %I', 'deskbell_' || base, stem
            );
        END IF;
    END LOOP;
END $$;

-- What is handed to the parser: ASCII punctuation is taken out, so that an address, a path or a compound is
-- found by each of its words; scripts written without spaces are taken sign by sign.
CREATE FUNCTION deskbell_search_text(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(
        CASE
            WHEN octet_length(said) = length(said) THEN said
            ELSE regexp_replace(
                normalize(said, NFKC),
                '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])',
                ' \1 ', 'g'
            )
        END,
        '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~',
        '                                '
    )
$$;

CREATE FUNCTION deskbell_search_words(language text, said text) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT to_tsvector(('deskbell_' || language)::regconfig, deskbell_search_text(said))
$$;

CREATE FUNCTION deskbell_search_lexemes(words tsvector) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_string(tsvector_to_array(words), ' ')
$$;

CREATE TABLE message_words (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    room_id uuid NOT NULL,
    place bigint NOT NULL,
    scope text[] NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
);
CREATE INDEX message_words_place ON message_words (tenant_id, place);
CREATE INDEX message_words_room ON message_words (tenant_id, room_id, place);
-- New rows gather in a list before they are sorted in. Each search reads through the list, and the commit that
-- fills it sorts it in: a short one costs either little.
CREATE INDEX message_words_found ON message_words USING gin (scope, words) WITH (gin_pending_list_limit = 128);
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE INDEX message_words_typos ON message_words
            USING gin (deskbell_search_lexemes(words) gin_trgm_ops) WITH (gin_pending_list_limit = 512);
    END IF;
END $$;

CREATE FUNCTION deskbell_search_place(created_at bigint, message_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT created_at * 1024 + (hashtext(message_id::text) & 1023)
$$;

CREATE FUNCTION deskbell_search_scope(tenant_id uuid, room_id uuid, sender_id uuid, channel_type text, backstage_of uuid)
RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ARRAY[
        'r' || replace(room_id::text, '-', ''),
        'u' || replace(sender_id::text, '-', ''),
        CASE WHEN backstage_of IS NULL THEN 'c' ELSE 'b' END || replace(tenant_id::text, '-', '')
            || encode(convert_to(coalesce(channel_type, ''), 'UTF8'), 'hex')
    ]
$$;

CREATE VIEW message_words_of AS
    SELECT m.tenant_id, m.id AS message_id, m.room_id,
        deskbell_search_place(m.created_at, m.id) AS place,
        deskbell_search_scope(m.tenant_id, m.room_id, m.sender_id, r.channel_type, r.backstage_of) AS scope,
        deskbell_search_words(coalesce(t.search_language, 'simple'), m.content) AS words
    FROM messages m
    LEFT JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id
    LEFT JOIN tenants t ON t.id = m.tenant_id
    WHERE m.content <> '' AND m.deleted_at IS NULL AND m.kind <> 'system';

-- The plans of these functions are kept for as long as a connection lives. One that was made while the tables were
-- small must not read whole tables when they no longer are: only look-ups by index are allowed.
CREATE FUNCTION deskbell_search_added() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO message_words (tenant_id, message_id, room_id, place, scope, words)
        SELECT m.tenant_id, m.id, m.room_id, deskbell_search_place(m.created_at, m.id),
            deskbell_search_scope(m.tenant_id, m.room_id, m.sender_id, r.channel_type, r.backstage_of),
            deskbell_search_words(coalesce(t.search_language, 'simple'), m.content)
        FROM added m
        LEFT JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id
        LEFT JOIN tenants t ON t.id = m.tenant_id
        WHERE m.content <> '' AND m.deleted_at IS NULL AND m.kind <> 'system'
        ON CONFLICT (tenant_id, message_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_search_added AFTER INSERT ON messages
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION deskbell_search_added();

CREATE FUNCTION deskbell_search_changed() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM message_words WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
    INSERT INTO message_words (tenant_id, message_id, room_id, place, scope, words)
        SELECT w.tenant_id, w.message_id, w.room_id, w.place, w.scope, w.words
        FROM message_words_of w WHERE w.tenant_id = NEW.tenant_id AND w.message_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_search_changed AFTER UPDATE ON messages FOR EACH ROW
    WHEN (OLD.content IS DISTINCT FROM NEW.content OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at
        OR OLD.room_id IS DISTINCT FROM NEW.room_id OR OLD.kind IS DISTINCT FROM NEW.kind)
    EXECUTE FUNCTION deskbell_search_changed();

CREATE FUNCTION deskbell_search_removed() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM message_words w USING removed x WHERE w.tenant_id = x.tenant_id AND w.message_id = x.id;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_search_removed AFTER DELETE ON messages
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION deskbell_search_removed();

-- What was said before: a job indexes it piece by piece, the newest first.
INSERT INTO search_backfill (tenant_id, below)
    SELECT t.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff' FROM tenants t
    WHERE EXISTS (SELECT 1 FROM messages m WHERE m.tenant_id = t.id);

-- sqlite:

-- One process, and it does not serve while it migrates: what was said before is indexed here and now.
CREATE TABLE message_words_rows (
    place INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    signs TEXT NOT NULL,
    UNIQUE (tenant_id, message_id)
);
-- Holds no text, only where words stand. `signs`: scripts written without spaces, sign by sign.
CREATE VIRTUAL TABLE message_words USING fts5 (
    said, signs, scope, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE message_words_known USING fts5vocab (message_words, col);

CREATE TABLE message_words_count (n INTEGER PRIMARY KEY);
INSERT INTO message_words_count (n)
    WITH RECURSIVE upto (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM upto WHERE n < 16384) SELECT n FROM upto;

CREATE VIEW message_words_of AS
    SELECT m.tenant_id, m.id AS message_id, m.content AS said,
        'r' || replace(m.room_id, '-', '') || ' u' || replace(m.sender_id, '-', '') || ' '
            || CASE WHEN r.backstage_of IS NULL THEN 'c' ELSE 'b' END || replace(m.tenant_id, '-', '')
            || hex(coalesce(r.channel_type, '')) AS scope,
        CASE WHEN m.content GLOB '*[' || char(0x0e00) || '-' || char(0x0eff) || char(0x1000) || '-' || char(0x109f)
            || char(0x1780) || '-' || char(0x17ff) || char(0x3040) || '-' || char(0x30ff) || char(0x3400) || '-'
            || char(0x9fff) || char(0xf900) || '-' || char(0xfaff) || char(0x20000) || '-' || char(0x3ffff) || ']*'
        THEN (
            SELECT group_concat(CASE
                WHEN unicode(one) BETWEEN 0x0e00 AND 0x0eff OR unicode(one) BETWEEN 0x1000 AND 0x109f
                    OR unicode(one) BETWEEN 0x1780 AND 0x17ff OR unicode(one) BETWEEN 0x3040 AND 0x30ff
                    OR unicode(one) BETWEEN 0x3400 AND 0x9fff OR unicode(one) BETWEEN 0xf900 AND 0xfaff
                    OR unicode(one) BETWEEN 0x20000 AND 0x3ffff THEN one
                ELSE 'x' END, ' ')
            FROM (SELECT substr(m.content, c.n, 1) AS one FROM message_words_count c
                WHERE c.n <= length(m.content) ORDER BY c.n)
        ) ELSE '' END AS signs,
        m.created_at, m.rowid AS row
    FROM messages m LEFT JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id
    WHERE m.content <> '' AND m.deleted_at IS NULL AND m.kind <> 'system';

INSERT INTO message_words_rows (tenant_id, message_id, scope, signs)
    SELECT tenant_id, message_id, scope, signs FROM message_words_of ORDER BY created_at, row;
INSERT INTO message_words (rowid, said, signs, scope)
    SELECT k.place, m.content, k.signs, k.scope FROM message_words_rows k
    JOIN messages m ON m.tenant_id = k.tenant_id AND m.id = k.message_id ORDER BY k.place;

CREATE TRIGGER messages_search_added AFTER INSERT ON messages
    WHEN NEW.content <> '' AND NEW.deleted_at IS NULL AND NEW.kind <> 'system'
BEGIN
    INSERT INTO message_words_rows (tenant_id, message_id, scope, signs)
        SELECT tenant_id, message_id, scope, signs FROM message_words_of
        WHERE tenant_id = NEW.tenant_id AND message_id = NEW.id;
    INSERT INTO message_words (rowid, said, signs, scope)
        SELECT place, NEW.content, signs, scope FROM message_words_rows
        WHERE tenant_id = NEW.tenant_id AND message_id = NEW.id;
END;

CREATE TRIGGER messages_search_changed AFTER UPDATE ON messages
    WHEN OLD.content <> NEW.content OR OLD.deleted_at IS NOT NEW.deleted_at
        OR OLD.room_id <> NEW.room_id OR OLD.kind <> NEW.kind
BEGIN
    -- A text is taken out of the index by saying it once more.
    INSERT INTO message_words (message_words, rowid, said, signs, scope)
        SELECT 'delete', place, OLD.content, signs, scope FROM message_words_rows
        WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
    INSERT INTO message_words_rows (tenant_id, message_id, scope, signs)
        SELECT tenant_id, message_id, scope, signs FROM message_words_of
        WHERE tenant_id = NEW.tenant_id AND message_id = NEW.id
        ON CONFLICT (tenant_id, message_id) DO UPDATE SET scope = excluded.scope, signs = excluded.signs;
    DELETE FROM message_words_rows WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id
        AND NOT EXISTS (SELECT 1 FROM message_words_of WHERE tenant_id = NEW.tenant_id AND message_id = NEW.id);
    INSERT INTO message_words (rowid, said, signs, scope)
        SELECT place, NEW.content, signs, scope FROM message_words_rows
        WHERE tenant_id = NEW.tenant_id AND message_id = NEW.id;
END;

CREATE TRIGGER messages_search_removed BEFORE DELETE ON messages
BEGIN
    INSERT INTO message_words (message_words, rowid, said, signs, scope)
        SELECT 'delete', place, OLD.content, signs, scope FROM message_words_rows
        WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
    DELETE FROM message_words_rows WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
END;
-- end
