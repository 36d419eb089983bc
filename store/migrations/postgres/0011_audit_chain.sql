-- The audit is only added to, and each line is chained to the one before (`store/src/audit.rs`). What is there
-- is chained when the program opens the database, as in SQLite, which knows no SHA-256.

ALTER TABLE audit ADD COLUMN hash TEXT COLLATE "C";
CREATE INDEX audit_unchained ON audit (id) WHERE hash IS NULL;

CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to';
END
$$;

CREATE TRIGGER audit_line_stays BEFORE UPDATE ON audit FOR EACH ROW
    WHEN (OLD.hash IS NOT NULL OR ROW (NEW.id, NEW.at, NEW.by, NEW.action, NEW.subject)
        IS DISTINCT FROM ROW (OLD.id, OLD.at, OLD.by, OLD.action, OLD.subject))
    EXECUTE FUNCTION audit_is_only_added_to();
CREATE TRIGGER audit_line_is_kept BEFORE DELETE ON audit FOR EACH ROW
    EXECUTE FUNCTION audit_is_only_added_to();
CREATE TRIGGER audit_lines_are_kept BEFORE TRUNCATE ON audit FOR EACH STATEMENT
    EXECUTE FUNCTION audit_is_only_added_to();
