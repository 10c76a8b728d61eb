-- What TLS sessions with other mail systems came to, for reports to the domains behind them (RFC 8460).
CREATE TABLE tls_sessions (
    day BIGINT NOT NULL,                  -- days since 1970-01-01 UTC
    domain TEXT NOT NULL,                 -- the policy domain: A-labels, lower case
    policy_id TEXT NOT NULL,              -- of `policy`, since that may be too long for a key
    result TEXT NOT NULL,                 -- RFC 8460 section 4.3; empty: a success
    host TEXT NOT NULL,                   -- where it failed; else empty
    address TEXT NOT NULL,                -- where that is known; else empty
    policy TEXT NOT NULL,                 -- JSON
    sessions BIGINT NOT NULL,
    PRIMARY KEY (day, domain, policy_id, result, host, address)
) {without rowid};
