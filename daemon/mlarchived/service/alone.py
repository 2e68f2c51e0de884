"""One service to a state folder: a lock that ends with the process, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from mlarchive.errors import BusyError
from mlarchive.fsops import explaining, make_folder

NAME = "service.lock"


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
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
        yield
    finally:
        os.close(descriptor)
