"""The catalog of a vault: an SQLite table of what the packages in a folder say of themselves.

It only saves time. It is compared with the folder whenever the vault is opened; where it is lost,
damaged, of another version, or its folder may not be written, the packages are asked again. Paths
are kept as bytes, since a folder may hold names that are not UTF-8.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from mlarchive.errors import StorageError
from mlarchive.records import Address
from mlarchive.vault import database

NAME = ".mlarchive-catalog.sqlite"

_VERSION = 7
_SCHEMA = """
CREATE TABLE package (
    path BLOB PRIMARY KEY,
    bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    content_id TEXT NOT NULL,
    state_id TEXT NOT NULL,
    package_id TEXT NOT NULL,
    packed_at INTEGER NOT NULL,
    thin INTEGER NOT NULL,
    damage TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    labels TEXT NOT NULL,
    leans_on TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX package_address ON package (origin, kind, name, version);
CREATE INDEX package_content ON package (content_id);
CREATE INDEX package_package ON package (package_id);
CREATE INDEX package_incomplete ON package (path) WHERE thin AND leans_on = '';
"""


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """What the catalog knows of one file.

    Attributes:
        path: Relative to the vault.
        bytes: Its size when it was looked at.
        mtime_ns: Its time then, ns since 1970 UTC.
        origin: Part of the address.
        kind: Part of the address.
        name: Part of the address.
        version: Part of the address.
        content_id: As the package states it.
        state_id: As the package states it.
        package_id: As the package states it.
        packed_at: When it was packed, ms since 1970 UTC.
        thin: Whether chunks are absent from it.
        damage: Why it cannot be opened; "" if it can.
        made_at: When the object was made, ms since 1970 UTC; 0 if its registry did not say.
        labels: What it is found by: JSON text of `Labels`.
        leans_on: The package_ids of those that have what it lacks, with spaces between; "" if it
            is full, or if the vault has not all of it.
    """

    path: str
    bytes: int
    mtime_ns: int
    origin: str = ""
    kind: str = ""
    name: str = ""
    version: str = ""
    content_id: str = ""
    state_id: str = ""
    package_id: str = ""
    packed_at: int = 0
    thin: bool = False
    damage: str = ""
    made_at: int = 0
    labels: str = "{}"
    leans_on: str = ""

    @property
    def bases(self) -> tuple[str, ...]:
        """The package_ids of those that have what it lacks."""
        return tuple(self.leans_on.split())

    @property
    def complete(self) -> bool:
        """Whether all that it lacks is in the vault."""
        return not self.thin or bool(self.leans_on)

    @property
    def address(self) -> Address:
        """What the object is called at its source."""
        return Address(origin=self.origin, kind=self.kind, name=self.name, version=self.version)


class Labels(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What an object is found by, beside its address.

    Attributes:
        aliases: That point at it, sorted.
        tags: Values by key; several where several of its records have the key.
        metrics: The last value of each series by key, as Python writes it; several likewise.
        through: The registries that the object had come through at its source, the first one first.
    """

    aliases: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = {}
    metrics: Mapping[str, tuple[str, ...]] = {}
    through: tuple[str, ...] = ()


def encode(labels: Labels) -> str:
    """Labels as the catalog keeps them."""
    return msgspec.json.encode(labels).decode()


def decode(text: str) -> Labels:
    """The labels of a row.

    Raises:
        msgspec.DecodeError: It holds none.
    """
    return _LABELS.decode(text)


_LABELS = msgspec.json.Decoder(Labels)


class Held(Struct, frozen=True, kw_only=True, gc=False):
    """What a mirror wants to know of a package, of which it asks by the thousand.

    Attributes:
        content_id: What the object is.
        state_id: How it is labelled.
        complete: Whether the vault has all of it.
    """

    content_id: str
    state_id: str
    complete: bool


class Shown(Struct, frozen=True, gc=False):
    """What a mirror wants to know of a package that counts, of a hundred thousand at a time.

    Attributes:
        address: What the object is called at its source.
        content_id: What the object is.
        state_id: How it is labelled.
        made_at: As of `Kept`.
        labels: What it is found by.
    """

    address: Address
    content_id: str
    state_id: str
    made_at: int
    labels: Labels


class Kept(Struct, frozen=True, kw_only=True, gc=False):
    """A package that a vault keeps.

    Attributes:
        folder: The vault.
        place: Its path in the vault.
        address: What the object is called at its source.
        content_id: What the object is.
        state_id: How it is labelled.
        package_id: These very bytes.
        size: Of the package, in bytes.
        packed_at: When it was packed, ms since 1970 UTC; among packages of one address the
            latest is the one that counts.
        thin: Whether chunks are absent from it.
        bases: The package_ids of those in this vault that have them; none if it is full itself,
            or if the vault has not all of them.
        made_at: When the object was made, ms since 1970 UTC; where its registry did not say, when
            it was packed.
        labels: What it is found by.
    """

    folder: Path
    place: str
    address: Address
    content_id: str
    state_id: str
    package_id: str
    size: int
    packed_at: int
    thin: bool = False
    bases: tuple[str, ...] = ()
    made_at: int = 0
    labels: Labels = Labels()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.place

    @property
    def complete(self) -> bool:
        """Whether the vault has all of it."""
        return not self.thin or bool(self.bases)


_AT_ONCE = 500
"""So many rows are read at a time where there may be any number."""

_HELD = """
WITH asked (number, origin, kind, name, version) AS (VALUES {asked})
SELECT asked.number, p.content_id, p.state_id, NOT p.thin OR p.leans_on <> ''
FROM asked CROSS JOIN package p ON p.origin = asked.origin AND p.kind = asked.kind
    AND p.name = asked.name AND p.version = asked.version AND p.damage = ''
ORDER BY asked.number, p.packed_at DESC, p.path DESC
"""
_SHOWN = """
SELECT origin, kind, name, version, content_id, state_id, iif(made_at, made_at, packed_at), labels
FROM package WHERE damage = '' AND (origin, kind, name, version) > (?, ?, ?, ?)
ORDER BY origin, kind, name, version, packed_at DESC, path DESC LIMIT ?
"""
_FIELDS = Row.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_TYPES = {
    "path": "blob",
    **dict.fromkeys(("bytes", "mtime_ns", "packed_at", "thin", "made_at"), "integer"),
}
_SENSIBLE = " AND ".join(
    (*(f"typeof({name}) = '{_TYPES.get(name, 'text')}'" for name in _FIELDS), "json_valid(labels)")
)


class Catalog:
    """The table, on disk where that is possible; safe to use from several threads."""

    def __init__(self, connection: sqlite3.Connection, *, on_disk: bool) -> None:
        self.on_disk = on_disk
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def on_disk_at(cls, folder: Path) -> "Catalog":
        """The catalog in a folder, made or remade if need be; in memory if it cannot be there."""
        path = folder / NAME
        try:
            return cls(_connect(str(path)), on_disk=True)
        except sqlite3.OperationalError:
            return cls.in_memory()
        except sqlite3.DatabaseError:
            # It is no database any more.
            discard(folder)
            return cls.on_disk_at(folder) if not path.exists() else cls.in_memory()

    @classmethod
    def in_memory(cls) -> "Catalog":
        """A catalog that is gone when it is closed."""
        return cls(_connect(":memory:"), on_disk=False)

    def close(self) -> None:
        """Close the table; nothing is pending."""
        self._connection.close()

    def rows(self, **equal: str | int) -> list[Row]:
        """The rows whose columns have these values, the latest first."""
        where = " AND ".join(f"{column} = ?" for column in equal) or "1"
        found = self._run(
            f"SELECT {_COLUMNS} FROM package WHERE {where} "  # noqa: S608  (our own column names)
            "ORDER BY packed_at DESC, path DESC",
            tuple(os.fsencode(str(v)) if k == "path" else v for k, v in equal.items()),
        )
        try:
            return [_row(values) for values in found]
        except (msgspec.ValidationError, TypeError) as error:
            raise _unusable(error) from error

    def leaning_on(self, package_id: str) -> list[Row]:
        """The rows of the thin packages that lean on one themselves, damaged ones among them."""
        found = self._run(
            f"SELECT {_COLUMNS} FROM package WHERE leans_on <> ''"  # noqa: S608  (our own names)
            " AND instr(' ' || leans_on || ' ', ' ' || ? || ' ')",
            (package_id,),
        )
        return [_row(values) for values in found]

    def incomplete(self) -> list[Row]:
        """The rows of the thin packages that lack chunks which no other one has."""
        found = self._run(
            f"SELECT {_COLUMNS} FROM package WHERE damage = ''"  # noqa: S608  (our own names)
            " AND thin AND leans_on = ''",
            (),
        )
        return [_row(values) for values in found]

    def counting(self) -> Iterator[Row]:
        """The row of the latest package of each address, sorted by address."""
        after = ("", "", "", "")
        while True:
            found = self._run(
                f"SELECT {_COLUMNS} FROM package WHERE damage = ''"  # noqa: S608  (our own names)
                " AND (origin, kind, name, version) > (?, ?, ?, ?)"
                " ORDER BY origin, kind, name, version, packed_at DESC, path DESC LIMIT ?",
                (*after, _AT_ONCE),
            )
            if not found:
                return
            for row in map(_row, found):
                address = (row.origin, row.kind, row.name, row.version)
                if address != after:
                    yield row
                after = address

    def shown(self) -> Iterator[Shown]:
        """As `counting`, but only what a mirror wants to know."""
        after = ("", "", "", "")
        while found := self._run(_SHOWN, (*after, _AT_ONCE)):
            for origin, kind, name, version, content_id, state_id, made_at, labels in found:
                one = (origin, kind, name, version)
                if one != after:
                    address = Address(origin=origin, kind=kind, name=name, version=version)
                    yield Shown(address, content_id, state_id, made_at, decode(labels))
                after = one

    def damaged(self) -> list[Row]:
        """The rows of the files that cannot be opened, sorted by path."""
        found = self._run(
            f"SELECT {_COLUMNS} FROM package WHERE damage <> '' ORDER BY path",  # noqa: S608  (our own)
            (),
        )
        return [_row(values) for values in found]

    def held(self, addresses: Sequence[Address]) -> list[list[Held]]:
        """What packages there are of each of some addresses, the latest first."""
        found: list[list[Held]] = [[] for _ in addresses]
        if addresses:
            asked = ", ".join("(?, ?, ?, ?, ?)" for _ in addresses)
            values: list[object] = []
            for number, a in enumerate(addresses):
                values += (number, a.origin, a.kind, a.name, a.version)
            for number, content_id, state_id, complete in self._run(
                _HELD.format(asked=asked), tuple(values)
            ):
                held = Held(content_id=content_id, state_id=state_id, complete=bool(complete))
                found[number].append(held)
        return found

    def facts(self) -> Iterator[tuple[bytes, tuple[int, int]]]:
        """Size and time of each file as it was when it was looked at, by path; sorted by path.

        Raises:
            StorageError: The table holds what was never put there.
        """
        if self._run(f"SELECT 1 FROM package WHERE NOT ({_SENSIBLE}) LIMIT 1", ()):  # noqa: S608
            raise _unusable(TypeError("a row makes no sense"))
        after = b""
        while found := self._run(
            "SELECT path, bytes, mtime_ns FROM package WHERE path > ? ORDER BY path LIMIT ?",
            (after, _AT_ONCE),
        ):
            after = found[-1][0]
            for path, size, at in found:
                yield path, (size, at)

    def put(self, rows: Iterable[Row]) -> None:
        """Add rows, in place of those of the same path."""
        marks = ", ".join("?" for _ in _FIELDS)
        for row in rows:
            path, *others = (getattr(row, field) for field in _FIELDS)
            values = (os.fsencode(path), *others)
            self._run(f"INSERT OR REPLACE INTO package ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608

    def lean(self, before: Row, now: Row) -> bool:
        """Say on what a thin package leans, unless somebody else said so since it was read.

        Args:
            before: As it was read.
            now: With what it leans on, and the labels that it has by that.

        Returns:
            False if what it leans on is not there any more; nothing is said then.
        """
        if not all(self.rows(package_id=base, damage="") for base in now.bases):
            return False
        self._run(
            "UPDATE package SET leans_on = ?, labels = ?"
            " WHERE path = ? AND package_id = ? AND leans_on = ?",
            (now.leans_on, now.labels, os.fsencode(now.path), before.package_id, before.leans_on),
        )
        return True

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Commit what the block writes all at once: thousands of rows, one wait for the disk."""
        self._run("BEGIN IMMEDIATE", ())
        try:
            yield
            self._run("COMMIT", ())
        except BaseException:
            if self._connection.in_transaction:
                self._run("ROLLBACK", ())
            raise

    def drop(self, paths: Sequence[str]) -> None:
        """Forget files."""
        for path in paths:
            self._run("DELETE FROM package WHERE path = ?", (os.fsencode(path),))

    def unsettle(self) -> None:
        """Let every thin package count as one whose file changed, until `settle`.

        What it leans on is being looked for; a crash must not leave that unfinished for good.
        """
        self._run("UPDATE package SET mtime_ns = ~mtime_ns WHERE thin AND mtime_ns >= 0", ())

    def settle(self) -> None:
        """Let all packages count as looked into."""
        self._run("UPDATE package SET mtime_ns = ~mtime_ns WHERE mtime_ns < 0", ())

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock, database.explaining("catalog", NAME):
            return self._connection.execute(statement, values).fetchall()


def discard(folder: Path) -> None:
    """Remove a folder's catalog if that can be; it holds nothing that the packages do not say."""
    database.discard(folder / NAME)


def _row(values: Sequence[Any]) -> Row:
    fields = dict(zip(_FIELDS, values, strict=True))
    return msgspec.convert({**fields, "path": os.fsdecode(fields["path"])}, Row, strict=False)


def _connect(name: str) -> sqlite3.Connection:
    return database.connect(name, _SCHEMA, _VERSION)


def _unusable(error: Exception) -> StorageError:
    return database.unusable(error, "catalog", NAME)
