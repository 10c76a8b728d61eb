CREATE TABLE templates (
    id BYTEA PRIMARY KEY,
    team_id BYTEA NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    html TEXT,
    text TEXT,
    variables TEXT NOT NULL,              -- JSON: names
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX templates_by_team ON templates (team_id, id);

-- HTTP requests in a minute, over all of a team's keys. NULL: as many as by default; 0: any number.
ALTER TABLE teams ADD COLUMN requests_per_minute BIGINT;
