-- Times are ms since 1970 UTC. An absent fact is NULL. Ids and marks are text as their makers spell it.

CREATE TABLE object (
    id                  INTEGER PRIMARY KEY,
    mirror              TEXT NOT NULL,
    -- The address at the source.
    origin              TEXT NOT NULL,
    kind                TEXT NOT NULL,
    name                TEXT NOT NULL,
    version             TEXT NOT NULL,
    -- How it looked from afar when it was last looked at; whether it was there at all.
    seen_content_mark   TEXT,
    seen_state_mark     TEXT,
    present             INTEGER NOT NULL DEFAULT 1,
    -- How it looked when it was last read, and what it was.
    packed_content_mark TEXT,
    packed_state_mark   TEXT,
    content_id          TEXT,
    state_id            TEXT,
    packed_at           INTEGER,
    losses              TEXT NOT NULL DEFAULT '[]',
    -- What went wrong when it was last read.
    trouble             TEXT,
    strikes             INTEGER NOT NULL DEFAULT 0,
    troubled_at         INTEGER,
    UNIQUE (mirror, origin, kind, name, version)
) STRICT;

CREATE TABLE delivery (
    object              INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    target              TEXT NOT NULL,
    -- What the target was last given; what it said that it held then, and under which address.
    given_content_id    TEXT,
    given_state_id      TEXT,
    content_id          TEXT,
    state_id            TEXT,
    address             TEXT,
    delivered_at        INTEGER,
    losses              TEXT NOT NULL DEFAULT '[]',
    -- What the target's policy passed over.
    passed_content_id   TEXT,
    passed_state_id     TEXT,
    -- What went wrong since.
    trouble             TEXT,
    strikes             INTEGER NOT NULL DEFAULT 0,
    troubled_at         INTEGER,
    PRIMARY KEY (object, target)
) STRICT, WITHOUT ROWID;

-- How a mirror stood at a target when it was last looked at.
CREATE TABLE standing (
    mirror              TEXT NOT NULL,
    target              TEXT NOT NULL,
    looked_at           INTEGER NOT NULL,
    -- When nothing was outstanding last.
    succeeded_at        INTEGER,
    objects             INTEGER NOT NULL,
    behind              INTEGER NOT NULL,
    trouble             TEXT,
    PRIMARY KEY (mirror, target)
) STRICT, WITHOUT ROWID;

-- Who works on a mirror. The epoch grows with every holder, so that one who lost it can tell.
CREATE TABLE lease (
    mirror              TEXT PRIMARY KEY,
    epoch               INTEGER NOT NULL,
    -- '' when nobody holds it.
    host                TEXT NOT NULL,
    pid                 INTEGER NOT NULL,
    started             TEXT NOT NULL,
    expires_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
