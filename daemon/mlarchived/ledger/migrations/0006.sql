-- `status` asks for these few among all.
CREATE INDEX object_troubled ON object (mirror) WHERE trouble IS NOT NULL;
CREATE INDEX delivery_troubled ON delivery (object) WHERE trouble IS NOT NULL;
-- What the source of a mirror showed when it was last looked at, as a digest of all of it.
CREATE TABLE looked (
    mirror              TEXT PRIMARY KEY,
    digest              TEXT NOT NULL
) STRICT, WITHOUT ROWID;
