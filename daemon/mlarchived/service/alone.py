"""One service to a state folder: a lock that ends with the process, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from mlarchive.errors import BusyError, StorageError
from mlarchive.fsops import explaining, make_folder

NAME = "service.lock"


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
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"a service runs already with the state folder {state}",
                hint="`mlarchived status` says how it stands; stop it first to start another",
            ) from error
        yield Lock(path, descriptor)
    finally:
        os.close(descriptor)
