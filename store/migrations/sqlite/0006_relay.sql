-- The way of outbox rows to the city's ticket system. Rows of one stream (a ticket, a call) leave in their
-- order: one that waits or is parked holds back those behind it.
ALTER TABLE outbox ADD COLUMN stream TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN state TEXT NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'sent', 'parked', 'discarded', 'skipped'));
ALTER TABLE outbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
-- Since when every try failed.
ALTER TABLE outbox ADD COLUMN failing_since INTEGER;
ALTER TABLE outbox ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN last_error TEXT;
ALTER TABLE outbox ADD COLUMN parked_at INTEGER;
-- Which process is sending the row, and until when nobody else may.
ALTER TABLE outbox ADD COLUMN lease_owner TEXT;
ALTER TABLE outbox ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET
    stream = coalesce(json_extract(payload, '$.ticket'), json_extract(payload, '$.call'), key),
    state = iif(sent_at IS NULL, 'pending', 'sent');
DROP INDEX outbox_pending;
CREATE INDEX outbox_by_state ON outbox (state, id);
CREATE INDEX outbox_unsent ON outbox (stream, id) WHERE state IN ('pending', 'parked');
CREATE INDEX outbox_over ON outbox (created_at) WHERE state IN ('sent', 'discarded', 'skipped');
