"""The catalog of a vault: an SQLite table of what the packages in a folder say of themselves.

It only saves time. It is compared with the folder whenever the vault is opened; where it is lost,
damaged, of another version, or its folder may not be written, the packages are asked again. Paths
are kept as bytes, since a folder may hold names that are not UTF-8.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive.errors import BusyError, StorageError
from mlarchive.records import Address

NAME = ".mlarchive-catalog.sqlite"

_VERSION = 2
_BUSY_SECONDS = 30.0
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
    damage TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX package_address ON package (origin, kind, name, version);
CREATE INDEX package_content ON package (content_id);
"""


class Row(Struct, frozen=True, kw_only=True):
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

    @property
    def address(self) -> Address:
        """What the object is called at its source."""
        return Address(origin=self.origin, kind=self.kind, name=self.name, version=self.version)


class Kept(Struct, frozen=True, kw_only=True):
    """A package that a vault keeps.

    Attributes:
        path: Where it is.
        address: What the object is called at its source.
        content_id: What the object is.
        state_id: How it is labelled.
        package_id: These very bytes.
        size: Of the package, in bytes.
        packed_at: When it was packed, ms since 1970 UTC; among packages of one address the
            latest is the one that counts.
        thin: Whether chunks are absent from it.
        base_package_id: The full package in this vault that has them; "" if it is full itself,
            or if the vault has none.
    """

    path: Path
    address: Address
    content_id: str
    state_id: str
    package_id: str
    size: int
    packed_at: int
    thin: bool = False
    base_package_id: str = ""


_FIELDS = Row.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)


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

    def rows(self, **equal: str) -> list[Row]:
        """The rows whose columns have these values, the latest first."""
        where = " AND ".join(f"{column} = ?" for column in equal) or "1"
        found = self._run(
            f"SELECT {_COLUMNS} FROM package WHERE {where} "  # noqa: S608  (our own column names)
            "ORDER BY packed_at DESC, path DESC",
            tuple(equal.values()),
        )
        try:
            return [_row(values) for values in found]
        except (msgspec.ValidationError, TypeError) as error:
            raise _unusable(error) from error

    def put(self, rows: Sequence[Row]) -> None:
        """Add rows, in place of those of the same path."""
        marks = ", ".join("?" for _ in _FIELDS)
        for row in rows:
            path, *others = (getattr(row, field) for field in _FIELDS)
            values = (os.fsencode(path), *others)
            self._run(f"INSERT OR REPLACE INTO package ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608

    def drop(self, paths: Sequence[str]) -> None:
        """Forget files."""
        for path in paths:
            self._run("DELETE FROM package WHERE path = ?", (os.fsencode(path),))

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        with self._lock, _explaining():
            return self._connection.execute(statement, values).fetchall()


def discard(folder: Path) -> None:
    """Remove a folder's catalog if that can be; it holds nothing that the packages do not say."""
    for name in (NAME, f"{NAME}-journal"):
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def _row(values: Sequence[object]) -> Row:
    fields = dict(zip(_FIELDS, values, strict=True))
    path = fields.pop("path")
    if not isinstance(path, bytes):
        raise TypeError(f"a path is kept as {type(path).__name__}")
    return msgspec.convert({"path": os.fsdecode(path), **fields}, Row, strict=False)


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            connection.execute("DROP TABLE IF EXISTS package")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise BusyError(
                "another process has held the vault's catalog for long",
                hint="run the same command again when it has finished",
            ) from error
        raise _unusable(error) from error
    except sqlite3.DatabaseError as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> StorageError:
    return StorageError(
        f"the vault's catalog cannot be used: {error}",
        hint=f"see that the disk has room; {NAME} may be removed, it is made again",
    )
