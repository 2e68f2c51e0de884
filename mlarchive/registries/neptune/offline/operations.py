"""Operations in the logs of a 2.x client: JSON objects, a line each, in rotated files.

A client that was killed leaves half a line; what it can have left is told apart from damage. Logs
that the server had taken are deleted by the client, so the first operations may be gone.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import DamageError
from mlarchive.registries.folderfiles import FolderFile, open_watched
from mlarchive.registries.neptune.finding import find
from mlarchive.registries.neptune.offline.layout import logs_in

_LONGEST = 1 << 30
"""Of a line, in bytes; the client starts a new log at 64 MiB."""
_MOST_DIGITS = 20
_LATEST = 1e11
"""The year 5138."""


class Line(Struct, frozen=True, kw_only=True):
    """Where a line of a log is.

    Attributes:
        log: The file.
        start: In bytes.
        length: In bytes.
    """

    log: Path
    start: int
    length: int

    def read(self) -> Any:  # noqa: ANN401  (any JSON)
        """The line again.

        Raises:
            DamageError: It is not what it was.
        """
        with fsops.explaining(self.log, "read"), self.log.open("rb") as file:
            file.seek(self.start)
            raw = file.read(self.length)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise DamageError(f"{self.log} changed while it was read") from error


class Operation(Struct, frozen=True, kw_only=True):
    """One operation.

    Attributes:
        content: What the client wrote of it.
        version: Its number, counted from 1.
        at: When it was written, s since 1970 UTC; 0 if older clients did not say.
        line: Where it is.
        folder: Whose `upload_path` it may name files of.
    """

    content: dict[str, Any]
    version: int
    at: float
    line: Line
    folder: Path


class Problem(Struct, frozen=True, kw_only=True):
    """Something in a log that is no operation.

    Attributes:
        what: Which part.
        why: One sentence.
    """

    what: str
    why: str


def operations_in(folder: Path) -> Iterator[Operation | Problem]:
    """The operations of one execution, in their order, and what is wrong with its logs.

    Raises:
        MlarchiveError: A log may not be read.
    """
    expected = 1
    for log in logs_in(folder):
        for found in _lines(log, folder):
            if isinstance(found, Problem):
                yield found
                continue
            if found.version > expected:
                yield _gap(log, expected, found.version)
            elif found.version < expected:
                why = f"operation {found.version} stands after {expected - 1}; it is done there"
                yield Problem(what=log.name, why=why)
            expected = found.version + 1
            yield found
    put = version_in(folder, "last_put_version")
    if put >= expected:
        why = f"operations {expected} to {put} are not in it: the client ended before they were"
        yield Problem(what=folder.name, why=why)


def version_in(folder: Path, name: str) -> int:
    """A version that the client noted in a file; 0 if there is none."""
    found = find(folder, name)
    if not isinstance(found, FolderFile) or found.size > _MOST_DIGITS:
        return 0
    with open_watched(folder, found) as file:
        text = file.read().decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() and text.isascii() else 0


def _lines(log: Path, folder: Path) -> Iterator[Operation | Problem]:
    start = 0
    with fsops.explaining(log, "read"), log.open("rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(_LONGEST), b""), 1):
            line = Line(log=log, start=start, length=len(raw))
            start += len(raw)
            if raw.strip():
                yield _parsed(raw, line, folder, number)


def _parsed(raw: bytes, line: Line, folder: Path, number: int) -> Operation | Problem:
    what = f"{line.log.name}, line {number}"
    try:
        # Bytes would be taken with half a pair of UTF-16 in them.
        value = json.loads(raw.decode())
        content, version = value["obj"], value["version"]
        if b"\\u" in raw:
            # Half a pair of UTF-16 is JSON, and no text.
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        if not raw.endswith(b"\n"):
            return Problem(what=what, why="it is cut off: the client was stopped while it wrote")
        if isinstance(error, UnicodeError):
            return Problem(what=what, why="it holds what is no Unicode, so that operation is lost")
        return Problem(what=what, why="it is no JSON, so that operation is lost")
    except (TypeError, KeyError):
        return Problem(what=what, why="it is no operation, but some other JSON")
    if not isinstance(content, dict) or type(version) is not int:
        return Problem(what=what, why="it is no operation, but some other JSON")
    at = value.get("at")
    known = isinstance(at, int | float) and 0 < at < _LATEST
    return Operation(
        content=content, version=version, at=float(at) if known else 0, line=line, folder=folder
    )


def _gap(log: Path, expected: int, found: int) -> Problem:
    missing = (
        f"operation {expected}"
        if found == expected + 1
        else f"operations {expected} to {found - 1}"
    )
    if expected == 1:
        why = f"{missing} went to the server before, and the client deleted them here"
    else:
        why = f"{missing} are not in the logs"
    return Problem(what=log.parent.name, why=why)
