"""Which paths a file in a package may have (clause 8): the same on every system, or none.

Checked when packing and when reading.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

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
    files: dict[str, str] = {}
    for path in paths:
        key = folded(path)
        if key in files:
            raise FormatError("E037", f"the paths {files[key]!r} and {path!r} collide")
        files[key] = path
    _refuse_folder_collisions(files)


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


def _refuse_folder_collisions(files: Mapping[str, str]) -> None:
    spellings: dict[str, str] = {}
    known: set[str] = {""}
    for path in files.values():
        folder = path.rpartition("/")[0]
        while folder not in known:
            known.add(folder)
            key = folded(folder)
            if key in files:
                other = files[key]
                raise FormatError("E037", f"{other!r} is a file, and a folder of {path!r}")
            if (other := spellings.setdefault(key, folder)) != folder:
                raise FormatError("E037", f"the folders {other!r} and {folder!r} collide")
            folder = folder.rpartition("/")[0]


def folded(path: str) -> str:
    """What a system that ignores case makes of a path."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", path.casefold())


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
