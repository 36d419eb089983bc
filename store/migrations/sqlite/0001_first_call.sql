-- Times are milliseconds since 1970-01-01T00:00:00Z. Ids are UUIDs as text, version 7 where the
-- product makes them, so that ordering by id is ordering by time.

CREATE TABLE calls (
    id                    TEXT    PRIMARY KEY,
    caller                TEXT    NOT NULL,
    called                TEXT    NOT NULL,
    started_at            INTEGER NOT NULL,
    answered_at           INTEGER,
    ended_at              INTEGER,
    hung_up_by            TEXT,
    cause                 TEXT,
    sip_code              INTEGER,
    recording_file        TEXT,
    recording_duration_ms INTEGER,
    recording_bytes       INTEGER,
    recording_sha256      TEXT,
    recording_incomplete  INTEGER NOT NULL DEFAULT 0,
    recording_missing_ms  INTEGER NOT NULL DEFAULT 0,
    quality               TEXT
) STRICT;
-- The order of lists: no filter on the time or on running calls needs a sort.
CREATE INDEX calls_by_start ON calls (started_at, id);
CREATE INDEX calls_without_end ON calls (started_at, id) WHERE ended_at IS NULL;

CREATE TABLE legs (
    call_id     TEXT    NOT NULL REFERENCES calls (id),
    party       TEXT    NOT NULL,
    sip_call_id TEXT    NOT NULL,
    remote      TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    PRIMARY KEY (call_id, party)
) STRICT;

CREATE TABLE segments (
    id         TEXT    PRIMARY KEY,
    call_id    TEXT    NOT NULL REFERENCES calls (id),
    party      TEXT    NOT NULL,
    start_ms   INTEGER NOT NULL,
    end_ms     INTEGER NOT NULL,
    text       TEXT    NOT NULL,
    confidence REAL    NOT NULL
) STRICT;
CREATE INDEX segments_of_call ON segments (call_id, start_ms);

CREATE TABLE caption_gaps (
    call_id TEXT    NOT NULL REFERENCES calls (id),
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    PRIMARY KEY (call_id, from_ms)
) STRICT;

CREATE TABLE ticket_numbers (
    day  TEXT    PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

CREATE TABLE tickets (
    id           TEXT    PRIMARY KEY,
    number       TEXT    NOT NULL UNIQUE,
    call_id      TEXT    NOT NULL UNIQUE REFERENCES calls (id),
    status       TEXT    NOT NULL CHECK (status IN ('draft', 'confirmed')),
    revision     INTEGER NOT NULL,
    draft        TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    confirmed_at INTEGER,
    confirmed_by TEXT
) STRICT;
CREATE INDEX tickets_by_status ON tickets (status, id);

-- What a revision changed: field to new value, null where it was cleared, {"keep": n, "add": text}
-- where the first n characters of the value before stay and text follows them: a description grows
-- with every sentence, and repeating it would make a long call's history grow with its square.
-- Evidence is left out for the same reason: it is in the current draft.
CREATE TABLE ticket_revisions (
    ticket_id TEXT    NOT NULL REFERENCES tickets (id),
    revision  INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    by        TEXT    NOT NULL,
    changes   TEXT    NOT NULL,
    PRIMARY KEY (ticket_id, revision)
) STRICT;

CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL UNIQUE,
    kind       TEXT    NOT NULL,
    payload    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    sent_at    INTEGER
) STRICT;
CREATE INDEX outbox_pending ON outbox (id) WHERE sent_at IS NULL;

CREATE TABLE api_keys (
    id          TEXT    PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    role        TEXT    NOT NULL,
    secret_hash TEXT    NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;

CREATE TABLE admin_password (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    hash     TEXT    NOT NULL,
    set_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    by      TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, id);
