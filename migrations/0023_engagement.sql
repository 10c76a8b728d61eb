-- How often a recipient's copy of a message was opened, or a link of it followed: only so many events of it are kept. By people, and by
-- programs.
CREATE TABLE engagements (
    message_id BYTEA NOT NULL,
    recipient BIGINT NOT NULL,
    kind TEXT NOT NULL,
    people BIGINT NOT NULL,
    programs BIGINT NOT NULL,
    PRIMARY KEY (message_id, recipient, kind)
) {without rowid};

-- Whether the record of the tracking host was there at the last look.
ALTER TABLE domains ADD COLUMN tracking BIGINT NOT NULL DEFAULT 0;
