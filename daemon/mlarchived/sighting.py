"""One look at a source, kept on disk: a mirror of a hundred thousand versions has no list of them.

Objects come back in the order in which they are worked on, whatever the source's was.
"""

import contextlib
import hashlib
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mlarchive.errors import MlarchiveError, StorageError
from mlarchive.records import Address
from mlarchive.registries.base import Ref, Unread
from mlarchived.plan import in_turn

PAGE = 500
"""So many objects are dealt with at a time."""

_TABLE = "CREATE TABLE ref (turn BLOB PRIMARY KEY, raw BLOB NOT NULL) WITHOUT ROWID"
_PAGE = "SELECT turn, raw FROM ref WHERE turn > ? AND turn < ? ORDER BY turn LIMIT ?"
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Ref)


class Sighting:
    """What a source showed at one time. Safe to use from several threads; gone when unused.

    Attributes:
        unread: What the source holds and cannot read: while there is any, nothing is known to be
            gone.
        lagging: Why its lists did not show all of a name, by `KIND/NAME`; likewise.
    """

    def __init__(
        self,
        refs: Iterable[Ref],
        unread: Sequence[Unread] = (),
        lagging: Callable[[], Mapping[str, MlarchiveError]] = dict,
    ) -> None:
        """Take down what is shown.

        Args:
            refs: The objects.
            unread: What the source holds beside them, and cannot read.
            lagging: Tells of which names it did not show all, once all is taken down.

        Raises:
            StorageError: There is no room for it.
            MlarchiveError: As `refs` say.
        """
        # A nameless database is a file of SQLite's own, which no crash leaves behind.
        self.unread = tuple(unread)
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        weakref.finalize(self, self._connection.close)
        rows = ((in_turn(ref.address), _ENCODER.encode(ref)) for ref in refs)
        with _explaining():
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute(_TABLE)
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO ref VALUES (?, ?)", rows)
            self._connection.execute("COMMIT")
        self.lagging = dict(lagging())

    @property
    def whole(self) -> bool:
        """Whether the source showed all that it has."""
        return not (self.unread or self.lagging)

    def hiding(self) -> str:
        """Why what is not shown may be there all the same; "" if it is not."""
        if not self.unread:
            behind = self._behind()
            return f"the source has it perhaps all the same: {behind}" if behind else ""
        first, more = self.unread[0], len(self.unread) - 1
        others = f" ({more} more likewise)" if more else ""
        return f"the source has it perhaps in {first.what}, which cannot be opened{others}"

    def trouble(self) -> str:
        """What the source holds and cannot read, as one sentence; "" for nothing."""
        if not self.unread:
            return self._behind()
        first, more = self.unread[0], len(self.unread) - 1
        others = f" ({more} more likewise)" if more else ""
        return f"{first.what} cannot be opened: {first.why}{others}"

    def _behind(self) -> str:
        """Why lists did not show all, as one sentence; "" if they did."""
        first, more = next(iter(self.lagging.values()), None), len(self.lagging) - 1
        others = f" ({more} more names likewise)" if more > 0 else ""
        return f"{first.message}{others}" if first else ""

    def pages(self) -> Iterator[list[Ref]]:
        """The objects, some at a time, in their turn."""
        yield from self._pages(b"", b"\xff")

    def _pages(self, after: bytes, end: bytes) -> Iterator[list[Ref]]:
        while found := self._ask(_PAGE, (after, end, PAGE)):
            after = found[-1][0]
            yield [_DECODER.decode(raw) for _, raw in found]

    def __iter__(self) -> Iterator[Ref]:
        """The objects in their turn."""
        for page in self.pages():
            yield from page

    def of(self, addresses: Sequence[Address]) -> list[Ref]:
        """How it shows some objects; a page of them at most."""
        turns = tuple({in_turn(address) for address in addresses})
        marks = ", ".join("?" for _ in turns)
        shown = self._ask(f"SELECT raw FROM ref WHERE turn IN ({marks})", turns)  # noqa: S608
        return [_DECODER.decode(raw) for (raw,) in shown]

    def of_kind(self, kind: str) -> Iterator[Ref]:
        """Those of one kind."""
        for page in self._pages(f"{kind}\0".encode(), f"{kind}\1".encode()):
            yield from page

    def __len__(self) -> int:
        """How many objects there are."""
        return int(self._ask("SELECT count(*) FROM ref", ())[0][0])

    def digest(self) -> str:
        """The same for two sightings that show the same; hex."""
        found = hashlib.sha256(_ENCODER.encode((self.unread, sorted(self.lagging))))
        with self._lock, _explaining():
            for (raw,) in self._connection.execute("SELECT raw FROM ref ORDER BY turn"):
                found.update(len(raw).to_bytes(4, "big") + raw)
        return found.hexdigest()

    def lacking(self, addresses: Sequence[Address]) -> list[Address]:
        """Those of some addresses that the source did not show; a page of them at most."""
        turns = {in_turn(address): address for address in addresses}
        marks = ", ".join("?" for _ in turns)
        shown = self._ask(f"SELECT turn FROM ref WHERE turn IN ({marks})", tuple(turns))  # noqa: S608
        for row in shown:
            del turns[row[0]]
        return list(turns.values())

    def _ask(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._lock, _explaining():
            return self._connection.execute(statement, values).fetchall()


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"what the source showed cannot be kept: {error}",
            hint="make room where temporary files are, or name another place in SQLITE_TMPDIR",
        ) from error
