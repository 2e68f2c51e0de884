"""Which paths a file in a package may have (clause 8): the same on every system, or none.

Checked when packing and when reading.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from mlarchive.errors import FormatError

PATH_MAX = 4096
"""Bytes of a path in UTF-8."""

COMPONENT_MAX = 255
"""Bytes of a component in UTF-8."""

DEPTH_MAX = 64

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"]
)
# Control characters, separators of other systems, and direction marks, which make a path look
# like another one.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\\\\:\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_SHORT = 255
_PLAIN = re.compile(
    r"(?:(?!(?:con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9]) *(?:\.|/|\Z))"
    r"(?:[!-.0-9;-\[\]-~ ]*[!-\-0-9;-\[\]-~])(?:/|\Z))+(?<!/)",
    re.IGNORECASE,
)
"""Most paths: ASCII, and nothing in them that a longer look could object to."""


def refusal(path: str) -> str:
    """Why a path is not allowed, as the end of a sentence; "" if it is."""
    if path.isascii() and len(path) <= _SHORT and _PLAIN.fullmatch(path):
        return "" if path.count("/") < DEPTH_MAX else whole_refusal(path)
    return whole_refusal(path) or next(
        (reason for part in path.split("/") if (reason := component_refusal(part))), ""
    )


def check_paths(paths: Sequence[str]) -> None:
    """Refuse paths that are not allowed, or of which two would be one on some system.

    Raises:
        FormatError: E036 or E037.
    """
    for path in paths:
        reason = refusal(path)
        if reason:
            raise FormatError("E036", f"the path {path!r} {reason}")
    # Next to each other: what is alike where case does not count, and a file before what is in a
    # folder of its name. So nothing is kept of a path but its folded form, however deep it lies.
    ordered = sorted((folded(path).replace("/", "\0"), path) for path in paths)
    for (name, path), (other_name, other) in pairwise(ordered):
        if name == other_name:
            raise FormatError("E037", f"the paths {path!r} and {other!r} collide")
        if other_name.startswith(f"{name}\0"):
            raise _file_and_folder(path, other)
        if path.rpartition("/")[0] != other.rpartition("/")[0]:
            _require_one_spelling(path.split("/"), other.split("/"))


def _require_one_spelling(parts: Sequence[str], others: Sequence[str]) -> None:
    """Refuse folders that are one where case does not count, and are spelled in two ways."""
    for depth, (part, other) in enumerate(zip(parts[:-1], others[:-1], strict=False), 1):
        if part != other and folded(part) == folded(other):
            one, two = "/".join(parts[:depth]), "/".join(others[:depth])
            raise FormatError("E037", f"the folders {one!r} and {two!r} collide")
        if part != other:
            return


def collisions(paths: Sequence[str]) -> dict[int, str]:
    """Which paths, by their numbers, some system could not tell from an earlier one, and why.

    What is left of them is what `check_paths` takes, if each path alone is allowed.
    """
    found = {}
    names = _Names(paths)
    for number in range(len(paths)):
        try:
            names.add(number)
        except FormatError as error:
            found[number] = error.message.partition(": ")[2]
    return found


class _Name(NamedTuple):
    """A name in a folder, as it was first spelled.

    Attributes:
        folder: The number of the folder that it is; -1 for a file.
        spelling: The component.
        path: The number of the path that it was first met in.
        depth: How many components of that path end with it.
    """

    folder: int
    spelling: str
    path: int
    depth: int


class _Names:
    """The names in each folder, where case does not count.

    A folder is known by a number, so that a path takes memory for its own components only, however
    deep it lies. That is the same as folding whole paths, for `/` never composes with anything.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._known: dict[tuple[int, str], _Name] = {}
        self._folders = 0
        self._last = ("", 0)

    def add(self, number: int) -> None:
        """Add a path by its number.

        Raises:
            FormatError: E037; it collides with one that was added before, and is not added.
        """
        before = len(self._known)
        try:
            self._add(number)
        except FormatError:
            # What came last is what this one brought: dictionaries keep their order.
            while len(self._known) > before:
                self._known.popitem()
            self._last = ("", 0)
            raise

    def _add(self, number: int) -> None:
        path = self._paths[number]
        folder, _, name = path.rpartition("/")
        parts = folder.split("/") if folder else []
        if folder != self._last[0]:
            self._last = (folder, self._enter(parts, number))
        mine = _Name(-1, name, number, len(parts) + 1)
        other = self._known.setdefault((self._last[1], folded(name)), mine)
        if other.folder != -1:
            raise _file_and_folder(path, self._paths[other.path])
        if other.path != number:
            raise FormatError("E037", f"the paths {self._paths[other.path]!r} and {path!r} collide")

    def _enter(self, parts: Sequence[str], number: int) -> int:
        here = 0
        for depth, part in enumerate(parts, 1):
            new = _Name(self._folders + 1, part, number, depth)
            found = self._known.setdefault((here, folded(part)), new)
            if found is new:
                self._folders += 1
            elif found.folder == -1:
                raise _file_and_folder(self._paths[found.path], self._paths[number])
            elif found.spelling != part:
                one, other = (
                    "/".join(self._paths[n].split("/")[:depth]) for n in (found.path, number)
                )
                raise FormatError("E037", f"the folders {one!r} and {other!r} collide")
            here = found.folder
        return here


def _file_and_folder(file: str, path: str) -> FormatError:
    return FormatError("E037", f"{file!r} is a file, and a folder of {path!r}")


def whole_refusal(path: str) -> str:
    """Why a path as a whole is not allowed; "" if it is."""
    if _SURROGATE.search(path):
        return "is not valid Unicode"
    if path.startswith("/"):
        return "is absolute"
    if len(path.encode()) > PATH_MAX:
        return f"is longer than {PATH_MAX} bytes"
    if path.count("/") >= DEPTH_MAX:
        return f"has more than {DEPTH_MAX} components"
    if not unicodedata.is_normalized("NFC", path):
        return "is not in Unicode's normalisation form C"
    return ""


def folded(path: str) -> str:
    """What a system that ignores case makes of a path."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", path.casefold())


# The folders of many files are the same ones.
@lru_cache(maxsize=1024)
def component_refusal(part: str) -> str:
    """Why a component of a path is not allowed; "" if it is."""
    if part in {"", ".", ".."}:
        return f"has the component {part!r}"
    if len(part.encode()) > COMPONENT_MAX:
        return f"has a component longer than {COMPONENT_MAX} bytes"
    if part[-1] in ". ":
        return f"has the component {part!r}, which ends in a dot or a space"
    if part.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
        return f"has the component {part!r}, the name of a device on Windows"
    forbidden = _FORBIDDEN.search(part)
    return f"has the character {forbidden[0]!r}" if forbidden else ""
