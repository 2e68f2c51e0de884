"""Where a mirror's targets are: one that gets another name keeps what it was given and is owed."""

import sqlite3
from collections.abc import Mapping

from mlarchived.ledger.database import transaction

_KNOWN = "SELECT target, locator FROM destination WHERE mirror = ?"
_THERE = """
INSERT INTO destination (mirror, target, locator) VALUES (:mirror, :target, :locator)
ON CONFLICT DO UPDATE SET locator = :locator
"""
_RENAMED = (
    "DELETE FROM destination WHERE mirror = :mirror AND target = :before",
    "UPDATE OR IGNORE standing SET target = :target WHERE mirror = :mirror AND target = :before",
    """
    UPDATE OR IGNORE delivery SET target = :target WHERE target = :before
        AND object IN (SELECT id FROM object WHERE mirror = :mirror)
    """,
)


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
        for target, before in names_before(connection, mirror, locators).items():
            for statement in _RENAMED:
                connection.execute(
                    statement, {"mirror": mirror, "target": target, "before": before}
                )
        for target, locator in locators.items():
            connection.execute(_THERE, {"mirror": mirror, "target": target, "locator": locator})


def names_before(
    connection: sqlite3.Connection, mirror: str, locators: Mapping[str, str]
) -> Mapping[str, str]:
    """What the ledger calls those of a mirror's targets that have got another name since."""
    known = _known(connection, mirror)
    left = {locator: name for name, locator in known.items() if name not in locators}
    return {
        target: left[locator]
        for target, locator in locators.items()
        if target not in known and locator in left
    }


def _known(connection: sqlite3.Connection, mirror: str) -> dict[str, str]:
    return dict(connection.execute(_KNOWN, (mirror,)).fetchall())
