-- Recordings whose erasure was decided and whose files may still be there: the server that has them deletes them,
-- at once or, after a crash, when it starts (`store/src/citizens`).
CREATE TABLE recordings_to_erase (
    call_id  TEXT COLLATE "C" NOT NULL REFERENCES calls (id),
    kind     TEXT COLLATE "C" NOT NULL,
    slot     BIGINT           NOT NULL,
    seq      BIGINT           NOT NULL,
    file     TEXT COLLATE "C" NOT NULL,
    by       TEXT COLLATE "C" NOT NULL,
    asked_at BIGINT           NOT NULL,
    PRIMARY KEY (call_id, kind, slot, seq)
);
