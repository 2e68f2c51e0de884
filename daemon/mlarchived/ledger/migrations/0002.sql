-- When workers of the service were due: `mirror:NAME`, `task:NAME`.
CREATE TABLE tick (
    worker              TEXT PRIMARY KEY,
    last_at             INTEGER NOT NULL,
    ticks               INTEGER NOT NULL,
    -- How many of them while the work of the one before still went on.
    busy                INTEGER NOT NULL,
    -- How many more there would have been, had a service run.
    missed              INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
