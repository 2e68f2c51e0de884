"""Zip archives of file sets: members as files, checked before they count."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import DamageError
from mlarchive.package.limits import allowed

_BLOCK = 1 << 20
_KEPT = 16
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
)
"""What `zipfile` raises over archives that are damaged, encrypted or of unknown methods."""


class Member(Struct, frozen=True, kw_only=True):
    """A member of an archive.

    Attributes:
        path: Its name, `/`-separated.
        size: In bytes, unpacked.
        number: Its place in the archive.
        problem: Why it cannot be carried; "" if it can.
    """

    path: str
    size: int
    number: int
    problem: str = ""


class Archives:
    """Zip archives that are opened when they are needed, a few of them kept open."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._opened = lru_cache(maxsize=_KEPT)(_open)

    def close(self) -> None:
        """Forget what is open; a stream that is being read keeps its own archive."""
        self._opened.cache_clear()

    def members(self, path: Path) -> Iterator[Member]:
        """The files in an archive, each unpacked once to see whether it is whole.

        Raises:
            DamageError: It is no zip archive, or claims more than may be unpacked.
        """
        archive = self._opened(path)
        if reason := excess(archive, path.stat().st_size):
            raise DamageError(f"{path} {reason}")
        for number, item in enumerate(archive.infolist()):
            if not item.is_dir():
                problem = trouble(archive, item)
                yield Member(
                    path=item.filename, size=item.file_size, number=number, problem=problem
                )

    def open(self, path: Path, number: int) -> BinaryIO:
        """Open a member for one forward read.

        Raises:
            DamageError: The archive changed, and is not what it was.
        """
        try:
            archive = self._opened(path)
            return cast("BinaryIO", archive.open(archive.infolist()[number]))
        except BROKEN as error:
            raise DamageError(f"{path} cannot be unpacked: {error}") from error

    def opener(self, path: Path, member: Member) -> "partial[BinaryIO]":
        """What opens a member."""
        return partial(self.open, path, member.number)


def _open(path: Path) -> zipfile.ZipFile:
    with fsops.explaining(path, "read"):
        size = path.lstat().st_size
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise DamageError(f"{path} is no zip archive: {error}") from error
    # Members that share bytes make a small archive unpack to any size.
    if sum(item.compress_size for item in archive.infolist()) > size:
        raise DamageError(f"{path} is no zip archive that anybody packed: its members overlap")
    return archive


def excess(archive: zipfile.ZipFile, size: int) -> str:
    """Why an archive of so many bytes is not unpacked, as the end of a sentence; "" if it is."""
    total = sum(item.file_size for item in archive.infolist())
    if total > allowed().most_unpacked(size):
        return f"claims to hold {total} bytes, more than may be unpacked"
    return ""


def trouble(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> str:
    """Why a member cannot be carried, for which it is unpacked once; "" if it can."""
    return _refusal(item) or _damage(archive, item)


def _refusal(item: zipfile.ZipInfo) -> str:
    parts = item.filename.split("/")
    if item.filename.startswith("/") or not {"", ".", ".."}.isdisjoint(parts):
        return "its path leads out of the archive, and is not followed"
    kind = stat.S_IFMT(item.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        return "it is a symbolic link or a device, and only files are carried"
    return ""


def _damage(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> str:
    """Why a member cannot be unpacked; its check sum is compared at its end."""
    size = 0
    try:
        with archive.open(item) as file:
            while data := file.read(_BLOCK):
                size += len(data)
    except BROKEN as error:
        return f"it cannot be unpacked: {error}"
    if size != item.file_size:
        return f"it is announced with {item.file_size} bytes, and has {size}"
    return ""
