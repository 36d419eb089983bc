-- A gap tells whose words are missing: the leg, so that its recording can be heard again.
CREATE TABLE gaps_of_legs (
    call_id TEXT    NOT NULL REFERENCES calls (id),
    slot    INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    party   TEXT    NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    PRIMARY KEY (call_id, slot, seq, from_ms)
) STRICT;
INSERT INTO gaps_of_legs (call_id, slot, seq, party, from_ms, to_ms)
SELECT call_id, 0, 0, 'caller', from_ms, to_ms FROM caption_gaps;
DROP TABLE caption_gaps;
ALTER TABLE gaps_of_legs RENAME TO caption_gaps;

-- Where a leg's first sample lies in the call's time, in ms; unknown of calls of before.
ALTER TABLE legs ADD COLUMN shift_ms INTEGER;

-- Which hearing a sentence comes from: the call itself, one after it that filled gaps, or one of
-- the whole recording, which stands beside the others.
ALTER TABLE segments ADD COLUMN pass TEXT NOT NULL DEFAULT 'live'
    CHECK (pass IN ('live', 'completed', 'whole'));

-- Calls whose last words may still come: what of them a crash or a slow recogniser leaves is a gap.
CREATE TABLE open_captions (
    call_id TEXT PRIMARY KEY REFERENCES calls (id)
) STRICT;

-- Hearings of recordings that are to come, and what became of them.
CREATE TABLE transcript_passes (
    call_id    TEXT    NOT NULL REFERENCES calls (id),
    kind       TEXT    NOT NULL CHECK (kind IN ('gaps', 'whole')),
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    asked_at   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,
    error      TEXT,
    PRIMARY KEY (call_id, kind)
) STRICT;
CREATE INDEX transcript_passes_waiting ON transcript_passes (not_before) WHERE state = 'waiting';
