"""The folders for what was refused, or lost something when it was taken: a thing and its reason.

Nothing that lies there is ever written over, whoever put it there: a name is chosen that is free
for the thing, its reason and its marker together, and each of them is put there so that it fails
where something has come meanwhile.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mlarchive import fsops
from mlarchive.errors import ConflictError, MlarchiveError
from mlarchived.drop import names
from mlarchived.drop.candidates import LEFT, MARKER, QUARANTINE
from mlarchived.drop.claims import Claim

_REASON = ".reason.txt"
_ROOM = len(_REASON) + 6
"""Bytes that are added to a name: the reason's, and a number where several have one name."""
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})
"""What a system says where a name is taken."""


def set_apart(drop: Path, claim: Claim, error: MlarchiveError, more: str = "") -> Path:
    """Put what was refused into quarantine, with the reason beside it; where it is now.

    Raises:
        MlarchiveError: It may not or cannot be moved.
    """
    hint = f"\n{error.hint}" if error.hint else ""
    return _put(drop / QUARANTINE, claim, f"{error.message}{more}{hint}\n({error.code})\n")


def leave(drop: Path, claim: Claim, losses: str) -> Path:
    """Keep what was taken, because something in it could not be carried; where it is now.

    Raises:
        MlarchiveError: It may not or cannot be moved.
    """
    return _put(drop / LEFT, claim, losses)


def put_into(folder: Path) -> list[Path]:
    """What was put into one of the folders, and is there.

    Raises:
        MlarchiveError: The folder may not be read.
    """
    with fsops.explaining(folder, "read"):
        try:
            reasons = [path for path in folder.iterdir() if path.name.endswith(_REASON)]
        except (FileNotFoundError, NotADirectoryError):
            return []
    things = (path.with_name(path.name.removesuffix(_REASON)) for path in reasons)
    return sorted(thing for thing in things if os.path.lexists(thing))


def _put(folder: Path, claim: Claim, why: str) -> Path:
    fsops.make_folder(folder)
    text = why.encode("utf-8", "replace")
    place = next(place for place in _free(folder, claim) if _is_put(claim, place, text))
    fsops.remove(claim.folder)
    return place


def _free(folder: Path, claim: Claim) -> Iterator[Path]:
    """Paths at which neither a thing nor a marker lies."""
    name, number = names.shortened(claim.path.name, _ROOM), 1
    while True:
        place = folder / (name if number == 1 else f"{name}~{number}")
        if not any(map(os.path.lexists, (place, place.with_name(place.name + MARKER)))):
            yield place
        number += 1


def _is_put(claim: Claim, place: Path, text: bytes) -> bool:
    """Put a thing there, its reason first and its marker last; whether the name was free."""
    reason, marker = place.with_name(place.name + _REASON), place.with_name(place.name + MARKER)
    with fsops.explaining(place, "write"):
        # The reason comes first: nothing lies there without one.
        made = _reserve(reason, text)
        if not made and not _is_of_this(reason, text):
            return False
        marked = claim.marker if claim.marker and os.path.lexists(claim.marker) else None
        try:
            fsops.publish(claim.path, place, replace=False)
            try:
                if marked:
                    fsops.publish(marked, marker, replace=False)
            except OSError:
                fsops.publish(place, claim.path)
                raise
        except OSError as error:
            # It may be there already, where only its folder could not be synced.
            if made and os.path.lexists(claim.path):
                reason.unlink()
            if error.errno in _TAKEN:
                return False
            raise
    return True


def _reserve(reason: Path, text: bytes) -> bool:
    """Write a reason; whether nothing else had its name."""
    try:
        with fsops.atomic_file(reason, replace=False) as file:
            file.write(text)
    except ConflictError:
        return False
    return True


def _is_of_this(reason: Path, text: bytes) -> bool:
    """Whether it is that of an earlier try, which failed before the thing was put beside it."""
    if reason.is_symlink() or not reason.is_file() or reason.stat().st_size != len(text):
        return False
    return reason.read_bytes() == text
