-- An endpoint that does not keep up is given no more deliveries: those of events from this one on are made when it has room for them.
-- NULL: it has all of its own.
ALTER TABLE webhooks ADD COLUMN behind_from BYTEA;
CREATE INDEX webhooks_behind ON webhooks (team_id, behind_from);
