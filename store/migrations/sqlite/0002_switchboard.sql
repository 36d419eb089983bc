-- A hotline with seats, queues, transfers and three-party calls.

-- `called` stays the number that the citizen dialled, `caller` the citizen's own, whichever way the
-- call goes.
ALTER TABLE calls ADD COLUMN direction TEXT NOT NULL DEFAULT 'inbound'
    CHECK (direction IN ('inbound', 'outbound', 'callback'));
ALTER TABLE calls ADD COLUMN number_name   TEXT;
ALTER TABLE calls ADD COLUMN queue         TEXT;
ALTER TABLE calls ADD COLUMN enterprise    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN queue_wait_ms INTEGER;
-- The extension of the first seat that talked.
ALTER TABLE calls ADD COLUMN seat          TEXT;
ALTER TABLE calls ADD COLUMN missed        TEXT;
-- Who called before, and whom did they talk to.
CREATE INDEX calls_by_caller ON calls (caller, started_at);

-- A slot is a place in the call that may be used again; slot 0 is the citizen's. The target is a
-- number, or the extension of a seat.
CREATE TABLE legs_of_calls (
    call_id     TEXT    NOT NULL REFERENCES calls (id),
    slot        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    role        TEXT    NOT NULL CHECK (role IN
        ('citizen', 'seat', 'seat_second_line', 'expert', 'emergency', 'supervisor', 'other')),
    target      TEXT    NOT NULL,
    name        TEXT,
    sip_call_id TEXT,
    remote      TEXT,
    started_at  INTEGER NOT NULL,
    answered_at INTEGER,
    ended_at    INTEGER,
    hung_up_by  TEXT,
    cause       TEXT,
    sip_code    INTEGER,
    quality     TEXT,
    PRIMARY KEY (call_id, slot, seq)
) STRICT;
INSERT INTO legs_of_calls
    (call_id, slot, seq, role, target, sip_call_id, remote, started_at, answered_at, ended_at,
     hung_up_by, cause, sip_code, quality)
SELECT calls.id,
    CASE legs.party WHEN 'caller' THEN 0 WHEN 'seat' THEN 1 ELSE 2 END,
    0,
    CASE legs.party WHEN 'caller' THEN 'citizen' WHEN 'seat' THEN 'seat' ELSE 'expert' END,
    iif(legs.party = 'caller', calls.caller, ''),
    legs.sip_call_id, legs.remote, legs.started_at,
    iif(legs.party = 'caller', calls.answered_at, legs.started_at), legs.ended_at,
    iif(legs.party = 'caller', calls.hung_up_by, NULL),
    iif(legs.party = 'caller', calls.cause, NULL),
    iif(legs.party = 'caller', calls.sip_code, NULL),
    iif(legs.party = 'caller', calls.quality, NULL)
FROM legs JOIN calls ON calls.id = legs.call_id;
DROP TABLE legs;
ALTER TABLE legs_of_calls RENAME TO legs;
CREATE INDEX legs_by_target ON legs (target, started_at);

CREATE TABLE call_events (
    id      INTEGER PRIMARY KEY,
    call_id TEXT    NOT NULL REFERENCES calls (id),
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;
CREATE INDEX call_events_of_call ON call_events (call_id, id);

-- One mix a call, at slot 0 and seq 0, and one track for each recorded leg.
CREATE TABLE recordings (
    call_id      TEXT    NOT NULL REFERENCES calls (id),
    kind         TEXT    NOT NULL CHECK (kind IN ('mix', 'track')),
    slot         INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    file         TEXT    NOT NULL,
    key_id       TEXT,
    chain_head   TEXT,
    duration_ms  INTEGER,
    bytes        INTEGER,
    sha256       TEXT,
    pauses       TEXT    NOT NULL DEFAULT '[]',
    incomplete   INTEGER NOT NULL DEFAULT 0,
    missing_ms   INTEGER NOT NULL DEFAULT 0,
    delete_after INTEGER,
    deleted_at   INTEGER,
    PRIMARY KEY (call_id, kind, slot, seq)
) STRICT;
CREATE INDEX recordings_due ON recordings (delete_after)
    WHERE delete_after IS NOT NULL AND deleted_at IS NULL;
INSERT INTO recordings
    (call_id, kind, slot, seq, file, duration_ms, bytes, sha256, incomplete, missing_ms)
SELECT id, 'mix', 0, 0, recording_file, recording_duration_ms, recording_bytes, recording_sha256,
    recording_incomplete, recording_missing_ms
FROM calls WHERE recording_file IS NOT NULL;
ALTER TABLE calls DROP COLUMN recording_file;
ALTER TABLE calls DROP COLUMN recording_duration_ms;
ALTER TABLE calls DROP COLUMN recording_bytes;
ALTER TABLE calls DROP COLUMN recording_sha256;
ALTER TABLE calls DROP COLUMN recording_incomplete;
ALTER TABLE calls DROP COLUMN recording_missing_ms;

-- How long recordings are kept; without a row nothing is deleted.
CREATE TABLE retention (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    keep_ms  INTEGER NOT NULL
) STRICT;

-- HA1 is the hash of extension, realm and password that digest authentication works with
-- (RFC 7616 §3.4.2); the password itself is nowhere.
CREATE TABLE seats (
    extension     TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL,
    role          TEXT    NOT NULL CHECK (role IN ('seat', 'supervisor')),
    skills        TEXT    NOT NULL,
    realm         TEXT    NOT NULL,
    ha1_md5       TEXT    NOT NULL,
    ha1_sha256    TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE seat_sessions (
    id          TEXT    PRIMARY KEY,
    extension   TEXT    NOT NULL REFERENCES seats (extension) ON DELETE CASCADE,
    secret_hash TEXT    NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;
CREATE INDEX seat_sessions_of_seat ON seat_sessions (extension);

CREATE TABLE departments (
    code    TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    aliases TEXT NOT NULL
) STRICT;

CREATE TABLE experts (
    id      INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL,
    targets TEXT    NOT NULL
) STRICT;

-- `weekdays` is a set, bit 0 Monday; dates are YYYYMMDD and inclusive; minutes count from midnight in
-- China, and an end that is not after the start is on the next day.
CREATE TABLE shifts (
    id          INTEGER PRIMARY KEY,
    department  TEXT    NOT NULL REFERENCES departments (code),
    expert      INTEGER NOT NULL REFERENCES experts (id),
    weekdays    INTEGER NOT NULL,
    first       INTEGER,
    last        INTEGER,
    from_minute INTEGER NOT NULL,
    to_minute   INTEGER NOT NULL,
    rank        INTEGER NOT NULL
) STRICT;

CREATE TABLE missed_calls (
    call_id       TEXT    PRIMARY KEY REFERENCES calls (id),
    caller        TEXT    NOT NULL,
    called        TEXT    NOT NULL,
    number_name   TEXT,
    why           TEXT    NOT NULL,
    at            INTEGER NOT NULL,
    wanted        INTEGER NOT NULL DEFAULT 0,
    state         TEXT    NOT NULL CHECK (state IN
        ('open', 'calling', 'reached', 'failed', 'called_again')),
    claimed_by    TEXT,
    claimed_at    INTEGER,
    callback_call TEXT,
    called_again  TEXT
) STRICT;
CREATE INDEX missed_calls_by_state ON missed_calls (state, at, call_id);
CREATE INDEX missed_calls_by_caller ON missed_calls (caller) WHERE state IN ('open', 'failed');
CREATE INDEX missed_calls_by_time ON missed_calls (at, call_id);
