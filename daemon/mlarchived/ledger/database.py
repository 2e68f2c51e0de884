"""The ledger's SQLite file: opening, migrating, transactions, and errors in plain words.

WAL and `synchronous=FULL`: what was committed is there after a power cut. Migrations are numbered
files in `migrations/`; `PRAGMA user_version` says how many have run. Knows no table.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from mlarchive.errors import (
    AccessError,
    BusyError,
    DamageError,
    MlarchiveError,
    StorageError,
    UnsupportedError,
)
from mlarchive.fsops import make_folder

_PATIENCE = 30.0
"""Seconds to wait for another process's transaction, which takes milliseconds."""

_BY_CODE: dict[int, type[MlarchiveError]] = {
    sqlite3.SQLITE_FULL: StorageError,
    sqlite3.SQLITE_IOERR: StorageError,
    sqlite3.SQLITE_CANTOPEN: AccessError,
    sqlite3.SQLITE_READONLY: AccessError,
    sqlite3.SQLITE_PERM: AccessError,
    sqlite3.SQLITE_BUSY: BusyError,
    sqlite3.SQLITE_LOCKED: BusyError,
    sqlite3.SQLITE_CORRUPT: DamageError,
    sqlite3.SQLITE_NOTADB: DamageError,
}
_LOST = (
    "move the file away and run `mlarchived once`: it reads every object again, copies none twice"
)
_HINTS: dict[type[MlarchiveError], str] = {
    StorageError: "free some space, then run the same command again",
    AccessError: "check the permissions of the file and its folder",
    BusyError: "another mlarchived is at work; try again in a minute",
    DamageError: _LOST,
}


def connect(path: Path) -> sqlite3.Connection:
    """Open the ledger's file, creating and migrating it as needed.

    Raises:
        MlarchiveError: The file or its folder cannot be used, is damaged, or is too new.
    """
    make_folder(path.parent)
    return _opened(str(path))


def connect_to_look(path: Path) -> sqlite3.Connection:
    """Open the ledger's file to read it; where there is none, or an older one, one in memory.

    Raises:
        MlarchiveError: As `connect`.
    """
    if not path.exists():
        return _opened(":memory:")
    with explaining(str(path)), contextlib.closing(_connection(str(path))) as there:
        if 0 < _version(there) < len(_migrations()):
            return _opened(":memory:", there)
    return _opened(str(path))


def connect_to_copy(path: Path) -> sqlite3.Connection:
    """A copy of the ledger's file as it is now, gone when it is closed; empty where there is none.

    Raises:
        MlarchiveError: As `connect`.
    """
    if not path.exists():
        return _opened(":memory:")
    with explaining(str(path)), contextlib.closing(_connection(str(path))) as there:
        # A nameless database is a file of SQLite's own, which no crash leaves behind.
        return _opened(str(path), there, into="")


def _opened(
    name: str, copied: sqlite3.Connection | None = None, *, into: str | None = None
) -> sqlite3.Connection:
    with explaining(name):
        connection = _connection(name if into is None else into)
        try:
            if copied:
                copied.backup(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, name)
        except BaseException:
            connection.close()
            raise
        return connection


def _connection(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=_PATIENCE, isolation_level=None)


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    migrations = _migrations()
    if _version(connection) == len(migrations):
        return
    with transaction(connection):
        done = _version(connection)
        if done > len(migrations):
            raise UnsupportedError(
                f"the ledger {name} was written by a newer mlarchived (version {done})",
                hint="use that mlarchived; start a service that still runs again, with it",
            )
        for number in range(done, len(migrations)):
            for statement in _statements(migrations[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1:d}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrations() -> list[str]:
    folder = resources.files("mlarchived.ledger") / "migrations"
    files = sorted((file for file in folder.iterdir()), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files if file.name.endswith(".sql")]


def _statements(script: str) -> Iterator[str]:
    """One statement at a time: `executescript` would commit the transaction around it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block, durably, or none of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def explaining(name: str) -> Iterator[None]:
    """Turn what SQLite says into one sentence with what, where and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = _BY_CODE.get(code)
        if kind is None:
            raise
        raise kind(f"the ledger {name} cannot be used: {error}", hint=_HINTS[kind]) from error
