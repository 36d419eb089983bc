-- Tickets are found by number, telephone, words and place; past tickets of another system beside our own.

CREATE TABLE past_imports (
    id          TEXT COLLATE "C" PRIMARY KEY,
    file        TEXT COLLATE "C" NOT NULL,
    by          TEXT COLLATE "C" NOT NULL,
    began_at    BIGINT           NOT NULL,
    -- When it was last heard of.
    alive_at    BIGINT           NOT NULL,
    -- Until then its tickets are in no answer.
    finished_at BIGINT
);

CREATE TABLE past_tickets (
    id          TEXT COLLATE "C" PRIMARY KEY,
    number      TEXT COLLATE "C" NOT NULL UNIQUE,
    import_id   TEXT COLLATE "C" NOT NULL REFERENCES past_imports (id),
    draft       TEXT COLLATE "C" NOT NULL,
    received_at BIGINT           NOT NULL,
    closed_at   BIGINT
);
CREATE INDEX past_tickets_of_import ON past_tickets (import_id);

-- Every ticket once, in the order of its time: `doc` is its millisecond and a count within it.
CREATE TABLE ticket_docs (
    doc       BIGINT           PRIMARY KEY,
    ticket_id TEXT COLLATE "C" NOT NULL UNIQUE,
    number    TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C"
);
CREATE INDEX ticket_docs_by_number ON ticket_docs (number);
CREATE INDEX ticket_docs_of_past ON ticket_docs (doc) WHERE import_id IS NOT NULL;

-- Telephone numbers from their last digit on: whoever knows the end of one finds it.
CREATE TABLE ticket_phones (
    reversed TEXT COLLATE "C" NOT NULL,
    doc      BIGINT           NOT NULL REFERENCES ticket_docs (doc),
    PRIMARY KEY (reversed, doc)
);
CREATE INDEX ticket_phones_of ON ticket_phones (doc);

-- Pairs of neighbouring characters with their places (`store/src/search/words.rs`). No text search
-- configuration is asked: which characters are letters would depend on the database's locale.
CREATE TABLE ticket_words (
    doc   BIGINT   PRIMARY KEY REFERENCES ticket_docs (doc),
    words TSVECTOR NOT NULL,
    place TSVECTOR NOT NULL
);
CREATE INDEX ticket_words_by_words ON ticket_words USING gin (words);
CREATE INDEX ticket_words_by_place ON ticket_words USING gin (place);

-- What was there before: the program puts it into the index when it opens the database.
CREATE TABLE tickets_to_index (
    ticket_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tickets (id)
);
INSERT INTO tickets_to_index SELECT id FROM tickets;
