-- Handling of tickets (办理), from their confirmation to the archive (`store/src/handling`). A confirmed ticket is
-- accepted until a step says otherwise, also where a server of an older version confirmed it.

ALTER TABLE tickets ADD COLUMN stage TEXT NOT NULL DEFAULT 'accepted'
    CHECK (stage IN ('accepted', 'dispatched', 'in_handling', 'closed', 'follow_up', 'archived'));
ALTER TABLE tickets ADD COLUMN unit TEXT;
ALTER TABLE tickets ADD COLUMN deadline INTEGER;
ALTER TABLE tickets ADD COLUMN supervised INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tickets ADD COLUMN heard TEXT CHECK (heard IN ('satisfied', 'dissatisfied', 'unanswered'));
ALTER TABLE tickets ADD COLUMN closed_at INTEGER;
-- The follow-up of the last closing.
ALTER TABLE tickets ADD COLUMN follow_up_id TEXT REFERENCES follow_ups (id);

-- Pages of a stage, and who has how much to do: what that asks for is all in the index.
CREATE INDEX tickets_by_stage ON tickets (stage, id, unit, deadline, supervised, status)
    WHERE status <> 'draft';
CREATE INDEX tickets_by_unit ON tickets (unit, id) WHERE unit IS NOT NULL;
CREATE INDEX tickets_supervised ON tickets (id) WHERE supervised;
CREATE INDEX tickets_of_follow_up ON tickets (follow_up_id) WHERE follow_up_id IS NOT NULL;

-- What was done, as the revision of the ticket that it made. `stage` is where the ticket is after it.
CREATE TABLE ticket_steps (
    ticket_id TEXT    NOT NULL REFERENCES tickets (id),
    revision  INTEGER NOT NULL,
    step      TEXT    NOT NULL,
    stage     TEXT    NOT NULL,
    unit      TEXT,
    deadline  INTEGER,
    note      TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    by        TEXT    NOT NULL,
    PRIMARY KEY (ticket_id, revision)
) STRICT;

-- Each event of an outer ticket system makes one step, however often it comes.
CREATE TABLE ticket_events (
    event_id  TEXT    PRIMARY KEY,
    ticket_id TEXT    NOT NULL REFERENCES tickets (id),
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
