-- Marks that tell whose something is.

-- Lines of the audit up to this one may be older than its chain and have no hash yet. One without a hash behind it, or
-- behind a line that has one, was not written by this program, and nobody chains it (`store/src/audit.rs`).
CREATE TABLE audit_unchained_up_to (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id       INTEGER NOT NULL
) STRICT;
INSERT INTO audit_unchained_up_to SELECT 1, coalesce(max(id), 0) FROM audit WHERE hash IS NULL;

CREATE TRIGGER audit_mark_is_set_once BEFORE INSERT ON audit_unchained_up_to
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
CREATE TRIGGER audit_mark_stays BEFORE UPDATE ON audit_unchained_up_to
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
CREATE TRIGGER audit_mark_is_kept BEFORE DELETE ON audit_unchained_up_to
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;

-- Which claim of an idempotency key counts. None: an older server's.
ALTER TABLE idempotency_keys ADD COLUMN claim TEXT;

-- Erasures that are under way: each of their steps is a transaction (`store/src/citizens/order.rs`). The row goes with the
-- last step, and `number` with it; `plan` has ids alone.
CREATE TABLE erasures (
    id       TEXT    PRIMARY KEY,
    number   TEXT    NOT NULL,
    by       TEXT    NOT NULL,
    asked_at INTEGER NOT NULL,
    plan     TEXT    NOT NULL,
    step     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What an erasure looks for among messages: without them each of its steps would read the whole log.
CREATE INDEX outbox_with_error ON outbox (stream) WHERE last_error IS NOT NULL;
CREATE INDEX outbox_results ON outbox (stream) WHERE kind = 'callback.result';
