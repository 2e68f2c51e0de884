"""What packages cannot say of themselves: when each was checked last, and what was pruned.

An SQLite file in the vault. If it is lost every package is due for a check, and what was pruned
is packed again where its source still has it: work, but no loss.
"""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.closing import Closing
from mlarchive.errors import UnsupportedError
from mlarchive.records import Address
from mlarchive.vault import database

NAME = ".mlarchive-journal.sqlite"

_VERSION = 2
_SCHEMA = """
CREATE TABLE checked (
    path BLOB PRIMARY KEY,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    content_id TEXT NOT NULL,
    state_id TEXT NOT NULL,
    package_id TEXT NOT NULL,
    thin INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    restored_at INTEGER NOT NULL,
    damage TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE pruned (
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    content_id TEXT NOT NULL,
    state_id TEXT NOT NULL,
    pruned_at INTEGER NOT NULL,
    PRIMARY KEY (origin, kind, name, version, content_id, state_id)
) WITHOUT ROWID;
"""


class Check(Struct, frozen=True, kw_only=True):
    """When a package was checked last, and what was found.

    Attributes:
        package_id: As it stated then; "" if it could not be opened, and so for the others.
        address: Of its object.
        content_id: As it stated.
        state_id: As it stated.
        thin: Whether chunks are absent from it.
        checked_at: When every byte of it was read, ms since 1970 UTC.
        restored_at: When it was unpacked on trial; 0 if it never was.
        damage: What was wrong; "" if nothing was.
    """

    package_id: str
    checked_at: int
    address: Address = Address(origin="", kind="", name="")
    content_id: str = ""
    state_id: str = ""
    thin: bool = False
    restored_at: int = 0
    damage: str = ""

    def by(self, now: int) -> "Check":
        """The same; what is said to have been after now, by a clock that was wrong, never was."""
        return replace(
            self,
            checked_at=self.checked_at if self.checked_at <= now else 0,
            restored_at=self.restored_at if self.restored_at <= now else 0,
        )


class Summary(Struct, frozen=True, kw_only=True):
    """How the checks of a vault stand.

    Attributes:
        packages: How many were checked.
        oldest_at: The oldest of these checks, ms since 1970 UTC; 0 if there is none.
        damaged: How many were damaged then.
    """

    packages: int
    oldest_at: int
    damaged: int


NEVER = Check(package_id="", checked_at=0)
"""The check of what was never checked."""


class Journal(Closing):
    """The file, open; for one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the journal of a vault, made or remade if need be.

        Raises:
            StorageError: It cannot be written.
            UnsupportedError: Another version of mlarchive wrote it.
        """
        path = folder / NAME
        with database.explaining("journal", NAME):
            try:
                return cls(_connect(str(path)))
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # It is no database any more.
                database.discard(path)
                return cls(_connect(str(path)))

    @classmethod
    def look(cls, folder: Path) -> Self:
        """Open the journal of a vault, or an empty one where there is none."""
        if (folder / NAME).exists():
            return cls.open(folder)
        with database.explaining("journal", NAME):
            return cls(_connect(":memory:"))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def checks(self) -> Mapping[str, Check]:
        """The last check of each package, by its path in the vault."""
        return {
            os.fsdecode(path): Check(
                address=Address(origin=origin, kind=kind, name=name, version=version),
                content_id=content_id,
                state_id=state_id,
                package_id=package_id,
                thin=bool(thin),
                checked_at=at,
                restored_at=restored,
                damage=damage,
            )
            for (
                path,
                origin,
                kind,
                name,
                version,
                content_id,
                state_id,
                package_id,
                thin,
                at,
                restored,
                damage,
            ) in self._run("SELECT * FROM checked")
        }

    def damaged(self) -> Mapping[str, str]:
        """The package_ids of those that were damaged at their last check, by path in the vault."""
        rows = self._run("SELECT path, package_id FROM checked WHERE damage <> ''")
        return {os.fsdecode(path): package_id for path, package_id in rows}

    def checked(self, path: str, check: Check) -> None:
        """A package was checked."""
        values = (
            os.fsencode(path),
            *_key(check.address),
            check.content_id,
            check.state_id,
            check.package_id,
            check.thin,
            check.checked_at,
            check.restored_at,
            check.damage,
        )
        marks = ", ".join("?" for _ in values)
        self._run(f"INSERT OR REPLACE INTO checked VALUES ({marks})", *values)  # noqa: S608

    def summary(self) -> "Summary":
        """How the checks stand, all in all."""
        ((packages, oldest, damaged),) = self._run(
            "SELECT count(*), coalesce(min(checked_at), 0), coalesce(sum(damage != ''), 0)"
            " FROM checked"
        )
        return Summary(packages=packages, oldest_at=oldest, damaged=damaged)

    def forget(self, paths: Iterable[str]) -> None:
        """Packages are no longer there."""
        for path in paths:
            self._run("DELETE FROM checked WHERE path = ?", os.fsencode(path))

    def pruned(self, address: Address, content_id: str, state_id: str, *, at: int) -> None:
        """A package is about to be removed by the rules."""
        self._run(
            "INSERT OR REPLACE INTO pruned VALUES (?, ?, ?, ?, ?, ?, ?)",
            *_key(address),
            content_id,
            state_id,
            at,
        )

    def brought_back(self, address: Address, content_id: str, state_id: str) -> None:
        """A package is about to be there (again): whatever was pruned, this one is missed."""
        if self.was_pruned(address, content_id, state_id):
            self._run(
                "DELETE FROM pruned WHERE origin = ? AND kind = ? AND name = ? AND version = ?"
                " AND content_id = ? AND state_id = ?",
                *_key(address),
                content_id,
                state_id,
            )

    def was_pruned(self, address: Address, content_id: str, state_id: str) -> bool:
        """Whether a package of this object was removed by the rules."""
        rows = self._run(
            "SELECT 1 FROM pruned WHERE origin = ? AND kind = ? AND name = ? AND version = ?"
            " AND content_id = ? AND state_id = ?",
            *_key(address),
            content_id,
            state_id,
        )
        return bool(rows)

    def all_pruned(self) -> list[tuple[Address, str, str]]:
        """What the rules removed: object, content_id and state_id of each package."""
        rows = self._run("SELECT origin, kind, name, version, content_id, state_id FROM pruned")
        return [
            (Address(origin=origin, kind=kind, name=name, version=version), content_id, state_id)
            for origin, kind, name, version, content_id, state_id in rows
        ]

    def pruned_of(self, address: Address) -> frozenset[tuple[str, str]]:
        """The content_ids and state_ids of the packages of an object that the rules removed."""
        rows = self._run(
            "SELECT content_id, state_id FROM pruned"
            " WHERE origin = ? AND kind = ? AND name = ? AND version = ?",
            *_key(address),
        )
        return frozenset((content_id, state_id) for content_id, state_id in rows)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with database.explaining("journal", NAME):
            return self._connection.execute(statement, values).fetchall()


def _key(address: Address) -> tuple[str, str, str, str]:
    return address.origin, address.kind, address.name, address.version


def _connect(name: str) -> sqlite3.Connection:
    return database.connect(name, _SCHEMA, _VERSION, _another_version)


def _another_version(found: int) -> None:
    raise UnsupportedError(
        f"the vault's journal is of another version of mlarchive ({found}, not {_VERSION})",
        hint=f"use that mlarchive; or move {NAME} away, and nothing says any more what was pruned",
    )
