"""Where a mirror's targets are: one that gets another name keeps what it was given and is owed.

A ledger of an older version does not know where they were. What is owed there under a name that no
target has any more may be owed to any whose name is new: nobody knows.
"""

import sqlite3
from collections.abc import Mapping

from mlarchived.ledger.database import transaction
from mlarchived.ledger.taking import DOUBTED

_KNOWN = "SELECT target, locator FROM destination WHERE mirror = ?"
_THERE = """
INSERT INTO destination (mirror, target, locator) VALUES (:mirror, :target, :locator)
ON CONFLICT DO UPDATE SET locator = :locator
"""
_MOVED = (
    "UPDATE standing SET target = :target WHERE mirror = :mirror AND target = :before",
    """
    UPDATE delivery SET target = :target WHERE target = :before
        AND object IN (SELECT id FROM object WHERE mirror = :mirror)
    """,
)
_FORGOTTEN = (
    "DELETE FROM destination WHERE mirror = :mirror AND target = :before",
    "DELETE FROM standing WHERE mirror = :mirror AND target = :target",
    """
    DELETE FROM delivery WHERE target = :target
        AND object IN (SELECT id FROM object WHERE mirror = :mirror)
    """,
)
_STRAYS = """
SELECT DISTINCT d.target FROM delivery d INDEXED BY delivery_owed
CROSS JOIN object o ON o.id = d.object WHERE d.owed_at IS NOT NULL AND o.mirror = ?
"""
_STOOD = "SELECT DISTINCT target FROM standing WHERE mirror = ?"
_DOUBT = """
INSERT INTO delivery (object, target, owed_at)
SELECT d.object, :target, :at FROM delivery d INDEXED BY delivery_owed
CROSS JOIN object o ON o.id = d.object
WHERE d.owed_at IS NOT NULL AND o.mirror = :mirror AND d.target = :before
ON CONFLICT DO NOTHING
"""
_ON_ITS_WAY = "->"
"""Before a name that is being given; no target has such a name."""


def called(connection: sqlite3.Connection, mirror: str, locators: Mapping[str, str]) -> None:
    """A mirror's targets have these names now, and are there; writes nothing where that is known.

    Args:
        connection: Of the ledger.
        mirror: Which mirror.
        locators: By name, all targets of the mirror.
    """
    if _known(connection, mirror).items() >= locators.items():
        return
    with transaction(connection):
        _doubt(connection, mirror, locators)
        _rename(connection, mirror, names_before(connection, mirror, locators))
        for target, locator in locators.items():
            connection.execute(_THERE, {"mirror": mirror, "target": target, "locator": locator})


def _rename(connection: sqlite3.Connection, mirror: str, before: Mapping[str, str]) -> None:
    """Give several names at once: two may have been swapped."""
    steps = (
        *((_MOVED, name, _ON_ITS_WAY + target) for target, name in before.items()),
        *((_FORGOTTEN, name, target) for target, name in before.items()),
        *((_MOVED, _ON_ITS_WAY + target, target) for target in before),
    )
    for statements, name, target in steps:
        for statement in statements:
            connection.execute(statement, {"mirror": mirror, "before": name, "target": target})


def strays(
    connection: sqlite3.Connection, mirror: str, locators: Mapping[str, str]
) -> frozenset[str]:
    """Names that no target of a mirror has, and that may be earlier ones of some: they are owed."""
    if _known(connection, mirror):
        return frozenset()
    owed = {name for (name,) in connection.execute(_STRAYS, (mirror,))}
    return frozenset(owed - locators.keys())


def _doubt(connection: sqlite3.Connection, mirror: str, locators: Mapping[str, str]) -> None:
    """Let what is owed under such a name be doubted at each target whose name is new."""
    lost = strays(connection, mirror, locators)
    new = locators.keys() - {name for (name,) in connection.execute(_STOOD, (mirror,))}
    for before in lost:
        for target in new:
            values = {"mirror": mirror, "before": before, "target": target, "at": DOUBTED}
            connection.execute(_DOUBT, values)


def names_before(
    connection: sqlite3.Connection, mirror: str, locators: Mapping[str, str]
) -> Mapping[str, str]:
    """What the ledger calls those of a mirror's targets that have got another name since.

    A name that another target has now, at another place, is no reason to take that for it.
    """
    known = _known(connection, mirror)
    left = {place: name for name, place in known.items() if locators.get(name) != place}
    return {
        target: left[place]
        for target, place in locators.items()
        if known.get(target) != place and place in left
    }


def _known(connection: sqlite3.Connection, mirror: str) -> dict[str, str]:
    return dict(connection.execute(_KNOWN, (mirror,)).fetchall())
