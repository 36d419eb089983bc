-- What other machines need of the interface.

-- The outbox is the log of what happened, in the order of its ids. Rows that no ticket system is told are
-- there for those who follow the log.
ALTER TABLE outbox ADD COLUMN feed_only BOOLEAN NOT NULL DEFAULT false;

-- Up to which id rows have been deleted: who had not come so far has missed some.
CREATE TABLE outbox_deleted (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    up_to    BIGINT NOT NULL
);
INSERT INTO outbox_deleted SELECT 1, coalesce(min(id), 1) - 1 FROM outbox;

-- How far each receiver has come that the log is pushed to, and which server pushes to it until when.
CREATE TABLE feed_cursors (
    name        TEXT COLLATE "C" PRIMARY KEY,
    after_id    BIGINT           NOT NULL,
    at          BIGINT           NOT NULL,
    lease_owner TEXT COLLATE "C",
    lease_until BIGINT           NOT NULL DEFAULT 0
);

-- Requests that count once. Without a status the first one runs, or its server died.
CREATE TABLE idempotency_keys (
    who          TEXT COLLATE "C" NOT NULL,
    key          TEXT COLLATE "C" NOT NULL,
    request      TEXT COLLATE "C" NOT NULL,
    at           BIGINT           NOT NULL,
    status       BIGINT,
    content_type TEXT COLLATE "C",
    body         TEXT COLLATE "C",
    PRIMARY KEY (who, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);

-- What was seen by whoever edits.
ALTER TABLE seats ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
CREATE TABLE duty_revision (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT NOT NULL
);
INSERT INTO duty_revision VALUES (1, 1);
