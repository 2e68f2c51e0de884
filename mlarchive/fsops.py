"""The only place that creates, syncs, renames or removes what must survive a crash.

The recipe, and the only one: write to a temporary name in the target's own folder, fsync the
file, rename it over the final name, fsync the folder. A crash at any instruction then leaves
either the old state or the new one under the final name, and at most a temporary that carries
`TEMPORARY_MARK` in its name, which `remove_stale_temporaries` clears. A failed fsync is never
retried on the same file: the kernel may have dropped the pages, so the temporary is thrown away.

Temporary names hold the writer's process id, that process's start time and a digest of the host's
name, so a sweep never takes a living writer's file, be it on another machine that shares the disk.
"""

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from mlarchive.errors import (
    AccessError,
    ConfigError,
    ConflictError,
    MlarchiveError,
    NotFoundError,
    StorageError,
    UnsupportedError,
)

TEMPORARY_MARK = ".mlarchive-tmp-"

SMALL = 1 << 20
"""Bytes: no policy, key or list that a person writes is longer."""

_BEGIN_EACH = 8 << 20
"""Bytes: so much is handed to the disk at a time."""

_COPY_EACH = 1 << 30
"""Bytes: so much the kernel is asked to copy at a time, so that Ctrl-C is heard."""

_SYNC_FILE_RANGE_WRITE = 2
"""Of linux/fs.h."""

_FOREIGN_SECONDS = 7 * 24 * 3600
_OURS = re.compile(rf"\..*{re.escape(TEMPORARY_MARK)}\d+-\d*(-[0-9a-f]+){{1,2}}", re.DOTALL)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DISK = {*_FULL, errno.EIO, errno.EROFS}
_DENIED = {errno.EACCES, errno.EPERM}
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
_NO_SUCH_THING = {errno.ENXIO, errno.ENODEV, errno.EILSEQ}
"""What a socket, a device or an impossible name answers: no fault of the disk."""
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_MOUNTED = {errno.EBUSY, errno.EXDEV}


def explain(error: OSError, path: Path | str, doing: str) -> MlarchiveError:
    """Turn an operating-system error into one sentence with what, where and what to do.

    Args:
        error: What the system said.
        path: The file or folder that was worked on.
        doing: What was tried, as a verb: "write", "read", "create".
    """
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageError(
            f"cannot {doing} {path}: no space left ({reason})",
            hint="free some space or choose another folder, then run the same command again",
            place=str(path),
        )
    if error.errno in _DENIED:
        return AccessError(f"may not {doing} {path}: {reason}", hint="check its permissions")
    if error.errno in _ABSENT:
        return NotFoundError(f"cannot {doing} {path}: {reason}", hint="check the path")
    if error.errno == errno.EEXIST:
        return ConflictError(
            f"cannot {doing} {path}: something has that name already",
            hint="choose another name, or remove it first",
        )
    if error.errno in _NO_SUCH_THING:
        return UnsupportedError(
            f"cannot {doing} {path}: {reason}",
            hint="see what it is: only files and folders can be used",
        )
    hint = "choose another folder" if error.errno == errno.EROFS else "see the system's log"
    if error.errno in _MOUNTED:
        hint = "see whether something is mounted there, and unmount it"
    return StorageError(f"cannot {doing} {path}: {reason}", hint=hint, place=str(path))


@contextlib.contextmanager
def explaining(path: Path | str, doing: str) -> Iterator[None]:
    """Raise `explain`'s error for any `OSError` inside the block."""
    try:
        yield
    except OSError as error:
        raise explain(error, path, doing) from error


@contextlib.contextmanager
def _explaining_the_disk(path: Path) -> Iterator[None]:
    """Explain what only a write to our own file can raise; other people's errors pass through."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _DISK:
            raise explain(error, path, "write") from error
        raise


def read_small(path: Path, most: int = SMALL) -> bytes:
    """The bytes of a file that is read whole, and so is not any length.

    Raises:
        ConfigError: It is longer than `most` bytes.
        MlarchiveError: It cannot be read.
    """
    with explaining(path, "read"), path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ConfigError(f"{path} is longer than {most} bytes", hint="name the right file")
    return raw


def make_folder(path: Path, *, durable: bool = True) -> None:
    """Create a folder and its parents; nothing happens if it is there.

    Args:
        path: The folder.
        durable: Whether it is there after a power cut too.

    Raises:
        MlarchiveError: As `explain` maps what the system said.
    """
    with explaining(path, "create"):
        missing: list[Path] = []
        here = path
        while not here.exists():
            missing.append(here)
            here = here.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            if durable:
                sync_folder(folder.parent)
        path.mkdir(exist_ok=True)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable (fsync of the folder itself)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder and say so with EINVAL; EIO is real.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


class EagerFile(io.FileIO):
    """A file, written forward, whose bytes begin their way to the disk as they come.

    The sync at the end then finds little left to do. To say so may wait for the disk, so that a
    thread does it.
    """

    _thread: ThreadPoolExecutor | None = None
    _telling: Future[None] | None = None
    _written = 0
    _told = 0

    def write(self, data: Any, /) -> int:  # noqa: ANN401  (any buffer)
        """Write, perhaps a part; returns the number of bytes."""
        count = super().write(data)
        self._written += count
        if self._written - self._told >= _BEGIN_EACH:
            self._begin()
        return count

    def close(self) -> None:
        """Stop the thread and close the file."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        super().close()

    def _begin(self) -> None:
        if self._telling is not None and not self._telling.done():
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="writeback")
        begin, self._told = self._told, self._written
        length = self._told - begin
        self._telling = self._thread.submit(_begin_writing, self.fileno(), begin, length)


