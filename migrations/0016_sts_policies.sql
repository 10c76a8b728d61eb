-- MTA-STS policies: each binds us until its end, whatever becomes of this process (RFC 8461 section 5.1).
CREATE TABLE sts_policies (
    domain TEXT PRIMARY KEY,              -- A-labels, lower case
    id TEXT NOT NULL,                     -- of the DNS record that announced it
    policy TEXT NOT NULL,                 -- as it was fetched
    fetched_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX sts_policies_end ON sts_policies (ends_at);
