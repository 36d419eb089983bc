-- The oldest schema whose program still runs on this one, so that servers can be upgraded one after the other. A step
-- that takes something away, or gives it another meaning, sets it to the last one before that was prepared.
CREATE TABLE schema_floor (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    oldest   INTEGER NOT NULL
) STRICT;
INSERT INTO schema_floor (only_row, oldest) VALUES (1, 20);