@contextlib.contextmanager
def atomic_file(
    path: Path,
    *,
    replace: bool = True,
    called: Path | None = None,
    durable: bool = True,
    mode: int | None = None,
) -> Iterator[BinaryIO]:
    """Write a file that appears whole and durable under its final name, or not at all.

    Args:
        path: The final name. Its folder is created if need be.
        replace: Whether an existing file may be replaced; if not, `FileExistsError` becomes
            an error that names it.
        called: What errors call the file, where its present name means nothing to a person.
        durable: Whether it is synced now; else whoever writes many makes them so with `sync_tree`.
        mode: Who may do what with it; as the system's mask says by default.

    Yields:
        The temporary file, open for unbuffered-size binary writing (and reading back).

    Raises:
        MlarchiveError: As `explain` maps what the system said. The temporary is gone then.
    """
    make_folder(path.parent)
    called = called or path
    temporary = path.parent / _temporary_name(path.name)
    try:
        with explaining(called, "write"):
            file = io.BufferedRandom(EagerFile(temporary, "xb+"))
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        # Closing writes what is left, and can fail as the block did.
        with _explaining_the_disk(called), file:
            yield file
            with explaining(called, "write"):
                file.flush()
                if durable:
                    os.fsync(file.fileno())
        with explaining(called, "write"):
            publish(temporary, path, replace=replace, durable=durable)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def copy_range(source: BinaryIO, file: BinaryIO, count: int) -> None:
    """Copy the first bytes of a file into a new one, by the kernel where it can.

    A file system that can shares the blocks (copy_file_range(2)).

    Args:
        source: A real file, read from its beginning.
        file: A real file, nothing of which is buffered; it stands behind the bytes at the end.
        count: How many.

    Raises:
        OSError: As the system says, or the source is shorter.
    """
    left = count
    with contextlib.suppress(OSError):
        while left and (
            done := os.copy_file_range(
                source.fileno(), file.fileno(), min(left, _COPY_EACH), count - left, count - left
            )
        ):
            left -= done
    source.seek(count - left)
    file.seek(count - left)
    while left:
        part = source.read(min(left, _BEGIN_EACH))
        if not part:
            raise OSError(errno.EIO, f"{source.name} became shorter while it was read")
        file.write(part)
        left -= len(part)


@contextlib.contextmanager
def syncing(file: BinaryIO) -> Iterator[None]:
    """Let a file that is written go to the disk while the block reads it; wait for both.

    Raises:
        OSError: As fsync says, if the block did not fail.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="fsync") as thread:
        synced = thread.submit(os.fsync, file.fileno())
        yield
        synced.result()


def sync_file(file: BinaryIO) -> None:
    """Make what was written to an open file durable, though not its name.

    Raises:
        OSError: As fsync says.
    """
    file.flush()
    os.fsync(file.fileno())


def publish(temporary: Path, path: Path, *, replace: bool = True, durable: bool = True) -> None:
    """Give a complete, synced file or folder its final name, durably unless told otherwise.

    Raises:
        OSError: As the system says; with `replace=False`, `FileExistsError` if the name is taken.
    """
    if replace or (temporary.is_dir() and not temporary.is_symlink()):
        # rename(2) of a folder fails unless the target is absent or an empty folder.
        temporary.rename(path)
    else:
        _publish_alone(temporary, path)
    if durable:
        sync_folder(path.parent)


def _publish_alone(temporary: Path, path: Path) -> None:
    """Rename what is no folder to a name that nothing has."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except OSError as error:
        # Not every file system has hard links, nor may everybody make one.
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)
        return
    try:
        temporary.unlink()
    except OSError:
        path.unlink()
        raise


