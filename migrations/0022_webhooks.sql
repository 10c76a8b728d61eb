-- Whom a team has told of what becomes of its mail, and what they were told. Secrets sign what is sent, so they are kept as they are.
CREATE TABLE webhooks (
    id BYTEA PRIMARY KEY,
    team_id BYTEA NOT NULL REFERENCES teams (id),
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    kinds BIGINT NOT NULL,                -- a bit for each kind of event
    enabled BIGINT NOT NULL,
    secret TEXT NOT NULL,
    previous_secret TEXT,                 -- signs beside the new one until `previous_until`
    previous_until BIGINT,
    failures BIGINT NOT NULL DEFAULT 0,   -- attempts that failed in a row
    failing_since BIGINT,
    paused_until BIGINT,
    tried_at BIGINT,                      -- the last attempt that failed, or that ended a run of failures
    succeeded_at BIGINT,                  -- to about a minute
    disabled_at BIGINT,                   -- when the house gave it up, and why
    disabled_reason TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhooks_by_team ON webhooks (team_id, id);
-- What each event of each message is held against.
CREATE INDEX webhooks_wanting ON webhooks (team_id, kinds) WHERE enabled = 1;

-- Who sends to an endpoint, where there are several processes. By the database's clock.
CREATE TABLE webhook_leases (
    webhook_id BYTEA PRIMARY KEY,
    holder BYTEA NOT NULL,
    ends_at BIGINT NOT NULL
) {without rowid};

-- Events that somebody wants to be told of, written with them; gone once they are in the tables below.
CREATE TABLE webhook_outbox (
    event_id BYTEA PRIMARY KEY,
    message_id BYTEA NOT NULL
) {without rowid};

-- What is told, the same to every endpoint and at every attempt. Ids are those of the events.
CREATE TABLE webhook_events (
    id BYTEA PRIMARY KEY,
    team_id BYTEA NOT NULL,
    kind BIGINT NOT NULL,                 -- its bit
    body TEXT NOT NULL
);
CREATE INDEX webhook_events_by_team ON webhook_events (team_id, id);

CREATE TABLE webhook_deliveries (
    event_id BYTEA NOT NULL,
    webhook_id BYTEA NOT NULL,
    state TEXT NOT NULL,                  -- pending; delivered; failed: given up
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    PRIMARY KEY (event_id, webhook_id)
) {without rowid};
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id, next_attempt_at) WHERE state = 'pending';

CREATE TABLE webhook_attempts (
    id BYTEA PRIMARY KEY,
    webhook_id BYTEA NOT NULL,
    event_id BYTEA NOT NULL,
    kind BIGINT NOT NULL,
    request_id TEXT NOT NULL,             -- x-krafter-webhook-id
    number BIGINT NOT NULL,               -- from 1; 0: a test
    status BIGINT,                        -- of HTTP; NULL: no answer
    latency BIGINT NOT NULL,              -- milliseconds
    answer TEXT NOT NULL,                 -- the first 4 KiB
    error TEXT                            -- why it failed, where it did
);
CREATE INDEX webhook_attempts_by_webhook ON webhook_attempts (webhook_id, id);
