-- Recordings whose erasure was decided and whose files may still be there: the server that has them deletes them,
-- at once or, after a crash, when it starts (`store/src/citizens`).
CREATE TABLE recordings_to_erase (
    call_id  TEXT    NOT NULL REFERENCES calls (id),
    kind     TEXT    NOT NULL,
    slot     INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    file     TEXT    NOT NULL,
    by       TEXT    NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (call_id, kind, slot, seq)
) STRICT, WITHOUT ROWID;
