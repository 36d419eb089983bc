-- Which server carries or carried a call, by the name in its data folder: of several on one database each
-- closes and hears again its own, and has their recordings. Calls of before belong to whoever asks.
ALTER TABLE calls ADD COLUMN server TEXT;
