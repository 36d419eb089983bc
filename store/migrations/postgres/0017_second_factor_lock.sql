-- Wrong codes of a seat's second factor since the last right one, and until when none counts.
ALTER TABLE seats ADD COLUMN totp_wrong BIGINT NOT NULL DEFAULT 0;
ALTER TABLE seats ADD COLUMN totp_locked_until BIGINT NOT NULL DEFAULT 0;
-- Whether a revision is the erasure of the citizen (按法删除).
ALTER TABLE ticket_revisions ADD COLUMN erased BOOLEAN NOT NULL DEFAULT false;
