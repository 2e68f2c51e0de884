"""What people tell the service by way of the ledger: leave it, try it again, miss it no more."""

import sqlite3
import time

from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.selecting import matches
from mlarchived.gone import LOST_THERE
from mlarchived.ledger.database import transaction
from mlarchived.views import VAULT

_TROUBLED = """
SELECT o.id, o.origin, o.kind, o.name, o.version FROM object o WHERE o.mirror = ? AND (o.strikes > 0
    OR EXISTS (SELECT 1 FROM delivery d WHERE d.object = o.id
        AND (d.strikes > 0 OR d.passed_content_id IS NOT NULL)))
"""
_FORGIVE = """
UPDATE delivery SET strikes = 0, passed_content_id = NULL, passed_state_id = NULL WHERE object = ?
"""


_GONE_FROM_ITS_SOURCE = """
SELECT DISTINCT o.id, o.origin, o.kind, o.name, o.version
FROM object o JOIN delivery d ON d.object = o.id
WHERE o.mirror = ? AND o.present = 0 AND (d.target = ? OR d.withheld = ? OR d.owed_at IS NOT NULL)
"""
_FORGET = """
DELETE FROM delivery WHERE object = ? AND (target = ? OR withheld = ? OR owed_at IS NOT NULL)
"""


_WAITING = "SELECT mirror, token, name FROM dropped WHERE mirror = ? AND outcome = 'waiting'"
_WAITS_NO_MORE = "DELETE FROM dropped WHERE mirror = ? AND token = ?"


def pause(connection: sqlite3.Connection, mirror: str, why: str) -> None:
    """Leave a mirror alone from now on."""
    connection.execute(
        "INSERT OR REPLACE INTO pause (mirror, since, why) VALUES (?, ?, ?)",
        (mirror, int(time.time() * 1000), why),
    )


def resume(connection: sqlite3.Connection, mirror: str) -> None:
    """Work on a mirror again."""
    connection.execute("DELETE FROM pause WHERE mirror = ?", (mirror,))


def paused(connection: sqlite3.Connection, mirror: str) -> str:
    """Why a mirror is left alone; "" if it is not."""
    row = connection.execute("SELECT why FROM pause WHERE mirror = ?", (mirror,)).fetchone()
    return str(row[0]) if row else ""


def forgive(connection: sqlite3.Connection, mirror: str, pattern: str) -> int:
    """Forget strikes against objects, and that targets passed them over; how many had any."""
    with transaction(connection):
        numbers = _matching(connection, pattern, _TROUBLED, mirror)
        for number in numbers:
            connection.execute("UPDATE object SET strikes = 0 WHERE id = ?", (number,))
            connection.execute(_FORGIVE, (number,))
    return len(numbers)


def forget(connection: sqlite3.Connection, mirror: str, pattern: str) -> int:
    """Forget that the vault was given objects that their source shows no more; how many.

    So it is of a target that has lost one, or never had it, which nobody can give it again.
    """
    whose = (VAULT, LOST_THERE)
    with transaction(connection):
        numbers = _matching(connection, pattern, _GONE_FROM_ITS_SOURCE, mirror, *whose)
        for number in numbers:
            connection.execute(_FORGET, (number, *whose))
    return len(numbers)


def forget_drops(connection: sqlite3.Connection, mirror: str, pattern: str) -> int:
    """Forget that something that was dropped waits for another package; how many things."""
    selector = Selector(name=pattern, pattern=True)
    with transaction(connection):
        rows = connection.execute(_WAITING, (f"drop:{mirror}",)).fetchall()
        fitting = [row for row in rows if matches(selector, row[2])]
        connection.executemany(_WAITS_NO_MORE, [row[:2] for row in fitting])
    return len(fitting)


def _matching(
    connection: sqlite3.Connection, pattern: str, statement: str, *values: str
) -> list[int]:
    """The objects among some whose addresses fit a pattern."""
    selector = Selector(name=pattern, pattern=True)
    found = []
    for number, *parts in connection.execute(statement, values):
        origin, kind, name, version = parts
        address = Address(origin=origin, kind=kind, name=name, version=version)
        if matches(selector, str(address)):
            found.append(number)
    return found
