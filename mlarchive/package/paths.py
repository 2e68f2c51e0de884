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


def refusal(path: str) -> str:
    """Why a path is not allowed, as the end of a sentence; "" if it is."""
    return _whole_refusal(path) or next(
        (reason for part in path.split("/") if (reason := _component_refusal(part))), ""
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


def _whole_refusal(path: str) -> str:
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
    for path in files.values():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            key = folded(folder)
            if key in files:
                other = files[key]
                raise FormatError("E037", f"{other!r} is a file, and a folder of {path!r}")
            if (other := spellings.setdefault(key, folder)) != folder:
                raise FormatError("E037", f"the folders {other!r} and {folder!r} collide")


def folded(path: str) -> str:
    """What a system that ignores case makes of a path."""
    return unicodedata.normalize("NFC", path.casefold())


def _component_refusal(part: str) -> str:
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
