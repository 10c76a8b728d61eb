-- What engines have drawn of the daily budgets of addresses and domains that warm up.
CREATE TABLE daily_budgets (
    account TEXT NOT NULL,                -- source:ADDRESS or domain:NAME
    day BIGINT NOT NULL,                  -- days since 1970-01-01 UTC
    drawn BIGINT NOT NULL,                -- messages
    PRIMARY KEY (account, day)
) {without rowid};
