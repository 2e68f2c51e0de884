-- Whether the object names others that the target lacked; and when the target first had this one, which others may name.
ALTER TABLE delivery ADD COLUMN awaits INTEGER;
ALTER TABLE delivery ADD COLUMN came_at INTEGER;
CREATE INDEX delivery_came ON delivery (target, came_at);
