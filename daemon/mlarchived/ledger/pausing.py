"""What people tell the service by way of the ledger: leave a mirror alone, try objects again."""

import sqlite3
import time

from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.selecting import matches
from mlarchived.ledger.database import transaction

_TROUBLED = """
SELECT o.id, o.origin, o.kind, o.name, o.version FROM object o WHERE o.mirror = ? AND (o.strikes > 0
    OR EXISTS (SELECT 1 FROM delivery d WHERE d.object = o.id
        AND (d.strikes > 0 OR d.passed_content_id IS NOT NULL)))
"""
_FORGIVE = """
UPDATE delivery SET strikes = 0, passed_content_id = NULL, passed_state_id = NULL WHERE object = ?
"""


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
    selector = Selector(name=pattern, pattern=True)
    count = 0
    with transaction(connection):
        for number, *parts in connection.execute(_TROUBLED, (mirror,)).fetchall():
            origin, kind, name, version = parts
            address = Address(origin=origin, kind=kind, name=name, version=version)
            if matches(selector, str(address)):
                connection.execute("UPDATE object SET strikes = 0 WHERE id = ?", (number,))
                connection.execute(_FORGIVE, (number,))
                count += 1
    return count