def move(path: Path, place: Path) -> None:
    """Move a file to a new name, which may be on another disk.

    Raises:
        MlarchiveError: As the file system says.
    """
    with explaining(path, "move"):
        try:
            publish(path, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with path.open("rb") as source, atomic_file(place, replace=False) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            remove(path)


def require_absent(path: Path) -> None:
    """Refuse a name for a new folder that something has, be it not an empty folder.

    Raises:
        ConflictError: Something has it.
    """
    with explaining(path, "read"):
        empty = path.is_dir() and not path.is_symlink() and not any(path.iterdir())
        if os.path.lexists(path) and not empty:
            raise ConflictError(
                f"{path} exists already", hint="name a new folder, or remove this one first"
            )


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under its final name only when it is complete.

    Args:
        path: The final name; it must not exist, or be an empty folder.

    Yields:
        The temporary folder beside it, to be filled. Everything in it is synced at the end.

    Raises:
        MlarchiveError: As `explain` maps what the system said. The temporary is gone then.
    """
    make_folder(path.parent)
    temporary = path.parent / _temporary_name(path.name)
    try:
        with explaining(path, "write"):
            temporary.mkdir()
        with _explaining_the_disk(path):
            yield temporary
        with explaining(path, "write"):
            sync_tree(temporary)
            publish(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sync_tree(path: Path) -> None:
    """Make a whole tree durable with one `syncfs`-like pass over its file system."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _syncfs(descriptor)
    finally:
        os.close(descriptor)


def _syncfs(descriptor: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _begin_writing(descriptor: int, begin: int, length: int) -> None:
    """Have a part of a file written soon (sync_file_range(2)); what fails shows in the sync."""
    import ctypes

    tell = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if tell is not None:
        places = ctypes.c_int64(begin), ctypes.c_int64(length)
        tell(ctypes.c_int(descriptor), *places, ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def remove(path: Path, *, durable: bool = True) -> None:
    """Remove a file or a folder tree; nothing happens if it is not there.

    Args:
        path: What is removed.
        durable: Whether it stays away after a power cut.
    """
    with explaining(path, "remove"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if durable and path.parent.is_dir():
            sync_folder(path.parent)


def remove_stale_temporaries(folder: Path, *, deep: bool = True) -> list[Path]:
    """Remove what dead writers left in a folder; what is a living writer's, or not ours, stays.

    Args:
        folder: Where to look.
        deep: Whether to look below it too; for a folder that may hold anything, look in it alone.

    Returns:
        What was removed.
    """
    removed: list[Path] = []
    for path in _temporaries(folder, deep=deep):
        # Another sweep may be at work here, and another person's rubbish is not in our way.
        with contextlib.suppress(FileNotFoundError, NotFoundError, AccessError):
            if os.path.lexists(path) and not _is_alive(path):
                remove(path)
                removed.append(path)
    return removed


def scratch_folder(parent: Path) -> contextlib.AbstractContextManager[Path]:
    """A private folder for intermediate files, removed at the end, swept after a crash.

    Args:
        parent: Where it is made; created if need be.
    """
    return _scratch(parent)


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    make_folder(parent)
    path = parent / _temporary_name("scratch")
    try:
        with explaining(parent, "write to"):
            path.mkdir(mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _temporary_name(name: str) -> str:
    # The stem is cut so that the whole stays within the usual 255 bytes for a name.
    stem = os.fsdecode(os.fsencode(name)[:120].decode("utf-8", "ignore").encode())
    pid = os.getpid()
    owner = f"{pid}-{process_start(pid)}-{secrets.token_hex(4)}-{_host()}"
    return f".{stem}{TEMPORARY_MARK}{owner}"


def is_temporary(name: str) -> bool:
    """Whether a file or folder has the name of a temporary of ours, alive or dead."""
    return _OURS.fullmatch(name) is not None


def is_abandoned(path: Path) -> bool:
    """Whether a temporary of ours is there, and nobody is at work on it any more."""
    try:
        return not _is_alive(path)
    except FileNotFoundError:
        return False


def _temporaries(folder: Path, *, deep: bool) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        for name in sorted(name for name in (*folders, *files) if is_temporary(name)):
            yield Path(here, name)
        folders[:] = [name for name in folders if deep and not is_temporary(name)]


def _is_alive(path: Path) -> bool:
    owner = path.name.rpartition(TEMPORARY_MARK)[2]
    pid, started, _, host = [*owner.split("-"), "", "", "", ""][:4]
    if host not in {"", _host()}:
        # Another machine's process cannot be asked; a week without a change says enough.
        return time.time() - path.lstat().st_mtime < _FOREIGN_SECONDS
    return pid.isdigit() and started != "" and process_start(int(pid)) == started


def _host() -> str:
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:8]


def process_start(pid: int) -> str:
    """A process's start time in clock ticks since boot (proc(5), field 22); "" if it is gone.

    Together with the process id it names a process for as long as the system is up.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
