-- What tickets are counted by. It is worked out of the draft some time after it was written: a ticket that waits for it
-- is still counted (`store/src/insight.rs`).

CREATE TABLE ticket_facts (
    ticket_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tickets (id) ON DELETE CASCADE,
    revision  BIGINT NOT NULL,
    -- '' where it is not filled, or for a district not certain.
    category  TEXT   NOT NULL,
    unit      TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    district  TEXT   NOT NULL
);

CREATE TABLE tickets_to_count (
    ticket_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tickets (id) ON DELETE CASCADE
);
INSERT INTO tickets_to_count SELECT id FROM tickets;

-- By triggers, so that what a server of an older version writes is counted, too.
CREATE FUNCTION ticket_is_to_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tickets_to_count (ticket_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER ticket_is_to_count AFTER INSERT OR UPDATE OF draft ON tickets FOR EACH ROW
    EXECUTE FUNCTION ticket_is_to_count();

CREATE INDEX tickets_by_time ON tickets (created_at, id, status);
