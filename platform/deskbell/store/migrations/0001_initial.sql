-- Everything that must not be lost. Times are microseconds since 1970, JSON is text, ids are UUIDs.
-- Every key begins with the tenant, so that tables can be partitioned or spread by it.

CREATE TABLE tenants (
    id uuid NOT NULL PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE sites (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    public_key text NOT NULL UNIQUE,
    secret text NOT NULL,
    origins text NOT NULL DEFAULT '[]',
    settings text NOT NULL DEFAULT '{}',
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE users (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    role text NOT NULL DEFAULT '',
    name text NOT NULL,
    avatar text,
    email text,
    password_hash text,
    site_id uuid,
    external_id text,
    attributes text NOT NULL DEFAULT '{}',
    token_version bigint NOT NULL DEFAULT 0,
    disabled boolean NOT NULL DEFAULT false,
    accepting boolean NOT NULL DEFAULT true,
    availability text NOT NULL DEFAULT 'online',
    created_at bigint NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX users_email ON users (tenant_id, email) WHERE email IS NOT NULL AND kind <> 'visitor';
CREATE UNIQUE INDEX users_external ON users (tenant_id, site_id, external_id) WHERE external_id IS NOT NULL;
-- Revocation is asked for with the tips: whose tokens died lately.
CREATE INDEX users_changed ON users (changed_at);

CREATE TABLE refresh_tokens (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    family uuid NOT NULL,
    user_id uuid NOT NULL,
    token_hash text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint,
    revoked boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX refresh_tokens_hash ON refresh_tokens (token_hash);
CREATE INDEX refresh_tokens_family ON refresh_tokens (tenant_id, family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (tenant_id, user_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE teams (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, slug)
);

CREATE TABLE team_members (
    tenant_id uuid NOT NULL,
    team text NOT NULL,
    user_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, team, user_id)
);

CREATE TABLE rooms (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    channel_type text NOT NULL,
    key text,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    seq bigint NOT NULL DEFAULT 0,
    changed_seq bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 1,
    owner_kind text NOT NULL DEFAULT '',
    owner_user uuid,
    owner_version bigint NOT NULL DEFAULT 0,
    customer uuid,
    case_id uuid,
    backstage uuid,
    backstage_of uuid,
    redirect_to uuid,
    closed_at bigint,
    created_by uuid,
    created_at bigint NOT NULL,
    changed_at bigint NOT NULL,
    active_at bigint NOT NULL,
    due_at bigint,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX rooms_key ON rooms (tenant_id, channel_type, key) WHERE key IS NOT NULL;
CREATE INDEX rooms_customer ON rooms (tenant_id, customer, created_at) WHERE customer IS NOT NULL;
-- The tip poll of all instances: which rooms moved since I last looked.
CREATE INDEX rooms_changed ON rooms (changed_at);
-- Rooms that something is due for: auto-close, deletion, purge.
CREATE INDEX rooms_due ON rooms (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE participants (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    state text NOT NULL,
    joined_at bigint NOT NULL,
    visible_from bigint NOT NULL DEFAULT 0,
    muted_until bigint,
    changed_seq bigint NOT NULL,
    last_read_seq bigint NOT NULL DEFAULT 0,
    last_delivered_seq bigint NOT NULL DEFAULT 0,
    unread_from bigint,
    PRIMARY KEY (tenant_id, room_id, user_id)
);
CREATE INDEX participants_user ON participants (tenant_id, user_id, room_id);
CREATE INDEX participants_changed ON participants (tenant_id, room_id, changed_seq);

CREATE TABLE messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    client_id text NOT NULL,
    request_hash bytea NOT NULL,
    sender_id uuid NOT NULL,
    kind text NOT NULL,
    content text NOT NULL,
    metadata text NOT NULL DEFAULT '{}',
    attachments text NOT NULL DEFAULT '[]',
    mentions text NOT NULL DEFAULT '[]',
    reply_to uuid,
    thread uuid,
    thread_count bigint NOT NULL DEFAULT 0,
    pinned boolean NOT NULL DEFAULT false,
    created_at bigint NOT NULL,
    edited_at bigint,
    deleted_at bigint,
    deleted_by uuid,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX messages_order ON messages (tenant_id, room_id, seq);
CREATE UNIQUE INDEX messages_client ON messages (tenant_id, room_id, sender_id, client_id);
-- What changed after it was born: small, because most messages never change.
CREATE INDEX messages_changed ON messages (tenant_id, room_id, changed_seq) WHERE changed_seq > seq;
CREATE INDEX messages_thread ON messages (tenant_id, thread, seq) WHERE thread IS NOT NULL;
CREATE INDEX messages_pinned ON messages (tenant_id, room_id, seq) WHERE pinned;

CREATE TABLE reactions (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    emoji text NOT NULL,
    user_id uuid NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, message_id, emoji, user_id)
);

CREATE TABLE revisions (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    number bigint NOT NULL,
    content text NOT NULL,
    edited_by uuid NOT NULL,
    edited_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, message_id, number)
);

-- Held messages take no seq until a person approves them, so they live apart.
CREATE TABLE held_messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    room_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    client_id text NOT NULL,
    request_hash bytea NOT NULL,
    request text NOT NULL,
    original text NOT NULL,
    reason text NOT NULL,
    filter text NOT NULL,
    status text NOT NULL DEFAULT 'held',
    decided_by uuid,
    created_at bigint NOT NULL,
    decided_at bigint,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX held_client ON held_messages (tenant_id, room_id, sender_id, client_id);
CREATE INDEX held_status ON held_messages (tenant_id, status, created_at);

CREATE TABLE cases (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    room_id uuid NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    priority bigint NOT NULL DEFAULT 0,
    team text NOT NULL,
    agent uuid,
    step bigint NOT NULL DEFAULT 0,
    opened_at bigint NOT NULL,
    waiting_since bigint,
    deadline_at bigint,
    first_response_at bigint,
    resolved_at bigint,
    snoozed_until bigint,
    handover text,
    rating bigint,
    rating_comment text,
    merged_into uuid,
    version bigint NOT NULL DEFAULT 1,
    changed_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- One life at a time: a room has at most one case that is not over.
CREATE UNIQUE INDEX cases_open ON cases (tenant_id, room_id) WHERE status IN ('waiting', 'assigned', 'snoozed');
CREATE INDEX cases_queue ON cases (tenant_id, status, team, priority, waiting_since);
CREATE INDEX cases_agent ON cases (tenant_id, agent, status) WHERE agent IS NOT NULL;
CREATE INDEX cases_room ON cases (tenant_id, room_id, opened_at);
CREATE INDEX cases_due ON cases (deadline_at) WHERE deadline_at IS NOT NULL;

CREATE TABLE bot_states (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    bot text NOT NULL,
    state text NOT NULL DEFAULT '{}',
    taken_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, room_id, bot)
);

-- Work that must be done after a commit: bot turns, deliveries, what plugins observe.
-- Claimed with a lease; `fence` rises with each claim, and only its holder may finish the row.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    queue text NOT NULL,
    key text NOT NULL DEFAULT '',
    payload text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    priority bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0,
    max_attempts bigint NOT NULL DEFAULT 3,
    fence bigint NOT NULL DEFAULT 0,
    due_at bigint NOT NULL,
    leased_until bigint,
    last_error text,
    created_at bigint NOT NULL,
    done_at bigint
);
CREATE INDEX outbox_due ON outbox (queue, due_at) WHERE status = 'pending';
CREATE INDEX outbox_key ON outbox (tenant_id, queue, key) WHERE status = 'pending';
CREATE INDEX outbox_dead ON outbox (tenant_id, queue, done_at) WHERE status = 'dead';

-- Saves effort when several instances tick; the work itself is safe without it.
CREATE TABLE job_slots (
    job text NOT NULL,
    slot bigint NOT NULL,
    PRIMARY KEY (job, slot)
);
