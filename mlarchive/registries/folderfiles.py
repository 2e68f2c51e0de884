"""The files below a plain folder: what there is, what cannot be carried, and reading it honestly.

A listing says of everything below the folder either that it is a file, or why it cannot be
carried; a file that differs at the end of its reading from what was listed is an error. Must not
know of records and packages.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import SourceChangedError
from mlarchive.package.paths import collisions, refusal

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_AT_ONCE = 64 << 10
"""Smaller files are read in one go, in bytes."""

_EMPTY = "it is an empty folder, and only files are carried"

_LEFT = "a command of mlarchive's that was killed left it"

_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What opening a listed file says where something else, or nothing, is in its place now."""

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


class FolderFile(Struct, frozen=True, kw_only=True):
    """A regular file as it was when it was listed.

    Attributes:
        path: Relative to the folder, `/`-separated.
        size: In bytes.
        mtime_ns: Last change of the bytes, ns since 1970 UTC; whoever changes them can set it.
        ctime_ns: Last change of anything about it, which nobody can set.
        inode: Which file it is on its file system.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def listed(path: str, facts: os.stat_result) -> FolderFile:
    """A file as it is now."""
    return FolderFile(
        path=path,
        size=facts.st_size,
        mtime_ns=facts.st_mtime_ns,
        ctime_ns=facts.st_ctime_ns,
        inode=facts.st_ino,
    )


class Uncarried(Struct, frozen=True, kw_only=True):
    r"""Something below a folder that no package can hold.

    Attributes:
        path: Relative to the folder, with bytes that are not UTF-8 as `\xNN`.
        why: One sentence.
    """

    path: str
    why: str


def walk(folder: Path) -> tuple[list[FolderFile], list[Uncarried]]:
    """All files below a folder, and all that cannot be carried, each sorted by path.

    A temporary of a command that is at work is neither.

    Raises:
        MlarchiveError: The folder, or one below it, is not there or may not be read.
    """
    files: list[FolderFile] = []
    uncarried: list[Uncarried] = []
    folders = [""]
    while folders:
        for found in _look_into(folder, folders.pop()):
            if isinstance(found, FolderFile):
                files.append(found)
            elif isinstance(found, Uncarried):
                uncarried.append(found)
            else:
                folders.append(found)
    files, colliding = _without_collisions(sorted(files, key=lambda f: f.path))
    return files, sorted(uncarried + colliding, key=lambda u: u.path)


def require_same(folder: Path, files: Sequence[FolderFile], uncarried: Sequence[Uncarried]) -> None:
    """Look again when all files of a listing were read: each was whole, the folder may be torn.

    Raises:
        SourceChangedError: A file came, went, or changed after it was read.
        MlarchiveError: As `walk`.
    """
    before = _by_path(files, uncarried)
    after = _by_path(*walk(folder))
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            raise _changed(f"{folder}/{path}", "the folder")


def _by_path(
    files: Sequence[FolderFile], uncarried: Sequence[Uncarried]
) -> dict[str, FolderFile | Uncarried]:
    found: dict[str, FolderFile | Uncarried] = {file.path: file for file in files}
    # Where this process makes its temporaries, an empty folder comes and goes.
    return found | {item.path: item for item in uncarried if item.why != _EMPTY}


def open_watched(folder: Path, file: FolderFile) -> BinaryIO:
    """Open a listed file for one forward read that ends well only if it did not change.

    Raises:
        SourceChangedError: Now, or at the end of the reading: it is not what was listed.
        MlarchiveError: It may not be read.
    """
    path = f"{folder}/{file.path}"
    try:
        # O_NONBLOCK: should a pipe have taken the file's place, opening it must not hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _GONE:
            raise _changed(path) from error
        raise fsops.explain(error, path, "read") from error
    if file.size < _AT_ONCE:
        return _read_at_once(descriptor, path, file)
    try:
        # A folder in its place is no file that could be opened.
        _require_unchanged(os.fstat(descriptor), path, file)
    except BaseException:
        os.close(descriptor)
        raise
    return io.BufferedReader(_Watched(io.FileIO(descriptor), path, file))


def _read_at_once(descriptor: int, path: str, before: FolderFile) -> BinaryIO:
    """A small file, read whole and then compared with its listing."""
    data = b""
    try:
        _require_unchanged(os.fstat(descriptor), path, before)
        while more := os.read(descriptor, before.size + 1 - len(data)):
            data += more
        _require_unchanged(os.fstat(descriptor), path, before)
    except OSError as error:
        raise fsops.explain(error, path, "read") from error
    finally:
        os.close(descriptor)
    if len(data) != before.size:
        raise _changed(path)
    return io.BytesIO(data)


def _require_unchanged(now: os.stat_result, path: str, before: FolderFile) -> None:
    """Compare a file with its listing.

    Raises:
        SourceChangedError: Size, time or identity differ, or it is no file any more.
    """
    facts = (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)
    same = facts == (before.size, before.mtime_ns, before.ctime_ns, before.inode)
    if not same or not stat.S_ISREG(now.st_mode):
        raise _changed(path)


def _changed(path: str, what: str = "it") -> SourceChangedError:
    return SourceChangedError(
        f"{path} changed while {what} was being read",
        hint="run the same command again when nothing writes to the folder",
    )


class _Watched(io.RawIOBase):
    def __init__(self, file: io.FileIO, path: str, before: FolderFile) -> None:
        super().__init__()
        self._file = file
        self._path = path
        self._before = before

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        with fsops.explaining(self._path, "read"):
            count = self._file.readinto(buffer)
        if not count:
            self.check()
        return count or 0

    def close(self) -> None:
        self._file.close()
        super().close()

    def check(self) -> None:
        """Compare with the listing.

        Raises:
            SourceChangedError: Size, time or identity differ.
        """
        _require_unchanged(os.fstat(self._file.fileno()), self._path, self._before)


def _look_into(folder: Path, prefix: str) -> Iterator[FolderFile | Uncarried | str]:
    """What is in one folder: files, what cannot be carried, and the prefixes of folders."""
    here = f"{folder}/{prefix}"
    with fsops.explaining(here.rstrip("/") or "/", "read"), os.scandir(here) as entries:
        found = list(entries)
    temporaries = [entry.name for entry in found if fsops.is_temporary(entry.name)]
    left = [name for name in temporaries if fsops.is_abandoned(Path(here, name))]
    yield from (Uncarried(path=_shown(prefix + name), why=_LEFT) for name in left)
    if len(found) == len(temporaries) and not left and prefix:
        yield Uncarried(path=_shown(prefix), why=_EMPTY)
    for entry in (entry for entry in found if entry.name not in temporaries):
        path = prefix + entry.name
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError as error:
            raise fsops.explain(error, here + entry.name, "read") from error
        yield f"{path}/" if stat.S_ISDIR(facts.st_mode) else _found(path, facts)


def _found(path: str, facts: os.stat_result) -> FolderFile | Uncarried:
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "")
    why = f"it is {kind}, and only files are carried" if kind else _unfit(path)
    if why:
        return Uncarried(path=_shown(path), why=why)
    return listed(path, facts)


def _unfit(path: str) -> str:
    reason = refusal(path)
    return f"no package can hold its path, which {reason}" if reason else ""


def _without_collisions(files: list[FolderFile]) -> tuple[list[FolderFile], list[Uncarried]]:
    """Leave out what would be the same path as another where case does not count."""
    found = collisions([file.path for file in files])
    fitting = [file for number, file in enumerate(files) if number not in found]
    return fitting, [Uncarried(path=files[n].path, why=why) for n, why in found.items()]


def _shown(path: str) -> str:
    return os.fsencode(path.rstrip("/")).decode("utf-8", "backslashreplace")
