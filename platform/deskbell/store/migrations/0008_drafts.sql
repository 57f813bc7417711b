-- What somebody has begun to write and not sent: one reply and one note for each of their rooms, the last writing wins.
-- The base of it (seq, owner_version) is what they had seen of the room. "connection" is the socket whose page wrote last.
CREATE TABLE drafts (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    room_id uuid NOT NULL,
    kind text NOT NULL,
    content text NOT NULL,
    seq bigint,
    owner_version bigint,
    connection text NOT NULL DEFAULT '',
    changed_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id, room_id, kind)
);
CREATE INDEX drafts_room ON drafts (tenant_id, room_id);
