-- Mail barely compresses, and trying costs more than it saves: bodies are stored out of line as they are.
ALTER TABLE message_bodies ALTER COLUMN mime SET STORAGE EXTERNAL;
-- Settling changes indexed columns of rows that are soon final: leave room on the page, and clean up early.
ALTER TABLE outbound_recipients SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
