-- An endpoint that took long to answer is worked at beside its own kind until then.
ALTER TABLE webhooks ADD COLUMN slow_until BIGINT;

-- Endpoints that were removed, and of which there is still something in the tables of what was told.
CREATE TABLE webhooks_removed (
    webhook_id BYTEA PRIMARY KEY,
    removed_at BIGINT NOT NULL
) {without rowid};
