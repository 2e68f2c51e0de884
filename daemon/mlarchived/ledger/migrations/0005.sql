-- Since when the source shows an object no more; NULL while it does.
ALTER TABLE object ADD COLUMN gone_at INTEGER;
UPDATE object SET gone_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000 WHERE NOT present;
-- When the target's object was marked as gone from its source; NULL if it is not.
ALTER TABLE delivery ADD COLUMN marked_at INTEGER;
