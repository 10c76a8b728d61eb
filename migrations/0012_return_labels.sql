-- Where below a domain the domain of our own reverse-paths for its mail lies.
ALTER TABLE domains ADD COLUMN return_label TEXT NOT NULL DEFAULT 'send';
