-- Mirrors that a person told the service to leave alone.
CREATE TABLE pause (
    mirror              TEXT PRIMARY KEY,
    since               INTEGER NOT NULL,
    why                 TEXT NOT NULL
) STRICT, WITHOUT ROWID;
