-- When all of an object was read last, and not only its labels.
ALTER TABLE object ADD COLUMN read_at INTEGER;
UPDATE object SET read_at = packed_at;
