-- Tables of the city's profile (城市配置) that were saved on the page; each stands in the place of the folder's.
CREATE TABLE profile_tables (
    part     TEXT    PRIMARY KEY,
    csv      TEXT    NOT NULL,
    saved_at INTEGER NOT NULL,
    saved_by TEXT    NOT NULL
) STRICT;

-- Counts what was saved and taken back, so that every server sees that there is something new.
CREATE TABLE profile_revision (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO profile_revision (only_row, revision) VALUES (1, 1);
