"""How a mirror stands: what `mlarchived status` reads from the ledger."""

import sqlite3
from collections.abc import Mapping

from msgspec import Struct, structs

from mlarchive.records import Address


class Standing(Struct, frozen=True, kw_only=True):
    """How a mirror stood at one target when it was last looked at. Times: ms since 1970 UTC.

    Attributes:
        looked_at: When that was.
        succeeded_at: When nothing was outstanding last; 0 if that never was.
        objects: How many objects are wanted there.
        behind: How many of them were not there as they should be.
        trouble: Why the target as a whole could not be served; "" if it could.
        left_alone: How many objects are not wanted there.
        left_why: Why most of them are not; "" if there are none.
        waiting: How many objects come there by themselves later.
        waiting_why: Why most of them wait; "" if there are none.
    """

    looked_at: int
    succeeded_at: int
    objects: int
    behind: int
    trouble: str
    left_alone: int = 0
    left_why: str = ""
    waiting: int = 0
    waiting_why: str = ""


class ObjectTrouble(Struct, frozen=True, kw_only=True):
    """What went wrong with one object.

    Attributes:
        address: At its source.
        target: Where it could not be delivered; "" if it could not be read.
        sentence: Why.
        strikes: How often in a row, where waiting does not mend it; else 0.
        at: When, in ms since 1970 UTC.
        withheld: Whether it waits for a person though nothing failed.
    """

    address: Address
    target: str
    sentence: str
    strikes: int
    at: int
    withheld: bool = False

    def is_set_aside(self, after: int) -> bool:
        """Whether it waits for a person, where objects are left alone after so many strikes."""
        return self.withheld or self.strikes >= after


_TROUBLES = """
SELECT origin, kind, name, version, '', trouble, strikes, troubled_at, 0
FROM object INDEXED BY object_troubled
WHERE mirror = :mirror AND present AND trouble IS NOT NULL
UNION ALL
SELECT o.origin, o.kind, o.name, o.version, d.target, d.trouble, d.strikes, d.troubled_at, 0
FROM delivery d INDEXED BY delivery_troubled CROSS JOIN object o ON o.id = d.object
WHERE o.mirror = :mirror AND d.trouble IS NOT NULL
UNION ALL
SELECT o.origin, o.kind, o.name, o.version, d.target, d.withheld, 0, d.withheld_at, 1
FROM delivery d INDEXED BY delivery_withheld CROSS JOIN object o ON o.id = d.object
WHERE o.mirror = :mirror AND d.withheld IS NOT NULL
ORDER BY 2, 3, 4, 5
"""


def standings(connection: sqlite3.Connection, mirror: str) -> Mapping[str, Standing]:
    """How a mirror stood at each target."""
    rows = connection.execute(
        "SELECT target, looked_at, coalesce(succeeded_at, 0), objects, behind,"
        " coalesce(trouble, ''), left_alone, coalesce(left_why, ''), waiting,"
        " coalesce(waiting_why, '') FROM standing WHERE mirror = ?",
        (mirror,),
    )
    return {
        row[0]: Standing(
            looked_at=row[1],
            succeeded_at=row[2],
            objects=row[3],
            behind=row[4],
            trouble=row[5],
            left_alone=row[6],
            left_why=row[7],
            waiting=row[8],
            waiting_why=row[9],
        )
        for row in rows
    }


def mirrors(connection: sqlite3.Connection) -> list[str]:
    """Every mirror of which it is known how it stood, be it configured still or not."""
    rows = connection.execute("SELECT DISTINCT mirror FROM standing")
    return sorted({row[0].removeprefix("drop:") for row in rows})


def with_intake(
    stood: Mapping[str, Standing], intake: Mapping[str, Standing]
) -> Mapping[str, Standing]:
    """How a mirror stands, where what fills its vault may fail: then the vault is not true."""
    found = dict(stood)
    for target, failing in intake.items():
        if failing.trouble:
            before = found.get(target, structs.replace(failing, succeeded_at=0))
            since = min(before.succeeded_at, failing.succeeded_at)
            found[target] = structs.replace(
                before,
                looked_at=failing.looked_at,
                succeeded_at=since,
                trouble=failing.trouble,
            )
    return found


def troubles(connection: sqlite3.Connection, mirror: str) -> list[ObjectTrouble]:
    """What went wrong with objects, and which ones wait for a person."""
    return [
        ObjectTrouble(
            address=Address(origin=row[0], kind=row[1], name=row[2], version=row[3]),
            target=row[4],
            sentence=row[5],
            strikes=row[6],
            at=row[7],
            withheld=bool(row[8]),
        )
        for row in connection.execute(_TROUBLES, {"mirror": mirror})
    ]
