-- The audit is only added to, and each line is chained to the one before (`store/src/audit.rs`). What is there
-- is chained when the program opens the database: SQLite knows no SHA-256.

ALTER TABLE audit ADD COLUMN hash TEXT;
CREATE INDEX audit_unchained ON audit (id) WHERE hash IS NULL;

CREATE TRIGGER audit_line_stays BEFORE UPDATE ON audit
WHEN OLD.hash IS NOT NULL OR NEW.id IS NOT OLD.id OR NEW.at IS NOT OLD.at OR NEW.by IS NOT OLD.by
    OR NEW.action IS NOT OLD.action OR NEW.subject IS NOT OLD.subject
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;

CREATE TRIGGER audit_line_is_kept BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
