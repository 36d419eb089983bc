-- What other machines need of the interface.

-- The outbox is the log of what happened, in the order of its ids. Rows that no ticket system is told are
-- there for those who follow the log.
ALTER TABLE outbox ADD COLUMN feed_only INTEGER NOT NULL DEFAULT 0;

-- Up to which id rows have been deleted: who had not come so far has missed some.
CREATE TABLE outbox_deleted (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    up_to    INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_deleted SELECT 1, coalesce(min(id), 1) - 1 FROM outbox;

-- How far each receiver has come that the log is pushed to, and which server pushes to it until when.
CREATE TABLE feed_cursors (
    name        TEXT    PRIMARY KEY,
    after_id    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    lease_owner TEXT,
    lease_until INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Requests that count once. Without a status the first one runs, or its server died.
CREATE TABLE idempotency_keys (
    who          TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    request      TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    status       INTEGER,
    content_type TEXT,
    body         TEXT,
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);

-- What was seen by whoever edits.
ALTER TABLE seats ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE TABLE duty_revision (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO duty_revision VALUES (1, 1);
