"""Opening the ledger, and reading from it what a plan or a status needs."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from mlarchive.closing import Closing
from mlarchive.records import Address
from mlarchived.ledger import database, destinations, lease, moments, pausing, standing, ticks
from mlarchived.ledger.record import Record
from mlarchived.ledger.taking import DOUBTED
from mlarchived.views import VAULT, Delivered, Ids, Marks, Packed, Trouble

FILE_NAME = "ledger.sqlite3"


_KNOWN_OF = """
WITH asked (origin, kind, name, version) AS (VALUES {asked})
SELECT json_group_array(json_array(
    o.id, o.origin, o.kind, o.name, o.version, o.seen_content_mark, o.seen_state_mark,
    o.packed_content_mark, o.packed_state_mark, o.content_id, o.state_id, o.trouble, o.strikes,
    o.gone_at, o.gone_for, o.read_at,
    d.target, d.given_content_id, d.given_state_id, d.content_id, d.state_id,
    d.passed_content_id, d.passed_state_id, d.trouble, d.strikes, d.marked_at, d.pruned_at,
    d.withheld, d.owed_at, d.awaits AND EXISTS (
        SELECT 1 FROM delivery e
        WHERE e.target = d.target AND e.came_at >= d.delivered_at AND e.object <> d.object)))
FROM asked CROSS JOIN object o ON o.mirror = ? AND o.origin = asked.origin
    AND o.kind = asked.kind AND o.name = asked.name AND o.version = asked.version
LEFT JOIN delivery d ON d.object = o.id
"""

_ROWS = msgspec.json.Decoder(list[tuple[Any, ...]])
"""One text of five hundred rows costs less than the columns of these one by one."""

_DELIVERED_ALIKE = """
WITH asked (origin, kind, name) AS (VALUES {asked})
SELECT o.origin, o.kind, o.name, o.version, d.given_content_id
FROM asked CROSS JOIN object o ON o.mirror = ? AND o.origin = asked.origin
    AND o.kind = asked.kind AND o.name = asked.name
JOIN delivery d ON d.object = o.id AND d.target = ?
WHERE o.present AND d.given_content_id IS NOT NULL
"""


_HAS_GIVEN = """
SELECT 1 FROM object o JOIN delivery d ON d.object = o.id
WHERE o.mirror = ? AND d.target = ? AND d.given_content_id IS NOT NULL AND d.pruned_at IS NULL
LIMIT 1
"""


_HAS_LOOKED = "SELECT 1 FROM looked WHERE mirror = ?"

_GONE_AND_OWED = """
SELECT o.origin, o.kind, o.name, o.version, v.given_content_id, v.given_state_id, min(d.owed_at),
    o.seen_content_mark
