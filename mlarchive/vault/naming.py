"""Where a package lies in a vault: `ORIGIN/KIND/NAME/VERSION~CONTENT8-STATE8.mlpkg`.

The path is for people and for not colliding; what a package is, its own documents say. Parts are
percent-encoded, so that a name can neither leave the vault nor look like a temporary.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import quote

from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.records import Address

SUFFIX = ".mlpkg"
ENCRYPTED = ".age"
"""What is added where a package is encrypted."""

_IDS = re.compile(r"~[0-9a-f]{8}-[0-9a-f]{8}(~[0-9]+)?\.mlpkg$")
_LONGEST = 150
"""Bytes of a part; a file system allows 255 as a rule, and ids and marks are added."""


def places(address: Address, content_id: str, state_id: str) -> Iterator[PurePosixPath]:
    """The paths where a package may lie, best first, relative to the vault; they never end.

    All but the first are for when the better ones are taken, be it by a package whose ids begin
    alike or by an earlier one of the same ids that a later state has superseded.
    """
    folder = PurePosixPath(_part(address.origin), _part(address.kind), _part(address.name))
    version = _part(address.version) if address.version else ""
    stem = f"{version}~{content_id[:8]}-{state_id[:8]}"
    yield folder / f"{stem}{SUFFIX}"
    number = 2
    while True:
        yield folder / f"{stem}~{number}{SUFFIX}"
        number += 1


def first_of(path: PurePosixPath) -> PurePosixPath:
    """The best path of a package that lies under another one since that was taken."""
    found = _IDS.search(path.name)
    number = found[1] if found else None
    return path.with_name(f"{path.name.removesuffix(number + SUFFIX)}{SUFFIX}") if number else path


def stem(path: PurePosixPath) -> str:
    """What all paths of one address have in common, as `places` makes them."""
    return str(path.parent / _IDS.sub("", path.name))


def _part(text: str) -> str:
    """One part of a path: never empty, hidden, too long or like a temporary name."""
    encoded = quote(text, safe="").replace("~", "%7E") or "%"
    if encoded.startswith("."):
        encoded = f"%2E{encoded[1:]}"
    encoded = encoded.replace(TEMPORARY_MARK, TEMPORARY_MARK.replace(".", "%2E"))
    if len(encoded) <= _LONGEST:
        return encoded
    return f"{encoded[:_LONGEST]}~{hashlib.sha256(text.encode()).hexdigest()[:16]}"
