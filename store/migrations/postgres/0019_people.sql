-- People who sign in to the page without a telephone: experts of units, operators of campaigns, auditors, administrators.
-- The subject is what an OpenID provider calls the person; without a password the person signs in there alone.
CREATE TABLE people (
    login         TEXT COLLATE "C" PRIMARY KEY,
    name          TEXT COLLATE "C" NOT NULL,
    role          TEXT COLLATE "C" NOT NULL,
    unit          TEXT COLLATE "C",
    password_hash TEXT COLLATE "C",
    subject       TEXT COLLATE "C" UNIQUE,
    disabled      BOOLEAN          NOT NULL DEFAULT false,
    revision      BIGINT           NOT NULL DEFAULT 1,
    created_at    BIGINT           NOT NULL,
    updated_at    BIGINT           NOT NULL
);

CREATE TABLE person_sessions (
    id          TEXT COLLATE "C" PRIMARY KEY,
    login       TEXT COLLATE "C" NOT NULL REFERENCES people (login) ON DELETE CASCADE,
    secret_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at  BIGINT           NOT NULL,
    expires_at  BIGINT           NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX person_sessions_of_person ON person_sessions (login);
