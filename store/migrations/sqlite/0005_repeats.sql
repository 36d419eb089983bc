-- Tickets by the pairs of neighbouring characters of their place: by them tickets of places that may be
-- the same are found.
CREATE TABLE ticket_places (
    pair       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    ticket_id  TEXT    NOT NULL REFERENCES tickets (id),
    PRIMARY KEY (pair, created_at, ticket_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_places_of_ticket ON ticket_places (ticket_id);

WITH RECURSIVE
    places (ticket_id, created_at, place) AS (
        SELECT id, created_at, json_extract(draft, '$.place.value') FROM tickets
        WHERE length(json_extract(draft, '$.place.value')) >= 2
    ),
    pairs (ticket_id, created_at, place, at) AS (
        SELECT ticket_id, created_at, place, 1 FROM places
        UNION ALL
        SELECT ticket_id, created_at, place, at + 1 FROM pairs WHERE at + 1 < length(place)
    )
INSERT OR IGNORE INTO ticket_places (pair, created_at, ticket_id)
SELECT substr(place, at, 2), created_at, ticket_id FROM pairs;
