"""The records of an evaluation dataset as lines in one order (`spec/evaluation-datasets.md`).

A dataset may have more records than fit in memory, so they are sorted in a temporary database,
which SQLite removes when it is let go.
"""

import hashlib
import json
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import msgspec
from mlflow.entities import DatasetRecord

from mlarchive.errors import UnsupportedError
from mlarchive.made import made
from mlarchive.records import File, Integer

FILE = "records.jsonl"

_MEMBERS = {"inputs", "outputs", "expectations", "source", "tags"}
_LONGEST = 64 << 20


class Facts(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a server says of a record beside what it is: evidence.

    Attributes:
        id: The server's own.
        created: ms since 1970 UTC.
        updated: ms since 1970 UTC.
        created_by: Who.
        updated_by: Who.
    """

    id: str = ""
    created: Integer = 0
    updated: Integer = 0
    created_by: str = ""
    updated_by: str = ""


def line_of(record: DatasetRecord) -> bytes:
    """A record's line, with its line feed."""
    members: dict[str, Any] = {"inputs": record.inputs}
    if record.outputs is not None:
        members["outputs"] = record.outputs
    if record.expectations is not None:
        members["expectations"] = record.expectations
    if record.source is not None:
        members["source"] = record.source.to_dict()
    if record.tags:
        members["tags"] = record.tags
    return _line(members)


def _line(members: Mapping[str, Any]) -> bytes:
    text = json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # A lone surrogate, which UTF-8 has no bytes for, gets its escape in JSON.
    return text.encode(errors="backslashreplace") + b"\n"


def members_of(line: bytes) -> dict[str, Any]:
    """What a line says, as a server takes it.

    Raises:
        UnsupportedError: It is no record, or not written as the specification says.
    """
    try:
        members = json.loads(line)
        sound = members.keys() <= _MEMBERS and _line(members) == line
    except (ValueError, AttributeError, RecursionError):
        sound = False
    if not sound or not isinstance(members.get("inputs"), dict):
        raise UnsupportedError(
            f"a line of {FILE} is no record of an evaluation dataset: {line[:60]!r}",
            hint="spec/evaluation-datasets.md says what such lines are",
        )
    # What is left out here would be an empty object at the server.
    return {"outputs": None, "expectations": None, **members}


def lines_in(source: BinaryIO) -> Iterator[bytes]:
    """The lines of a file of records.

    Raises:
        UnsupportedError: One is longer than 64 MiB, which no server takes.
    """
    while line := source.readline(_LONGEST + 1):
        if len(line) > _LONGEST:
            raise UnsupportedError(
                f"a line of {FILE} is longer than {_LONGEST} bytes",
                hint="unpack it into a folder: dir:DIR",
            )
        yield line


def facts_of(record: DatasetRecord) -> Facts:
    """What the server says of a record."""
    return Facts(
        id=record.dataset_record_id or "",
        created=record.created_time or 0,
        updated=record.last_update_time or 0,
        created_by=record.created_by or "",
        updated_by=record.last_updated_by or "",
    )


class SortedRecords:
    """Records in the order of their lines' bytes: a few megabytes in memory, the rest on disk.

    Attributes:
        count: How many.
        size: Of all lines, in bytes.
        sha256: Of all lines, lower-case hex.
    """

    def __init__(self, records: Iterable[tuple[bytes, Facts]]) -> None:
        """Take in lines in any order."""
        self._database = sqlite3.connect("", check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.execute("CREATE TABLE record (line BLOB, facts BLOB)")
        self._database.executemany(
            "INSERT INTO record VALUES (?, ?)",
            ((line, msgspec.json.encode(facts)) for line, facts in records),
        )
        self._database.execute("CREATE INDEX in_order ON record (line)")
        digest = hashlib.sha256()
        self.count = self.size = 0
        for line in self.lines():
            digest.update(line)
            self.count += 1
            self.size += len(line)
        self.sha256 = digest.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """All lines in order."""
        for (line,) in self._database.execute("SELECT line FROM record ORDER BY line"):
            yield line

    def with_facts(self) -> Iterator[tuple[bytes, Facts]]:
        """All lines in order, each with what the server says of it."""
        rows = self._database.execute("SELECT line, facts FROM record ORDER BY line, facts")
        for line, facts in rows:
            yield line, msgspec.json.decode(facts, type=Facts)

    def holds(self, line: bytes) -> bool:
        """Whether there is such a line."""
        found = self._database.execute("SELECT 1 FROM record WHERE line = ? LIMIT 1", (line,))
        return found.fetchone() is not None

    def file(self) -> File:
        """The entry of the lines as one file."""
        return File(path=FILE, size=self.size, sha256="")

    def open(self) -> BinaryIO:
        """The lines as one file."""
        return made(self.lines())
