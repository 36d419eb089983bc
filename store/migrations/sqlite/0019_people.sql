-- People who sign in to the page without a telephone: experts of units, operators of campaigns, auditors, administrators.
-- The subject is what an OpenID provider calls the person; without a password the person signs in there alone.
CREATE TABLE people (
    login         TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL,
    role          TEXT    NOT NULL,
    unit          TEXT,
    password_hash TEXT,
    subject       TEXT    UNIQUE,
    disabled      INTEGER NOT NULL DEFAULT 0,
    revision      INTEGER NOT NULL DEFAULT 1,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE person_sessions (
    id          TEXT    PRIMARY KEY,
    login       TEXT    NOT NULL REFERENCES people (login) ON DELETE CASCADE,
    secret_hash TEXT    NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;
CREATE INDEX person_sessions_of_person ON person_sessions (login);
