-- Messages that made their attempts panic, or were in flight alone when the process died. Few: a sound message has no row.
CREATE TABLE suspects (
    message_id BYTEA PRIMARY KEY,
    faults BIGINT NOT NULL,
    trial BIGINT NOT NULL                 -- the epoch under which it is in flight alone; 0: it is not
) {without rowid};