FROM delivery d INDEXED BY delivery_owed CROSS JOIN object o ON o.id = d.object
LEFT JOIN delivery v ON v.object = o.id AND v.target = ?
WHERE d.owed_at > ? AND o.mirror = ? AND o.present = 0 AND o.seen_content_mark IS NOT NULL
GROUP BY o.id
"""

_WAITING_DROPS = "SELECT token, name, reason FROM dropped WHERE mirror = ? AND outcome = 'waiting'"


class Awaited(Struct, frozen=True, kw_only=True):
    """Something that is gone, and targets wait for.

    Attributes:
        given: What the mirror's vault was given of it last; None for nothing.
        since: Of the first target that waits, ms since 1970 UTC.
        seen: How its content looked from afar when it was seen last.
    """

    given: Ids | None
    since: int
    seen: str


class Known(Struct, frozen=True, kw_only=True, gc=False):
    """What the ledger knows of one object; the attributes are those of `View`."""

    seen: Marks | None = None
    packed: Packed | None = None
    trouble: Trouble | None = None
    gone_at: int = 0
    gone_for: int = 0
    delivered: Mapping[str, Delivered] = {}


class Ledger(Closing):
    """One SQLite file in the state folder. A context manager; for one thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the ledger of a state folder, creating it if need be.

        Raises:
            MlarchiveError: The file or its folder cannot be used, is damaged, or is too new.
        """
        path = folder / FILE_NAME
        return cls(database.connect(path), path)

    @classmethod
    def look(cls, folder: Path) -> Self:
        """Open the ledger of a state folder to read it, or an empty one where there is none yet.

        That of an older version stays what it is, since a service of that version may use it.

        Raises:
            MlarchiveError: As `open`.
        """
        path = folder / FILE_NAME
        return cls(database.connect_to_look(path), path)

    def close(self) -> None:
        """Let go of what is held open."""
        self._connection.close()

    @contextlib.contextmanager
    def record(self, mirror: str, *, shared: bool = False) -> Iterator[Record]:
        """Hold the lease on a mirror, and write down what is done.

        Args:
            mirror: Which mirror.
            shared: Whether threads of this process may hold it together.

        Raises:
            BusyError: Another living process works on the mirror.
        """
        name = str(self._path)
        hold = lease.shared if shared else lease.held
        with hold(self._connection, name, mirror, lambda: database.connect(self._path)) as held:
            yield Record(held, mirror)

    def unnoted(self, mirror: str, asked: str) -> int:
        """Milliseconds since a mirror's source was looked at last; 0 if for something else."""
        with database.explaining(str(self._path)):
            last = self._connection.execute(
                "SELECT at, boot, up, asked FROM looked WHERE mirror = ?", (mirror,)
            ).fetchone()
        if last is None or last[3] != asked:
            return 0
        before = moments.Moment(at=last[0], boot=last[1], up=last[2])
        return moments.between(before, moments.now())

    def count(self, mirror: str) -> int:
        """How many objects of a mirror are known."""
        with database.explaining(str(self._path)):
            counted = self._connection.execute(
                "SELECT count(*) FROM object WHERE mirror = ?", (mirror,)
            ).fetchone()
        return int(counted[0])

    def addresses(self, mirror: str, at_once: int) -> Iterator[list[Address]]:
        """Every object of a mirror that is known, so many at a time."""
        after = 0
        while True:
            with database.explaining(str(self._path)):
                rows = self._connection.execute(
                    "SELECT id, origin, kind, name, version FROM object"
                    " WHERE mirror = ? AND id > ? ORDER BY id LIMIT ?",
                    (mirror, after, at_once),
                ).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            yield [_address(row[1:5]) for row in rows]

    def known_of(self, mirror: str, addresses: Sequence[Address]) -> Mapping[Address, Known]:
        """What is known of some objects of a mirror, those that it knows anything of.

        Args:
            mirror: Which mirror.
            addresses: Some hundreds at most.
        """
        if not addresses:
            return {}
        asked = ", ".join("(?, ?, ?, ?)" for _ in addresses)
        values = [part for a in addresses for part in (a.origin, a.kind, a.name, a.version)]
        with database.explaining(str(self._path)):
            ((rows,),) = self._connection.execute(_KNOWN_OF.format(asked=asked), (*values, mirror))
            found: dict[int, tuple[tuple[Any, ...], dict[str, Delivered]]] = {}
            for row in _ROWS.decode(rows):
                _, delivered = found.setdefault(row[0], (row, {}))
                if row[16] is not None:
                    delivered[row[16]] = _delivered(row[17:])
        return {
            _address(row[1:5]): _known(row[5:16], delivered) for row, delivered in found.values()
        }

    def delivered_alike(
        self, mirror: str, target: str, addresses: Sequence[Address]
    ) -> Mapping[Address, str]:
        """What a mirror shows and has delivered to a target of the names of some objects.

        Args:
            mirror: Which mirror.
            target: Which target.
            addresses: Some hundreds at most.

        Returns:
            The content_id of what was delivered, by address.
        """
        names = sorted({(one.origin, one.kind, one.name) for one in addresses})
        if not names:
            return {}
        asked = ", ".join("(?, ?, ?)" for _ in names)
        values = [part for name in names for part in name]
        with database.explaining(str(self._path)):
            rows = self._connection.execute(
                _DELIVERED_ALIKE.format(asked=asked), (*values, mirror, target)
            )
            return {_address(row[:4]): row[4] for row in rows}

    def gone_and_owed(self, mirror: str) -> Mapping[Address, Awaited]:
        """What a mirror's source showed once and shows no more, and targets wait for."""
        with database.explaining(str(self._path)):
            rows = self._connection.execute(_GONE_AND_OWED, (VAULT, DOUBTED, mirror))
            return {
                _address(row[:4]): Awaited(given=_ids(row[4:6]), since=row[6], seen=row[7])
                for row in rows
            }

    def has_looked(self, mirror: str) -> bool:
        """Whether a mirror ever looked at its source, since the ledger began."""
        with database.explaining(str(self._path)):
            found = self._connection.execute(_HAS_LOOKED, (mirror,)).fetchone()
        return found is not None

    def has_given(self, mirror: str, target: str) -> bool:
        """Whether a target was given anything by a mirror that nobody has pruned there."""
        with database.explaining(str(self._path)):
            found = self._connection.execute(_HAS_GIVEN, (mirror, target)).fetchone()
        return found is not None

    def called(self, mirror: str, locators: Mapping[str, str]) -> None:
        """A mirror's targets have these names now: what others had at the same place is theirs.

        Args:
            mirror: Which mirror.
            locators: By name, all its targets.
        """
        with database.explaining(str(self._path)):
            destinations.called(self._connection, mirror, locators)

    def names_before(self, mirror: str, locators: Mapping[str, str]) -> Mapping[str, str]:
        """What is still called otherwise here of a mirror's targets; as for `called`."""
        with database.explaining(str(self._path)):
            return destinations.names_before(self._connection, mirror, locators)

    def strays(self, mirror: str, locators: Mapping[str, str]) -> frozenset[str]:
        """Names under which something is owed that may be earlier ones of a mirror's targets."""
        with database.explaining(str(self._path)):
            return destinations.strays(self._connection, mirror, locators)

    def at_work(self, mirror: str) -> bool:
        """Whether some process works on a mirror now."""
        with database.explaining(str(self._path)):
            return lease.is_held(self._connection, mirror)

    def mirrors(self) -> list[str]:
        """Every mirror of which it is known how it stood, be it configured still or not."""
        with database.explaining(str(self._path)):
            return standing.mirrors(self._connection)

    def standings(self, mirror: str, *, intake: bool) -> Mapping[str, standing.Standing]:
        """How a mirror stood at each target when it was last looked at.

        Args:
            mirror: Which mirror.
            intake: Whether a drop folder fills its vault.
        """
        with database.explaining(str(self._path)):
            stood = standing.standings(self._connection, mirror)
            if not intake:
                return stood
            filling = standing.standings(self._connection, f"drop:{mirror}")
        return standing.with_intake(stood, filling)

    def troubles(self, mirror: str) -> list[standing.ObjectTrouble]:
        """What went wrong with which object, and has not gone right since."""
        with database.explaining(str(self._path)):
            return standing.troubles(self._connection, mirror)

    def waiting_drops(self, mirror: str) -> Mapping[str, tuple[str, str]]:
        """What was dropped and waits for another package, and why, by the token of its claim."""
        with database.explaining(str(self._path)):
            rows = self._connection.execute(_WAITING_DROPS, (f"drop:{mirror}",)).fetchall()
        return {token: (name, reason) for token, name, reason in rows}

    def tick(self, worker: str, now: datetime, *, busy: bool) -> datetime | None:
        """A worker is due.

        Args:
            worker: Its name.
            now: When.
            busy: Whether the work of the tick before still goes on.

        Returns:
            When it was due before; None if it never was.
        """
        with database.explaining(str(self._path)):
            return ticks.tick(self._connection, worker, now, busy=busy)

    def missed(self, worker: str, count: int) -> None:
        """A worker was due so many times, and no service ran."""
        with database.explaining(str(self._path)):
            ticks.missed(self._connection, worker, count)

    def ticks(self, worker: str) -> ticks.Ticks:
        """How often a worker was due, and what came of it."""
        with database.explaining(str(self._path)):
            return ticks.ticks(self._connection, worker)

    def pause(self, mirror: str, why: str) -> None:
        """Let nothing be done for a mirror by the service, until it is resumed."""
        with database.explaining(str(self._path)):
            pausing.pause(self._connection, mirror, why)

    def resume(self, mirror: str) -> None:
        """Let work on a mirror go on."""
        with database.explaining(str(self._path)):
            pausing.resume(self._connection, mirror)

    def paused(self, mirror: str) -> str:
        """Why nothing is done for a mirror; "" if it is not paused."""
        with database.explaining(str(self._path)):
            return pausing.paused(self._connection, mirror)

    def forgive(self, mirror: str, pattern: str = "") -> int:
        """Let what was set aside or passed over be tried again.

        Args:
            mirror: Which mirror.
            pattern: Of the objects' addresses, with `*` and `?`; "" for all.

        Returns:
            How many objects that were.
        """
        with database.explaining(str(self._path)):
            return pausing.forgive(self._connection, mirror, pattern)

    def forget(self, mirror: str, pattern: str) -> int:
        """Let nobody miss any longer what its source shows no more, or waits where nobody looks.

        Args:
            mirror: Which mirror.
            pattern: Of the objects' addresses, with `*` and `?`.

        Returns:
            How many objects that were.
        """
        with database.explaining(str(self._path)):
            objects = pausing.forget(self._connection, mirror, pattern)
            return objects + pausing.forget_drops(self._connection, mirror, pattern)


