"""Claims: a thing is taken out of everybody's reach by renaming it, and worked on there.

A claim is a folder `.mlarchived/TOKEN/`: `path` says where the thing was, `thing/` holds it. The
token is its name in the ledger, so that what was done before a crash is not counted twice.
What was taken is renamed to `TOKEN.taken` before it is removed: what a crash leaves of it is
no claim any more.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import MlarchiveError
from mlarchived.drop import names
from mlarchived.drop.candidates import CLAIMS, MARKER, Candidate

_PATH = "path"
_THING = "thing"
_TAKEN = ".taken"
_RESERVE = "reserve"
_RESERVED = 64 * 1024
"""Bytes: more than a claim takes."""


class Claim(Struct, frozen=True, kw_only=True):
    """Something that was claimed.

    Attributes:
        token: Names the claim.
        folder: Holds the thing.
        relative: The path that it had in the drop folder.
    """

    token: str
    folder: Path
    relative: str

    @property
    def shown(self) -> str:
        """The path that it had, for people."""
        return names.shown(self.relative)

    @property
    def path(self) -> Path:
        """Where the thing is now."""
        return self.folder / _THING / self.relative.rpartition("/")[2]

    @property
    def marker(self) -> Path | None:
        """Where its marker is now, if it had one; None if it cannot have one."""
        return names.beside(self.path, MARKER)


def claim(drop: Path, candidate: Candidate) -> Claim | None:
    """Take a thing out of everybody's reach; None if somebody else was faster.

    Raises:
        MlarchiveError: The folder may not be written.
    """
    token = f"{time.time_ns():x}-{secrets.token_hex(4)}"
    made = Claim(token=token, folder=drop / CLAIMS / token, relative=candidate.relative)
    # What a power cut takes of a claim, or brings back, is found again and noted once.
    fsops.make_folder(made.path.parent, durable=False)
    _write_path(made.folder, made.relative)
    with fsops.explaining(candidate.path, "move"):
        # The marker goes first: a thing that is claimed is never without it.
        if candidate.marker and made.marker:
            with contextlib.suppress(FileNotFoundError):
                fsops.publish(candidate.marker, made.marker, durable=False)
        try:
            fsops.publish(candidate.path, made.path, durable=False)
        except FileNotFoundError:
            _abandon(drop, made.folder)
            return None
        except OSError:
            if candidate.marker and made.marker:
                with contextlib.suppress(FileNotFoundError):
                    fsops.publish(made.marker, candidate.marker, durable=False)
            raise
    return made


def keep_reserve(drop: Path) -> None:
    """Keep some space back, with which things can be claimed when the disk is full."""
    place = drop / CLAIMS / _RESERVE
    if os.path.lexists(place):
        return
    # Whatever keeps it from being made keeps nothing from being taken.
    with contextlib.suppress(MlarchiveError):
        fsops.make_folder(place.parent, durable=False)
        with fsops.atomic_file(place, durable=False) as file:
            file.write(secrets.token_bytes(_RESERVED))


def give_up_reserve(drop: Path) -> bool:
    """Let others have that space; whether there was any."""
    try:
        (drop / CLAIMS / _RESERVE).unlink()
    except OSError:
        return False
    return True


def claims(drop: Path, *, clearing: bool = True) -> Iterator[Claim]:
    """What was claimed and is not done with, the oldest first.

    Args:
        drop: The drop folder.
        clearing: Whether a claim that came to nothing is removed.

    Raises:
        MlarchiveError: The folder may not be read.
    """
    for place in _inside(drop / CLAIMS):
        if place.name.endswith(_TAKEN) or place.name == _RESERVE:
            continue
        with fsops.explaining(place, "read"):
            found = _found(place)
        if found is None:
            if clearing:
                _abandon(drop, place)
        else:
            yield found


def _abandon(drop: Path, place: Path) -> None:
    """Remove a claim that came to nothing; a marker that is alone in it stays with what it marks.

    Where it cannot go back there, the claim is one of the marker itself.
    """
    relative = _relative(place)
    name = relative.rpartition("/")[2] + MARKER
    marker, stood = place / _THING / name, drop / (relative + MARKER)
    with fsops.explaining(marker, "move"):
        if os.path.lexists(marker):
            if os.path.lexists(stood) or not stood.parent.is_dir():
                _write_path(place, relative + MARKER)
                return
            fsops.publish(marker, stood, durable=False)
    fsops.remove(place)


def done(claim: Claim) -> None:
    """Remove what was taken: the vault and the ledger have it.

    Raises:
        MlarchiveError: Something in it may not be removed; it is no claim any more.
    """
    place = claim.folder.with_name(claim.token + _TAKEN)
    with fsops.explaining(claim.folder, "remove"):
        # Durably: a power cut may not keep a part of it under its old name.
        fsops.publish(claim.folder, place)
    fsops.remove(place, durable=False)


def remains(drop: Path) -> list[Path]:
    """What is left of things that were taken and not wholly removed.

    Raises:
        MlarchiveError: The folder may not be read.
    """
    return [place for place in _inside(drop / CLAIMS) if place.name.endswith(_TAKEN)]


def _inside(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing if there is no such folder."""
    with fsops.explaining(folder, "read"):
        try:
            return sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def _found(place: Path) -> Claim | None:
    """The claim in a folder; None if nothing is in it (any more)."""
    things = place / _THING
    names = [thing.name for thing in things.iterdir()] if things.is_dir() else []
    relative = _relative(place)
    # One that stood beside nothing was claimed for itself.
    own = relative.rpartition("/")[2]
    inside = [name for name in names if name == own or not name.endswith(MARKER)]
    inside = inside or ([] if relative else names)
    if not inside:
        return None
    # A power cut can take the path; the thing is there all the same.
    if relative.rpartition("/")[2] != inside[0]:
        relative = inside[0]
    return Claim(token=place.name, folder=place, relative=relative)


def _write_path(place: Path, relative: str) -> None:
    with fsops.atomic_file(place / _PATH, durable=False) as file:
        file.write(quote_from_bytes(os.fsencode(relative)).encode())


def _relative(place: Path) -> str:
    """The path that a claim's thing had; "" if nobody knows it any more."""
    try:
        return os.fsdecode(unquote_to_bytes((place / _PATH).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return ""
