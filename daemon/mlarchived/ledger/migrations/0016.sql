-- What waits by itself, and why most of it does.
ALTER TABLE standing ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
ALTER TABLE standing ADD COLUMN waiting_why TEXT;
