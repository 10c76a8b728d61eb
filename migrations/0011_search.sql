-- What mail is found by: for each term the messages that hold it, in blocks that are written behind their acceptance.
CREATE TABLE message_terms (
    team_id BYTEA NOT NULL,
    term TEXT NOT NULL,
    last_id BYTEA NOT NULL,               -- the newest of the block
    messages BYTEA NOT NULL,              -- ids, 16 octets each, oldest first
    PRIMARY KEY (team_id, term, last_id)
) {without rowid};

-- How far work has come that goes through all messages in the order of their ids.
CREATE TABLE progress (
    work TEXT PRIMARY KEY,
    message_id BYTEA                      -- the last one done; NULL: none is
);
INSERT INTO progress (work, message_id) VALUES ('search', NULL);
