-- Callbacks about closed tickets.

CREATE TABLE campaigns (
    id         TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    state      TEXT    NOT NULL CHECK (state IN ('draft', 'running', 'paused', 'stopped')),
    settings   TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL
) STRICT;

-- `wish` is the time that the citizen named for the next call. `round` 2 comes after the ticket was
-- handled again; its answer is final.
CREATE TABLE follow_ups (
    id              TEXT    PRIMARY KEY,
    campaign_id     TEXT    NOT NULL REFERENCES campaigns (id),
    ticket          TEXT    NOT NULL,
    title           TEXT    NOT NULL,
    unit            TEXT    NOT NULL,
    opened_at       INTEGER,
    closed_at       INTEGER NOT NULL,
    citizen         TEXT    NOT NULL,
    confidential    INTEGER NOT NULL,
    earlier         TEXT    NOT NULL,
    round           INTEGER NOT NULL CHECK (round IN (1, 2)),
    previous        TEXT    REFERENCES follow_ups (id),
    priority        INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('awaiting_redo', 'waiting', 'calling', 'ended')),
    not_before      INTEGER NOT NULL,
    wish            INTEGER,
    attempts        INTEGER NOT NULL DEFAULT 0,
    faults          INTEGER NOT NULL DEFAULT 0,
    wishes          INTEGER NOT NULL DEFAULT 0,
    status          TEXT,
    ended_at        INTEGER,
    result_revision INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX follow_ups_due ON follow_ups (campaign_id, priority DESC, not_before, id)
    WHERE state = 'waiting';
CREATE INDEX follow_ups_of_campaign ON follow_ups (campaign_id, id);
CREATE INDEX follow_ups_of_ticket ON follow_ups (ticket);
CREATE INDEX follow_ups_of_citizen ON follow_ups (citizen);

-- Each event of the ticket system makes one follow-up, however often it comes.
CREATE TABLE follow_up_events (
    event_id     TEXT    PRIMARY KEY,
    follow_up_id TEXT    NOT NULL REFERENCES follow_ups (id),
    at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Committed before the INVITE. Without an outcome it is under way; past its lease its server is gone.
CREATE TABLE attempts (
    follow_up_id TEXT    NOT NULL REFERENCES follow_ups (id),
    number       INTEGER NOT NULL,
    call_id      TEXT    NOT NULL UNIQUE,
    citizen      TEXT    NOT NULL,
    server       TEXT    NOT NULL,
    lease_until  INTEGER NOT NULL,
    wished       INTEGER NOT NULL,
    began_at     INTEGER NOT NULL,
    answered_at  INTEGER,
    notified_at  INTEGER,
    ended_at     INTEGER,
    outcome      TEXT,
    sip_code     INTEGER,
    PRIMARY KEY (follow_up_id, number)
) STRICT;
CREATE INDEX attempts_open ON attempts (lease_until) WHERE outcome IS NULL;
CREATE INDEX attempts_of_citizen ON attempts (citizen, began_at);

-- The later answer of an attempt to a question replaces the earlier one.
CREATE TABLE follow_up_answers (
    follow_up_id TEXT    NOT NULL,
    attempt      INTEGER NOT NULL,
    question     TEXT    NOT NULL,
    answer       TEXT    NOT NULL,
    cause        TEXT,
    text         TEXT    NOT NULL,
    confidence   REAL    NOT NULL,
    by           TEXT    NOT NULL CHECK (by IN ('speech', 'key')),
    confirmed    INTEGER NOT NULL,
    clip_from_ms INTEGER,
    clip_to_ms   INTEGER,
    at           INTEGER NOT NULL,
    PRIMARY KEY (follow_up_id, question, attempt),
    FOREIGN KEY (follow_up_id, attempt) REFERENCES attempts (follow_up_id, number)
) STRICT;

-- What a person put in the place of the machine's reading. The last one counts; all are kept.
CREATE TABLE answer_corrections (
    id           INTEGER PRIMARY KEY,
    follow_up_id TEXT    NOT NULL REFERENCES follow_ups (id),
    question     TEXT    NOT NULL,
    answer       TEXT,
    cause        TEXT,
    note         TEXT    NOT NULL,
    by           TEXT    NOT NULL,
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX answer_corrections_of ON answer_corrections (follow_up_id, id);

-- Numbers that no campaign calls.
CREATE TABLE do_not_call (
    number TEXT    PRIMARY KEY,
    why    TEXT    NOT NULL CHECK (why IN ('asked', 'listed')),
    by     TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
