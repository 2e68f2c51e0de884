"""One service to a state folder: a lock that ends with the process, however it ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mlarchive.errors import BusyError, StorageError
from mlarchive.fsops import explaining, make_folder

NAME = "service.lock"

_TRIES = 5
_PAUSE = 0.1
"""Seconds between two tries: who asks whether a service runs holds the lock for a moment."""


class Lock:
    """The lock of one service on its state folder."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def check(self) -> None:
        """Make sure that the state folder is the one that was locked.

        Raises:
            StorageError: It was removed, or another is in its place: another service may run now.
        """
        try:
            same = os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except (FileNotFoundError, NotADirectoryError):
            same = False
        except OSError:
            return
        if not same:
            raise StorageError(
                f"the state folder {self._path.parent} was removed or replaced while the service"
                " ran",
                hint="start it again: it makes its ledger anew from the targets, and copies nothing"
                " twice",
            )


@contextlib.contextmanager
def alone(state: Path) -> Iterator[Lock]:
    """Be the only service of a state folder within the block.

    Raises:
        BusyError: There is one already.
        MlarchiveError: The folder cannot be written.
    """
    make_folder(state)
    path = state / NAME
    with explaining(path, "write"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locks(descriptor):
            raise BusyError(
                f"a service runs already with the state folder {state}",
                hint="`mlarchived status` says how it stands; stop it first to start another",
            )
        yield Lock(path, descriptor)
    finally:
        os.close(descriptor)


def is_running(state: Path) -> bool:
    """Whether a service holds the lock of a state folder; no, where one may not look."""
    try:
        descriptor = os.open(state / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locks(descriptor: int) -> bool:
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
