-- What waits to be told of, by team: the teams take turns.
CREATE TABLE webhook_noted (
    team_id BYTEA NOT NULL,
    event_id BYTEA NOT NULL,
    message_id BYTEA NOT NULL,
    PRIMARY KEY (team_id, event_id)
) {without rowid};
INSERT INTO webhook_noted (team_id, event_id, message_id)
    SELECT e.team_id, o.event_id, o.message_id FROM webhook_outbox o JOIN events e ON e.message_id = o.message_id AND e.id = o.event_id;
DROP TABLE webhook_outbox;
ALTER TABLE webhook_noted RENAME TO webhook_outbox;

-- Endpoints that are switched off count, too: they may be told later.
DROP INDEX webhooks_wanting;
CREATE INDEX webhooks_wanting ON webhooks (team_id, kinds);
CREATE INDEX webhooks_given_up ON webhooks (disabled_at) WHERE disabled_at IS NOT NULL;
