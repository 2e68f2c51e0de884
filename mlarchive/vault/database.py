"""The small SQLite files of a vault: made, remade where they are useless, errors in plain words."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from mlarchive.errors import BusyError, StorageError

_BUSY_SECONDS = 30.0


def connect(
    name: str,
    schema: str,
    version: int,
    refuse: Callable[[int], object] | None = None,
) -> sqlite3.Connection:
    """Open a file, with its tables made, or made anew if they are of another version.

    Args:
        name: Of the file.
        schema: Makes the tables.
        version: Of the tables.
        refuse: Raises, given another version, why its tables are left alone; None for none.

    Raises:
        sqlite3.Error: It cannot be used.
        MlarchiveError: As `refuse` does.
    """
    connection = sqlite3.connect(
        name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found and found != version and refuse:
            refuse(found)
        if found != version:
            for table in re.findall(r"CREATE TABLE (\w+)", schema):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in schema.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def discard(path: Path) -> None:
    """Remove a file if that can be."""
    for name in (path.name, f"{path.name}-journal"):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink()


@contextlib.contextmanager
def explaining(what: str, name: str) -> Iterator[None]:
    """Turn what SQLite says into one sentence with what, where and what to do.

    Args:
        what: The file is to a person, such as "catalog".
        name: Of the file.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise BusyError(
                f"another process has held the vault's {what} for long",
                hint="run the same command again when it has finished",
            ) from error
        raise unusable(error, what, name) from error
    except sqlite3.DatabaseError as error:
        raise unusable(error, what, name) from error


def unusable(error: Exception, what: str, name: str) -> StorageError:
    """The error that says that a file cannot be used."""
    return StorageError(
        f"the vault's {what} cannot be used: {error}",
        hint=f"see that the disk has room; {name} may be removed, it is made again",
    )
