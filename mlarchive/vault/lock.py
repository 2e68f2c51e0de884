"""Who may change a vault at the same time: writers beside each other, one that removes alone.

A thin package leans on another one from the moment that it is written; while that is so, nobody
may remove what it leans on. Of the writers one at a time compares what it has made with what there
is, and publishes it. Beside them, one at a time brings the catalog in step with the folder.
Whoever takes several of these locks takes them in this order.
flock(2) on files in the vault says so to threads and processes.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mlarchive import waiting
from mlarchive.errors import BusyError, MlarchiveError
from mlarchive.fsops import explaining

NAME = ".mlarchive-lock"
PUBLISHING = ".mlarchive-publishing-lock"
HEALING = ".mlarchive-catalog-lock"

_WORD = 16
"""Bytes that no two writers leave alike."""

_PATIENCE = 30.0
"""Seconds that whoever removes waits for writers, who hold the lock while they publish."""


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Add packages beside other writers; waits while somebody removes some."""
    with _open(folder) as descriptor:
        free = partial(_take, descriptor, fcntl.LOCK_SH)
        waiting.wait(free, f"another process, which removes packages from {folder}")
        yield


@contextlib.contextmanager
def publishing(folder: Path) -> Iterator[None]:
    """Compare with what there is, and add to it, while no other writer does; for moments alone.

    Who has waited for long does so all the same: the worst is that something is there twice.
    The file of the lock says something else from then on (see `last_published`).
    """
    with _open(folder, PUBLISHING) as descriptor:
        free = partial(_take, descriptor, fcntl.LOCK_EX)
        waiting.wait(free, f"another process, which adds to {folder}", seconds=_PATIENCE)
        with explaining(folder / PUBLISHING, "write"):
            os.pwrite(descriptor, os.urandom(_WORD), 0)
        yield


def last_published(folder: Path) -> bytes:
    """What the last writer left, whoever it was: as long as that stands, none has published since.

    Whoever asks holds the lock of those that remove. People who put files there leave nothing.

    Raises:
        MlarchiveError: As the system says.
    """
    with _open(folder, PUBLISHING) as descriptor, explaining(folder / PUBLISHING, "read"):
        return os.pread(descriptor, _WORD, 0)


@contextlib.contextmanager
def removing(folder: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Remove packages while nobody adds any.

    Raises:
        BusyError: Somebody has been adding packages all the time.
    """
    with _open(folder) as descriptor:
        free = partial(_take, descriptor, fcntl.LOCK_EX)
        if not waiting.wait(free, f"others, who add packages to {folder}", seconds=patience):
            raise BusyError(
                f"packages are being added to {folder}, so none is removed now",
                hint="try again when that is done",
            )
        yield


@contextlib.contextmanager
def healing(folder: Path) -> Iterator[bool]:
    """Bring the catalog in step while nobody else does; gives whether somebody else just did.

    Who may not write into the folder, or has waited for long, does so without a lock: what others
    wrote is not overwritten, only done twice.
    """
    with contextlib.ExitStack() as held:
        try:
            descriptor = held.enter_context(_open(folder, HEALING))
        except MlarchiveError:
            yield False
            return
        free = partial(_take, descriptor, fcntl.LOCK_EX)
        waited = not free()
        if waited:
            what = f"another process, which looks through {folder}"
            waiting.wait(free, what, seconds=_PATIENCE)
        yield waited


def _take(descriptor: int, how: int) -> bool:
    """Take a lock if nobody holds it against that; whether it is taken."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _open(folder: Path, name: str = NAME) -> Iterator[int]:
    path = folder / name
    with explaining(path, "lock"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
