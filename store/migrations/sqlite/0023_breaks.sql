-- Why a seat takes no calls (小休): its own wish, which a start of the server keeps.
ALTER TABLE seats ADD COLUMN break_reason TEXT;
