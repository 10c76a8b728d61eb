-- Wishes to get no more mail of a kind, apart from suppressions: a sender may be allowed to override a wish.
CREATE TABLE unsubscribes (
    team_id BYTEA NOT NULL,
    scope TEXT NOT NULL,                  -- the stream
    address TEXT NOT NULL,                -- comparable form
    how TEXT NOT NULL,
    message_id BYTEA,
    evidence TEXT NOT NULL,               -- JSON
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, scope, address)
) {without rowid};

-- When each kind of event came first, for messages whose events are no longer kept.
CREATE TABLE first_events (
    message_id BYTEA NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (message_id, kind)
) {without rowid};
