-- As the bodies themselves.
ALTER TABLE message_body_pieces ALTER COLUMN octets SET STORAGE EXTERNAL;
