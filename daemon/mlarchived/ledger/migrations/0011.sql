-- Since when a target lacks what the mirror has taken of the object last, and is to get it; NULL if it is not.
ALTER TABLE delivery ADD COLUMN owed_at INTEGER;
