-- When the vault's retention was seen to have removed what the vault was given last; NULL if it did not.
ALTER TABLE delivery ADD COLUMN pruned_at INTEGER;
-- Why the object waits for a person though nothing failed, and since when.
ALTER TABLE delivery ADD COLUMN withheld TEXT;
ALTER TABLE delivery ADD COLUMN withheld_at INTEGER;
CREATE INDEX delivery_withheld ON delivery (object) WHERE withheld IS NOT NULL;
