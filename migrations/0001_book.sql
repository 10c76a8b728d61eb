-- The book, for SQLite and PostgreSQL alike. Ids are 16 bytes (UUIDv7), times are milliseconds since 1970 UTC, JSON is TEXT.
-- `{without rowid}` is WITHOUT ROWID on SQLite and nothing on PostgreSQL: rows that come in the order of their key lie in one tree.
-- Idempotency keys come in no order, and bodies are large: for those a narrow index beside the rows writes fewer pages.

CREATE TABLE teams (
    id BYTEA PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id BYTEA PRIMARY KEY,
    team_id BYTEA NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    display TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,           -- SHA-256 of the key's text
    rights TEXT NOT NULL,                 -- JSON
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX api_keys_by_team ON api_keys (team_id, id);

CREATE TABLE domains (
    id BYTEA PRIMARY KEY,
    team_id BYTEA NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,                   -- A-labels, lower case
    status TEXT NOT NULL,
    trusted BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    verified_at BIGINT,
    UNIQUE (team_id, name)
);
-- A domain can be verified by one team only, whoever asks first.
CREATE UNIQUE INDEX domains_verified ON domains (name) WHERE status = 'verified' OR status = 'disabled';
CREATE INDEX domains_by_name ON domains (name);

CREATE TABLE suppressions (
    team_id BYTEA NOT NULL,
    address TEXT NOT NULL,                -- comparable form
    reason TEXT NOT NULL,
    message_id BYTEA,
    evidence TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, address)
) {without rowid};

CREATE TABLE outbound_messages (
    id BYTEA PRIMARY KEY,
    team_id BYTEA NOT NULL,
    key_id BYTEA,
    stream TEXT NOT NULL,
    source TEXT NOT NULL,
    sandbox BIGINT NOT NULL,
    reverse_path TEXT,                    -- NULL: the null reverse-path
    from_address TEXT NOT NULL,
    subject TEXT NOT NULL,
    size BIGINT NOT NULL,
    send_at BIGINT,
    idempotency_key BYTEA,                -- only an automatic one, to be given up when the message ends badly
    details TEXT NOT NULL,                -- JSON: what is shown or sent, but never searched
    created_at BIGINT NOT NULL
) {without rowid};
CREATE INDEX outbound_messages_by_team ON outbound_messages (team_id, id);

CREATE TABLE outbound_recipients (
    message_id BYTEA NOT NULL,
    idx BIGINT NOT NULL,
    address TEXT NOT NULL,
    notify TEXT,
    orcpt TEXT,
    state TEXT NOT NULL,
    lane BIGINT NOT NULL,                 -- stream, and fresh or retried: the order of claiming
    epoch BIGINT NOT NULL,                -- 0: ready; else claimed by that engine's life
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    last_reply TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, idx)
) {without rowid};
-- One index serves the claim of what is ready (epoch 0) and of what a dead epoch left behind.
CREATE INDEX outbound_recipients_open ON outbound_recipients (epoch, lane, next_attempt_at) WHERE state = 'queued';

CREATE TABLE message_bodies (
    message_id BYTEA PRIMARY KEY,
    mime BYTEA NOT NULL
);

CREATE TABLE idempotency_keys (
    key BYTEA PRIMARY KEY,
    fingerprint BYTEA NOT NULL,
    automatic BIGINT NOT NULL,
    message_id BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_by_end ON idempotency_keys (expires_at);

CREATE TABLE events (
    message_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    team_id BYTEA NOT NULL,
    recipient BIGINT,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (message_id, id)
) {without rowid};

CREATE TABLE refusals (
    id BYTEA PRIMARY KEY,
    team_id BYTEA NOT NULL,
    key_id BYTEA NOT NULL,
    door TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    reverse_path TEXT NOT NULL,
    recipients TEXT NOT NULL,             -- JSON
    subject TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX refusals_by_team ON refusals (team_id, id);

CREATE TABLE engines (
    epoch BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    state TEXT NOT NULL,                  -- alive; dead; empty: dead, and nothing is claimed under it any more
    renewed_at BIGINT NOT NULL            -- by the database's clock
);

-- Totals, kept in the transaction of the change; one row a committer, summed when read.
CREATE TABLE counters (
    team_id BYTEA NOT NULL,
    name TEXT NOT NULL,
    committer TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (team_id, name, committer)
) {without rowid};
