-- Tickets are found by number, telephone, words and place; past tickets of another system beside our own.

CREATE TABLE past_imports (
    id          TEXT    PRIMARY KEY,
    file        TEXT    NOT NULL,
    by          TEXT    NOT NULL,
    began_at    INTEGER NOT NULL,
    -- When it was last heard of.
    alive_at    INTEGER NOT NULL,
    -- Until then its tickets are in no answer.
    finished_at INTEGER
) STRICT;

CREATE TABLE past_tickets (
    id          TEXT    PRIMARY KEY,
    number      TEXT    NOT NULL UNIQUE,
    import_id   TEXT    NOT NULL REFERENCES past_imports (id),
    draft       TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    closed_at   INTEGER
) STRICT;
CREATE INDEX past_tickets_of_import ON past_tickets (import_id);

-- Every ticket once, in the order of its time: `doc` is its millisecond and a count within it.
CREATE TABLE ticket_docs (
    doc       INTEGER PRIMARY KEY,
    ticket_id TEXT    NOT NULL UNIQUE,
    number    TEXT    NOT NULL,
    import_id TEXT
) STRICT;
CREATE INDEX ticket_docs_by_number ON ticket_docs (number);
CREATE INDEX ticket_docs_of_past ON ticket_docs (doc) WHERE import_id IS NOT NULL;

-- Telephone numbers from their last digit on: whoever knows the end of one finds it.
CREATE TABLE ticket_phones (
    reversed TEXT    NOT NULL,
    doc      INTEGER NOT NULL REFERENCES ticket_docs (doc),
    PRIMARY KEY (reversed, doc)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_phones_of ON ticket_phones (doc);

-- Pairs of neighbouring characters, with blanks between them (`store/src/search/words.rs`).
CREATE VIRTUAL TABLE ticket_words
    USING fts5 (words, place, content = '', contentless_delete = 1, tokenize = 'ascii');

-- What was there before: the program puts it into the index when it opens the database.
CREATE TABLE tickets_to_index (
    ticket_id TEXT PRIMARY KEY REFERENCES tickets (id)
) STRICT, WITHOUT ROWID;
INSERT INTO tickets_to_index SELECT id FROM tickets;
