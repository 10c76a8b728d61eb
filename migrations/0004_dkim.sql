-- What signs a domain's mail, and how its records were found.

CREATE TABLE dkim_keys (
    id BYTEA PRIMARY KEY,
    domain_id BYTEA NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
    algorithm TEXT NOT NULL,
    selector TEXT NOT NULL,
    state TEXT NOT NULL,
    private BYTEA NOT NULL,               -- PKCS #8
    public BYTEA NOT NULL,                -- what p= publishes
    created_at BIGINT NOT NULL,
    retire_at BIGINT,                     -- when a retiring one is removed
    UNIQUE (domain_id, selector)
);

-- When the records are looked up next; looks in a row that missed one, and since when.
ALTER TABLE domains ADD COLUMN next_look_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN misses BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN missing_since BIGINT;
-- Whether the records of the return path were there at the last look.
ALTER TABLE domains ADD COLUMN return_path BIGINT NOT NULL DEFAULT 0;
CREATE INDEX domains_by_look ON domains (next_look_at);
