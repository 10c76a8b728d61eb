-- The status of a message stands in its row, and is kept in the transaction of whatever changes it: lists need not look at recipients.
-- So does the number of its recipients: where there is one, its end alone says what the status is.
ALTER TABLE outbound_messages ADD COLUMN status TEXT NOT NULL DEFAULT 'queued';
ALTER TABLE outbound_messages ADD COLUMN recipients BIGINT NOT NULL DEFAULT 0;
UPDATE outbound_messages AS m SET
    recipients = (SELECT COUNT(*) FROM outbound_recipients r WHERE r.message_id = m.id),
    status = (SELECT CASE
        WHEN SUM(CASE WHEN r.state IN ('queued', 'held') THEN 1 ELSE 0 END) > 0
            THEN CASE WHEN SUM(CASE WHEN r.state IN ('sent', 'delivered') THEN 1 ELSE 0 END) > 0 THEN 'sent' ELSE 'queued' END
        WHEN EXISTS (SELECT 1 FROM events e WHERE e.message_id = m.id AND e.kind = 'complained') THEN 'complained'
        WHEN SUM(CASE WHEN r.state = 'bounced' THEN 1 ELSE 0 END) > 0 THEN 'bounced'
        WHEN SUM(CASE WHEN r.state = 'failed' THEN 1 ELSE 0 END) > 0 THEN 'failed'
        WHEN SUM(CASE WHEN r.state = 'sent' THEN 1 ELSE 0 END) > 0 THEN 'sent'
        WHEN SUM(CASE WHEN r.state = 'delivered' THEN 1 ELSE 0 END) > 0 THEN 'delivered'
        WHEN SUM(CASE WHEN r.state = 'cancelled' THEN 1 ELSE 0 END) > 0 THEN 'cancelled'
        ELSE 'rejected'
    END FROM outbound_recipients r WHERE r.message_id = m.id);
CREATE INDEX outbound_messages_by_status ON outbound_messages (team_id, status, id);

-- Counters by the day of acceptance (days since 1970 UTC); day 0 for what belongs to no day: what is open, and all sandbox mail.
-- `messages` counts what was accepted, and each status but `queued` what stands there: what is queued is the rest.
CREATE TABLE counters_by_day (
    team_id BYTEA NOT NULL,
    name TEXT NOT NULL,
    day BIGINT NOT NULL,
    committer TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (team_id, name, day, committer)
) {without rowid};
INSERT INTO counters_by_day (team_id, name, day, committer, value)
    SELECT team_id, name, 0, committer, value FROM counters WHERE name <> 'messages';
INSERT INTO counters_by_day (team_id, name, day, committer, value)
    SELECT team_id, 'messages', CASE WHEN sandbox = 1 THEN 0 ELSE created_at / 86400000 END, 'migration', COUNT(*)
    FROM outbound_messages GROUP BY 1, 3;
INSERT INTO counters_by_day (team_id, name, day, committer, value)
    SELECT team_id, status, CASE WHEN sandbox = 1 THEN 0 ELSE created_at / 86400000 END, 'migration', COUNT(*)
    FROM outbound_messages WHERE status <> 'queued' GROUP BY 1, 2, 3;
DROP TABLE counters;
ALTER TABLE counters_by_day RENAME TO counters;
