-- Quality checks of calls that a seat answered (`store/src/quality`). Findings are proposals until a person reviews them;
-- quotes and remarks go with an erased citizen's words.

CREATE TABLE quality_checks (
    call_id            TEXT    PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    -- As of the call, to be found by.
    started_at         INTEGER NOT NULL,
    seat               TEXT    NOT NULL,
    queue              TEXT,
    checked_at         INTEGER NOT NULL,
    -- Whether the seat's words were transcribed.
    heard              INTEGER NOT NULL,
    talk_ms            INTEGER NOT NULL,
    silence_ms         INTEGER NOT NULL,
    silence_longest_ms INTEGER NOT NULL,
    talk_overs         INTEGER NOT NULL,
    talk_over_ms       INTEGER NOT NULL,
    pace               INTEGER,
    hold_ms            INTEGER NOT NULL,
    hold_longest_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX quality_checks_by_time ON quality_checks (started_at, call_id);

CREATE TABLE quality_findings (
    id          TEXT    PRIMARY KEY,
    call_id     TEXT    NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    started_at  INTEGER NOT NULL,
    seat        TEXT    NOT NULL,
    queue       TEXT,
    kind        TEXT    NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    measured    INTEGER NOT NULL,
    phrase      TEXT    NOT NULL,
    quote       TEXT    NOT NULL,
    confidence  REAL    NOT NULL,
    points      INTEGER NOT NULL,
    -- proposed, confirmed or rejected.
    state       TEXT    NOT NULL DEFAULT 'proposed',
    reviewed_by TEXT,
    reviewed_at INTEGER,
    remark      TEXT    NOT NULL DEFAULT '',
    revision    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX quality_findings_by_time ON quality_findings (started_at, id);
CREATE INDEX quality_findings_of_call ON quality_findings (call_id);

-- Calls that are to be checked, once for each time that it was asked for.
CREATE TABLE quality_due (
    call_id       TEXT    PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    asked         INTEGER NOT NULL DEFAULT 1,
    claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO quality_due (call_id) SELECT id FROM calls
    WHERE seat IS NOT NULL AND ended_at IS NOT NULL AND caller <> '已删除';

-- By triggers, so that what a server of an older version writes is checked, too.
CREATE TRIGGER call_is_to_check AFTER UPDATE OF ended_at ON calls
WHEN NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL AND NEW.seat IS NOT NULL BEGIN
    INSERT INTO quality_due (call_id) VALUES (NEW.id)
        ON CONFLICT (call_id) DO UPDATE SET asked = asked + 1;
END;
-- Its last words are written.
CREATE TRIGGER call_is_written_down AFTER DELETE ON open_captions BEGIN
    INSERT INTO quality_due (call_id) SELECT id FROM calls
        WHERE id = OLD.call_id AND seat IS NOT NULL AND ended_at IS NOT NULL
        ON CONFLICT (call_id) DO UPDATE SET asked = asked + 1;
END;
-- What was missing has been heard.
CREATE TRIGGER call_is_to_check_again AFTER UPDATE OF state ON transcript_passes
WHEN NEW.kind = 'gaps' AND NEW.state <> 'waiting' AND OLD.state = 'waiting' BEGIN
    INSERT INTO quality_due (call_id) SELECT id FROM calls
        WHERE id = NEW.call_id AND seat IS NOT NULL AND ended_at IS NOT NULL
        ON CONFLICT (call_id) DO UPDATE SET asked = asked + 1;
END;
