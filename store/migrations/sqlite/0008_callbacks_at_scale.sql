-- Claims and results look nothing up by reading all follow-ups or attempts.

-- When the last attempt began, for the pace.
ALTER TABLE campaigns ADD COLUMN last_began_at INTEGER;
UPDATE campaigns SET last_began_at = (
    SELECT max(began_at) FROM attempts JOIN follow_ups ON follow_ups.id = attempts.follow_up_id
    WHERE follow_ups.campaign_id = campaigns.id
);

-- Up to where the ticket system's list of closed tickets has been fetched.
CREATE TABLE poll_cursors (
    url    TEXT    PRIMARY KEY,
    cursor TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

CREATE INDEX follow_ups_of_previous ON follow_ups (previous) WHERE previous IS NOT NULL;
CREATE INDEX follow_up_events_of ON follow_up_events (follow_up_id);
DROP INDEX follow_ups_of_citizen;
