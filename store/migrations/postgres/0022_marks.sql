-- Marks that tell whose something is.

-- Lines of the audit up to this one may be older than its chain and have no hash yet. One without a hash behind it, or
-- behind a line that has one, was not written by this program, and nobody chains it (`store/src/audit.rs`).
CREATE TABLE audit_unchained_up_to (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    id       BIGINT NOT NULL
);
INSERT INTO audit_unchained_up_to SELECT 1, coalesce(max(id), 0) FROM audit WHERE hash IS NULL;

CREATE TRIGGER audit_mark_stays BEFORE INSERT OR UPDATE OR DELETE ON audit_unchained_up_to FOR EACH ROW
    EXECUTE FUNCTION audit_is_only_added_to();
CREATE TRIGGER audit_mark_is_kept BEFORE TRUNCATE ON audit_unchained_up_to FOR EACH STATEMENT
    EXECUTE FUNCTION audit_is_only_added_to();

-- Which claim of an idempotency key counts. None: an older server's.
ALTER TABLE idempotency_keys ADD COLUMN claim TEXT COLLATE "C";

-- Erasures that are under way: each of their steps is a transaction (`store/src/citizens/order.rs`). The row goes with the
-- last step, and `number` with it; `plan` has ids alone.
CREATE TABLE erasures (
    id       TEXT COLLATE "C" PRIMARY KEY,
    number   TEXT COLLATE "C" NOT NULL,
    by       TEXT COLLATE "C" NOT NULL,
    asked_at BIGINT           NOT NULL,
    plan     TEXT COLLATE "C" NOT NULL,
    step     BIGINT           NOT NULL DEFAULT 0
);

-- What an erasure looks for among messages: without them each of its steps would read the whole log.
CREATE INDEX outbox_with_error ON outbox (stream) WHERE last_error IS NOT NULL;
CREATE INDEX outbox_results ON outbox (stream) WHERE kind = 'callback.result';
