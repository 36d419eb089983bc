-- What a seat reads (text) may differ from what was heard (raw): written numbers, no fillers.
ALTER TABLE segments ADD COLUMN raw TEXT NOT NULL DEFAULT '';
UPDATE segments SET raw = text;
