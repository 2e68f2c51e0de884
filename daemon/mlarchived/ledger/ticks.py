"""When workers of the service were due, and how often nothing could be done about it."""

import sqlite3
from datetime import UTC, datetime

from msgspec import Struct

from mlarchived.ledger.database import transaction

_TICK = """
INSERT INTO tick (worker, last_at, ticks, busy, missed) VALUES (:worker, :now, 1, :busy, 0)
ON CONFLICT DO UPDATE SET last_at = :now, ticks = ticks + 1, busy = busy + :busy
"""


class Ticks(Struct, frozen=True, kw_only=True):
    """How often a worker was due.

    Attributes:
        last_at: When it was last, ms since 1970 UTC; 0 if it never was.
        ticks: How many times.
        busy: How many of them while the work of the tick before still went on.
        missed: How many more there would have been, had a service run.
    """

    last_at: int = 0
    ticks: int = 0
    busy: int = 0
    missed: int = 0


def tick(
    connection: sqlite3.Connection, worker: str, now: datetime, *, busy: bool
) -> datetime | None:
    """Note that a worker is due; when it was due before, if it ever was."""
    with transaction(connection):
        before = ticks(connection, worker).last_at
        connection.execute(
            _TICK, {"worker": worker, "now": int(now.timestamp() * 1000), "busy": int(busy)}
        )
    return datetime.fromtimestamp(before / 1000, UTC) if before else None


def missed(connection: sqlite3.Connection, worker: str, count: int) -> None:
    """Note that a worker would have been due so many times more."""
    connection.execute("UPDATE tick SET missed = missed + ? WHERE worker = ?", (count, worker))


def ticks(connection: sqlite3.Connection, worker: str) -> Ticks:
    """How often a worker was due."""
    row = connection.execute(
        "SELECT last_at, ticks, busy, missed FROM tick WHERE worker = ?", (worker,)
    ).fetchone()
    if row is None:
        return Ticks()
    return Ticks(last_at=row[0], ticks=row[1], busy=row[2], missed=row[3])
