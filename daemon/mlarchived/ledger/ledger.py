"""Opening the ledger, and reading from it what a plan or a status needs."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from mlarchive.closing import Closing
from mlarchive.records import Address
from mlarchived.ledger import database, lease, standing
from mlarchived.ledger.record import Record
from mlarchived.views import Delivered, Ids, Marks, Packed, Trouble

FILE_NAME = "ledger.sqlite3"


class Known(Struct, frozen=True, kw_only=True):
    """What the ledger knows of one object; the attributes are those of `View`."""

    seen: Marks | None = None
    packed: Packed | None = None
    trouble: Trouble | None = None
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
        """Open the ledger of a state folder, or an empty one where there is none yet.

        Raises:
            MlarchiveError: As `open`.
        """
        path = folder / FILE_NAME
        if path.exists():
            return cls.open(folder)
        return cls(database.connect_to_nothing(), path)

    def close(self) -> None:
        """Let go of what is held open."""
        self._connection.close()

    @contextlib.contextmanager
    def record(self, mirror: str) -> Iterator[Record]:
        """Hold the lease on a mirror, and write down what is done.

        Raises:
            BusyError: Another living process works on the mirror.
        """
        name = str(self._path)
        with lease.held(
            self._connection, name, mirror, lambda: database.connect(self._path)
        ) as held:
            yield Record(held, mirror)

    def known(self, mirror: str) -> Mapping[Address, Known]:
        """What is known of every object of a mirror."""
        with database.explaining(str(self._path)):
            deliveries = self._deliveries(mirror)
            rows = self._connection.execute(
                "SELECT id, origin, kind, name, version, seen_content_mark, seen_state_mark,"
                " packed_content_mark, packed_state_mark, content_id, state_id, trouble, strikes"
                " FROM object WHERE mirror = ?",
                (mirror,),
            )
            return {_address(row[1:5]): _known(row[5:], deliveries.get(row[0], {})) for row in rows}

    def standings(self, mirror: str) -> Mapping[str, standing.Standing]:
        """How a mirror stood at each target when it was last looked at."""
        with database.explaining(str(self._path)):
            return standing.standings(self._connection, mirror)

    def troubles(self, mirror: str) -> list[standing.ObjectTrouble]:
        """What went wrong with which object, and has not gone right since."""
        with database.explaining(str(self._path)):
            return standing.troubles(self._connection, mirror)

    def _deliveries(self, mirror: str) -> Mapping[int, Mapping[str, Delivered]]:
        found: dict[int, dict[str, Delivered]] = {}
        for row in self._connection.execute(
            "SELECT d.object, d.target, d.given_content_id, d.given_state_id, d.content_id,"
            " d.state_id, d.passed_content_id, d.passed_state_id, d.trouble, d.strikes"
            " FROM delivery d JOIN object o ON o.id = d.object WHERE o.mirror = ?",
            (mirror,),
        ):
            found.setdefault(row[0], {})[row[1]] = Delivered(
                given=_ids(row[2:4]),
                ids=_ids(row[4:6]),
                passed_over=_ids(row[6:8]),
                trouble=_trouble(row[8:10]),
            )
        return found


def _address(row: tuple[Any, ...]) -> Address:
    origin, kind, name, version = row
    return Address(origin=origin, kind=kind, name=name, version=version)


def _known(row: tuple[Any, ...], delivered: Mapping[str, Delivered]) -> Known:
    marks, ids = _marks(row[2:4]), _ids(row[4:6])
    return Known(
        seen=_marks(row[0:2]),
        packed=Packed(marks=marks, ids=ids) if marks and ids else None,
        trouble=_trouble(row[6:8]),
        delivered=delivered,
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
