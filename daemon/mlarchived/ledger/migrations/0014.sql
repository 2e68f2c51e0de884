-- Where a mirror's targets are, by which one that has another name now is known again.
CREATE TABLE destination (
    mirror              TEXT NOT NULL,
    target              TEXT NOT NULL,
    locator             TEXT NOT NULL,
    PRIMARY KEY (mirror, target)
) STRICT, WITHOUT ROWID;
