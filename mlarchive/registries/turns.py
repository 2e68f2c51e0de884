"""Taking turns at a place that offers no lock: of this machine's processes one writes at a time.

Who writes looks first for what is there, so that a second one, in its turn, finds what the first
has made. A turn is an abstract Unix socket (unix(7)): no file, and the kernel ends it with its
process, however that ends.
"""

import contextlib
import errno
import hashlib
import os
import socket
import struct
from collections.abc import Iterator

from mlarchive import waiting

_CREDENTIALS = struct.Struct("3i")
"""`struct ucred`: process, user, group."""


@contextlib.contextmanager
def turn(place: str) -> Iterator[None]:
    """Write to a place while no other process of this user does, nor another thread of this one.

    Waits as `waiting.wait` does. Where the system has no such sockets, nobody is waited for.

    Args:
        place: As people write it; its spelling tells places apart.
    """
    with socket.socket(socket.AF_UNIX) as held:
        name = name_of(place)
        if not _take(held, name) and (holder := _holder(name)):
            waiting.wait(lambda: _take(held, name), f"{holder}, which writes to {place}")
        yield


def name_of(place: str) -> bytes:
    """The socket that stands for a place, of this user."""
    told = hashlib.sha256(place.rstrip("/").encode()).hexdigest()
    return f"\0mlarchive/{os.getuid()}/{told}".encode()


def _take(held: socket.socket, name: bytes) -> bool:
    """Take a turn if nobody has it; whether nobody else has."""
    try:
        held.bind(name)
        held.listen()
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def _holder(name: bytes) -> str:
    """Who has a turn, as a person would say it; "" if it has no right to this user's.

    Anybody may take any name, which must not stop what others do.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(0)
        try:
            asking.connect(name)
        except OSError:  # It has ended by now, or very many ask.
            return "another process"
        raw = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(raw)
    return f"process {process}" if user in (0, os.getuid()) else ""
