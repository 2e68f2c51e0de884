"""JSON files of a foreign layout, read with suspicion: bounded, no links, every type checked.

Their tools write with Python's `json`, so `NaN` and `Infinity` stand as they are. Whatever is wrong
is one sentence that names the file and the member.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlarchive import fsops
from mlarchive.errors import DamageError, NotFoundError

LONGEST = 256 << 20
"""Bytes of a file; some three million points of metrics."""

_SURROGATE = re.compile(rb"\\ud[89a-f]", re.IGNORECASE)
_INTEGERS = range(-(2**63), 2**63)


class Table:
    """A JSON object, and what a person calls it.

    Attributes:
        where: The file, and the member in it.
        members: As the file has them.
    """

    __slots__ = ("members", "where")

    def __init__(self, members: Mapping[str, Any], where: str) -> None:
        self.members = members
        self.where = where

    def text(self, name: str) -> str:
        """A member that is text, or a number where versions differ; "" if it is not there."""
        value = self.members.get(name)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return _checked(value, f"{name!r} of {self.where}")

    def number(self, name: str) -> int:
        """A member that is an integer of 64 bits; 0 if it is not there."""
        value = self.members.get(name)
        if value is None:
            return 0
        if type(value) is not int or value not in _INTEGERS:
            raise wrong(f"{name!r} of {self.where}", "an integer of 64 bits")
        return value

    def table(self, name: str) -> "Table":
        """A member that is an object; an empty one if it is not there."""
        return self._table(self.members.get(name), f"{name!r} of {self.where}")

    def tables(self, name: str) -> list["Table"]:
        """A member that is a list of objects."""
        where = f"{name!r} of {self.where}"
        return [
            self._table(item, f"{where}, item {number}")
            for number, item in enumerate(self.items(name), 1)
        ]

    def texts(self, name: str) -> list[str]:
        """A member that is a list of texts."""
        return [_checked(item, f"{name!r} of {self.where}") for item in self.items(name)]

    def tags(self, name: str) -> dict[str, str]:
        """A member that is an object of texts, or a list of objects with `key` and `value`."""
        if isinstance(self.members.get(name), list):
            return {item.text("key"): item.text("value") for item in self.tables(name)}
        table = self.table(name)
        return {key: table.text(key) for key in table.members}

    def items(self, name: str) -> list[Any]:
        """A member that is a list of anything."""
        value = self.members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise wrong(f"{name!r} of {self.where}", "a list")
        return value

    def _table(self, value: object, where: str) -> "Table":
        if value is None:
            return Table({}, where)
        if not isinstance(value, dict):
            raise wrong(where, "an object")
        for key in value:
            _checked(key, f"a name in {where}")
        return Table(value, where)


def read_document(path: Path) -> Table:
    """A JSON file of a foreign layout.

    Raises:
        NotFoundError: It is not there.
        DamageError: It is a link, too large, or no JSON object.
    """
    raw = _bytes(path)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DamageError(f"{path} is no JSON: {why}", hint=_AGAIN) from error
    if not isinstance(value, dict):
        raise wrong(str(path), "a JSON object")
    if _SURROGATE.search(raw):
        _require_unicode(value, path)
    return Table(value, str(path))


def _bytes(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} is not there", hint=_AGAIN) from error
    except OSError as error:
        if path.is_symlink():
            raise DamageError(f"{path} is a symbolic link, and is not followed") from error
        raise fsops.explain(error, path, "read") from error
    with fsops.explaining(path, "read"), os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise DamageError(f"{path} is no regular file")
        raw = file.read(LONGEST + 1)
    if len(raw) > LONGEST:
        raise DamageError(
            f"{path} has more than {LONGEST >> 20} MiB, and is not read",
            hint="read the object from its server instead",
        )
    return raw


def _checked(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise wrong(where, "text")
    return value


def _require_unicode(value: object, path: Path) -> None:
    """Refuse halves of characters, which JSON can say and no text can hold.

    Raises:
        DamageError: There is one.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DamageError(
            f"{path} holds half a character, {error.object[error.start]!a}"
        ) from error


def wrong(where: str, wanted: str) -> DamageError:
    """What is not what it should be, as an error."""
    return DamageError(f"{where} is not {wanted}", hint=_AGAIN)


_AGAIN = "have it written again, or restore the folder from a backup"