def _address(row: tuple[Any, ...]) -> Address:
    origin, kind, name, version = row
    return Address(origin=origin, kind=kind, name=name, version=version)


def _known(row: tuple[Any, ...], delivered: Mapping[str, Delivered]) -> Known:
    marks, ids = _marks(row[2:4]), _ids(row[4:6])
    return Known(
        seen=_marks(row[0:2]),
        packed=Packed(marks=marks, ids=ids, read_at=row[10] or 0) if marks and ids else None,
        trouble=_trouble(row[6:8]),
        gone_at=row[8] or 0,
        gone_for=row[9],
        delivered=delivered,
    )


def _delivered(row: tuple[Any, ...]) -> Delivered:
    return Delivered(
        given=_ids(row[0:2]),
        ids=_ids(row[2:4]),
        passed_over=_ids(row[4:6]),
        trouble=_trouble(row[6:8]),
        marked=row[8] is not None,
        pruned=row[9] is not None,
        withheld=row[10] or "",
        owed=row[11] is not None,
        doubted=row[11] == DOUBTED,
        awaited=bool(row[12]),
    )


def _marks(row: tuple[Any, ...]) -> Marks | None:
    content, state = row
    return None if content is None else Marks(content=content, state=state)


def _ids(row: tuple[Any, ...]) -> Ids | None:
    content, state = row
    return None if content is None else Ids(content=content, state=state)


def _trouble(row: tuple[Any, ...]) -> Trouble | None:
    sentence, strikes = row
    return None if sentence is None else Trouble(sentence=sentence, strikes=strikes)
