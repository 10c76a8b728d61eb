-- A team's suppressions of one reason, in the order of their addresses.
CREATE INDEX suppressions_by_reason ON suppressions (team_id, reason, address);
