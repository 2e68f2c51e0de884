-- How many objects were left alone at a target, and why most of them were.
ALTER TABLE standing ADD COLUMN left_alone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE standing ADD COLUMN left_why TEXT;
