-- What became of what was dropped. `mirror` is the name of the lease, `drop:NAME`.
CREATE TABLE dropped (
    mirror              TEXT NOT NULL,
    token               TEXT NOT NULL,
    name                TEXT NOT NULL,
    outcome             TEXT NOT NULL,
    packages            INTEGER NOT NULL,
    bytes               INTEGER NOT NULL,
    reason              TEXT NOT NULL,
    at                  INTEGER NOT NULL,
    PRIMARY KEY (mirror, token)
) STRICT, WITHOUT ROWID;
