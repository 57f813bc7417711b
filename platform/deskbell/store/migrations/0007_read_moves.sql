-- When marks moved, in rooms whose policy says receipts: timed. One row per move; nothing is read of it to count.
CREATE TABLE read_moves (
    tenant_id UUID NOT NULL,
    room_id UUID NOT NULL,
    user_id UUID NOT NULL,
    read_seq BIGINT NOT NULL,
    moved_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, room_id, user_id, read_seq)
);
