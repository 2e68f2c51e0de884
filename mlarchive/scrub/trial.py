"""A trial restore: an object is unpacked as if it were needed, and read back from the disk."""

import os
import shutil
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import MlarchiveError, StorageError
from mlarchive.package import Package, extract
from mlarchive.package.hasher import Hasher
from mlarchive.records import File
from mlarchive.registries.tree import tree
from mlarchive.snapshot import Stream

Outcome: TypeAlias = Literal["not tried", "restored", "failed", "inconclusive"]

_SHARE = 2
"""A trial takes at most one part in so many of the space that is free."""

_BLOCK = 1 << 20


class Trial(Struct, frozen=True, kw_only=True):
    """How a trial ended.

    Attributes:
        outcome: `inconclusive` says nothing against the package: there was no room for it.
        why: Where it did not end well.
    """

    outcome: Outcome = "not tried"
    why: str = ""


def try_restore(package: Package, scratch: Path) -> Trial:
    """Unpack every file and history of a package, read them back, and remove them.

    Args:
        package: Open, with what it leans on.
        scratch: Where the folder is made; on a disk with room.
    """
    size = sum(row.size for row in package.objects.values())
    free = shutil.disk_usage(scratch).free
    if size * _SHARE > free:
        return Trial(outcome="inconclusive", why=f"{size} bytes are too many for {free} free ones")
    try:
        with fsops.scratch_folder(scratch) as folder:
            streams = [leaf.as_file() for leaf in tree(package.snapshot())]
            extract(streams, folder / "restored")
            wrong = _differing(streams, folder / "restored")
    except StorageError as error:
        return Trial(outcome="inconclusive", why=error.message)
    except MlarchiveError as error:
        return Trial(outcome="failed", why=error.message)
    if wrong:
        return Trial(outcome="failed", why=f"{wrong!r} is not on the disk as it was written")
    return Trial(outcome="restored")


def _differing(streams: Sequence[Stream], folder: Path) -> str:
    """A file that the disk gives back otherwise than it was written; "" if there is none."""
    for stream in streams:
        if isinstance(stream.entry, File):
            path = folder / stream.entry.path
            if _digest(path) != (stream.entry.sha256 or _digest_of(stream)):
                return stream.entry.path
    return ""


def _digest(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return _hashed(file)


def _digest_of(stream: Stream) -> str:
    with stream.open() as file:
        return _hashed(file)


def _hashed(file: BinaryIO | FileIO) -> str:
    with Hasher() as digest:
        while block := file.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest()
