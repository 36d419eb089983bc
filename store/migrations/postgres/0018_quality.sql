-- Quality checks of calls that a seat answered (`store/src/quality`). Findings are proposals until a person reviews them;
-- quotes and remarks go with an erased citizen's words.

CREATE TABLE quality_checks (
    call_id            TEXT COLLATE "C" PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    -- As of the call, to be found by.
    started_at         BIGINT  NOT NULL,
    seat               TEXT COLLATE "C" NOT NULL,
    queue              TEXT COLLATE "C",
    checked_at         BIGINT  NOT NULL,
    -- Whether the seat's words were transcribed.
    heard              BOOLEAN NOT NULL,
    talk_ms            BIGINT  NOT NULL,
    silence_ms         BIGINT  NOT NULL,
    silence_longest_ms BIGINT  NOT NULL,
    talk_overs         BIGINT  NOT NULL,
    talk_over_ms       BIGINT  NOT NULL,
    pace               BIGINT,
    hold_ms            BIGINT  NOT NULL,
    hold_longest_ms    BIGINT  NOT NULL
);
CREATE INDEX quality_checks_by_time ON quality_checks (started_at, call_id);

CREATE TABLE quality_findings (
    id          TEXT COLLATE "C" PRIMARY KEY,
    call_id     TEXT COLLATE "C" NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    started_at  BIGINT NOT NULL,
    seat        TEXT COLLATE "C" NOT NULL,
    queue       TEXT COLLATE "C",
    kind        TEXT   NOT NULL,
    from_ms     BIGINT NOT NULL,
    to_ms       BIGINT NOT NULL,
    measured    BIGINT NOT NULL,
    phrase      TEXT   NOT NULL,
    quote       TEXT   NOT NULL,
    confidence  DOUBLE PRECISION NOT NULL,
    points      BIGINT NOT NULL,
    -- proposed, confirmed or rejected.
    state       TEXT   NOT NULL DEFAULT 'proposed',
    reviewed_by TEXT,
    reviewed_at BIGINT,
    remark      TEXT   NOT NULL DEFAULT '',
    revision    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX quality_findings_by_time ON quality_findings (started_at, id);
CREATE INDEX quality_findings_of_call ON quality_findings (call_id);

-- Calls that are to be checked, once for each time that it was asked for.
CREATE TABLE quality_due (
    call_id       TEXT COLLATE "C" PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    asked         BIGINT NOT NULL DEFAULT 1,
    claimed_until BIGINT NOT NULL DEFAULT 0
);
INSERT INTO quality_due (call_id) SELECT id FROM calls
    WHERE seat IS NOT NULL AND ended_at IS NOT NULL AND caller <> '已删除';

-- By triggers, so that what a server of an older version writes is checked, too.
CREATE FUNCTION call_is_to_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quality_due (call_id) VALUES (NEW.id)
        ON CONFLICT (call_id) DO UPDATE SET asked = quality_due.asked + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER call_is_to_check AFTER UPDATE OF ended_at ON calls FOR EACH ROW
    WHEN (NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL AND NEW.seat IS NOT NULL)
    EXECUTE FUNCTION call_is_to_check();
-- Its last words are written, or what was missing has been heard.
CREATE FUNCTION call_is_to_check_again() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_call TEXT;
BEGIN
    IF TG_OP = 'DELETE' THEN of_call := OLD.call_id; ELSE of_call := NEW.call_id; END IF;
    INSERT INTO quality_due (call_id) SELECT id FROM calls
        WHERE id = of_call AND seat IS NOT NULL AND ended_at IS NOT NULL
        ON CONFLICT (call_id) DO UPDATE SET asked = quality_due.asked + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER call_is_written_down AFTER DELETE ON open_captions FOR EACH ROW
    EXECUTE FUNCTION call_is_to_check_again();
CREATE TRIGGER call_is_to_check_again AFTER UPDATE OF state ON transcript_passes FOR EACH ROW
    WHEN (NEW.kind = 'gaps' AND NEW.state <> 'waiting' AND OLD.state = 'waiting')
    EXECUTE FUNCTION call_is_to_check_again();
