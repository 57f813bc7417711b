-- What people reported, why somebody is banned, and what moderation decided about a message.

CREATE TABLE reports (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    room_id uuid NOT NULL,
    message_id uuid NOT NULL,
    reporter_id uuid NOT NULL,
    reason text NOT NULL,
    comment text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT 'open',
    created_at bigint NOT NULL,
    decided_by uuid,
    decided_at bigint,
    note text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX reports_once ON reports (tenant_id, message_id, reporter_id);
CREATE INDEX reports_status ON reports (tenant_id, status, created_at, id);
CREATE INDEX reports_room ON reports (tenant_id, room_id);

-- One row while a ban lasts; that somebody is banned is said by their place in the room.
CREATE TABLE bans (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    reason text NOT NULL DEFAULT '',
    banned_by uuid,
    banned_at bigint NOT NULL,
    until bigint,
    PRIMARY KEY (tenant_id, room_id, user_id)
);
CREATE INDEX bans_latest ON bans (tenant_id, banned_at, room_id, user_id);
INSERT INTO bans (tenant_id, room_id, user_id, banned_at)
    SELECT tenant_id, room_id, user_id, joined_at FROM participants WHERE state = 'banned';

-- How a text came in and what the filters made of it. Only where there is something to tell: a message
-- that came by the socket and that no filter touched has no row.
CREATE TABLE traces (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    number bigint NOT NULL,
    what text NOT NULL,
    door text NOT NULL,
    decisions text NOT NULL DEFAULT '[]',
    original text,
    actor_id uuid,
    at bigint NOT NULL,
    PRIMARY KEY (tenant_id, message_id, number)
);

ALTER TABLE held_messages ADD COLUMN decisions text;
ALTER TABLE held_messages ADD COLUMN door text;
