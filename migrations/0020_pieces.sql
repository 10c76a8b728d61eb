-- Large bodies lie in pieces. The first stands in `message_bodies`, which says how many follow.
ALTER TABLE message_bodies ADD COLUMN pieces BIGINT NOT NULL DEFAULT 0;
CREATE TABLE message_body_pieces (
    message_id BYTEA NOT NULL REFERENCES message_bodies (message_id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    idx BIGINT NOT NULL,
    octets BYTEA NOT NULL,
    PRIMARY KEY (message_id, idx)
);
