"""Writes that fail: `python -m tests.crash.faults SEED:RATE ARGUMENTS` is `mlarchived` with some.

What the operating system's calls may say of a disk that is full or broken, they say here: to fsync,
rename, link, mkdir, unlink and rmdir, when a file of ours is made or written to, and when SQLite
writes to its own (by its table of system calls, as SQLite's own tests do). The command itself is
the real one.
"""

import _sqlite3
import contextlib
import ctypes
import errno
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from mlarchive import fsops
from mlarchived.cli import main

_TAKING = ("fsync", "rename", "link", "mkdir")
_FREEING = ("unlink", "rmdir")


class Faults(Protocol):
    """Decides which call fails."""

    def number(self) -> int:
        """The `errno` of the call that is made now; 0 if it may go on."""


class Seldom:
    """Calls fail at random, with ENOSPC or EIO.

    Attributes:
        count: How many have failed.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self._rng = random.Random(seed)  # noqa: S311  (reproducible)
        self._rate = rate
        self.count = 0

    def number(self) -> int:
        """As `Faults`."""
        if self._rng.random() >= self._rate:
            return 0
        self.count += 1
        return self._rng.choice((errno.ENOSPC, errno.EIO))


class Nth:
    """One call fails: EIO alone, as of a bad block; ENOSPC and all after it, as a disk stays full.

    Attributes:
        met: Whether it was made.
    """

    def __init__(self, nth: int, number: int) -> None:
        self._left = nth
        self._number = number
        self._lock = threading.Lock()
        self.met = False

    def number(self) -> int:
        """As `Faults`."""
        with self._lock:
            self._left -= 1
            fails = self._left <= 0 if self._number == errno.ENOSPC else self._left == 0
        self.met |= fails
        return self._number if fails else 0


@contextlib.contextmanager
def injected(faults: Faults) -> Iterator[None]:
    """Let calls of this process fail within the block."""
    kept = {name: getattr(os, name) for name in (*_TAKING, *_FREEING)}
    for name, call in kept.items():
        setattr(os, name, _failing(faults, call, frees=name in _FREEING))
    init, write = fsops.EagerFile.__init__, fsops.EagerFile.write
    fsops.EagerFile.__init__ = _failing(faults, init)  # type: ignore[method-assign]
    fsops.EagerFile.write = _failing(faults, write)  # type: ignore[method-assign]
    try:
        with _failing_sqlite(faults):
            yield
    finally:
        for name, call in kept.items():
            setattr(os, name, call)
        fsops.EagerFile.__init__, fsops.EagerFile.write = init, write  # type: ignore[method-assign]


def _failing(
    faults: Faults, call: Callable[..., Any], *, frees: bool = False
) -> Callable[..., Any]:
    """The call, or its failure; one that frees space needs none."""

    def failing(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        number = faults.number()
        if number and not (frees and number == errno.ENOSPC):
            raise OSError(number, os.strerror(number))
        return call(*arguments, **named)

    return failing


_POINTER = ctypes.c_void_p
_WRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t,
    ctypes.c_int,
    _POINTER,
    ctypes.c_size_t,
    ctypes.c_longlong,
    use_errno=True,
)
_GET = ctypes.CFUNCTYPE(_POINTER, _POINTER, ctypes.c_char_p)
_SET = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_char_p, _POINTER)
_METHODS = (
    *("open", "delete", "access", "full_pathname", "dl_open", "dl_error", "dl_sym", "dl_close"),
    *("randomness", "sleep", "current_time", "get_last_error", "current_time_64"),
    *("set_system_call", "get_system_call", "next_system_call"),
)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3 (https://www.sqlite.org/c3ref/vfs.html)."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", _POINTER),
        ("name", ctypes.c_char_p),
        ("data", _POINTER),
        *((name, _POINTER) for name in _METHODS),
    )


@contextlib.contextmanager
def _failing_sqlite(faults: Faults) -> Iterator[None]:
    # The very library that the module `sqlite3` uses is found through that module.
    find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    find.restype = ctypes.POINTER(_Vfs)
    vfs = find(None)
    get, put = _GET(vfs.contents.get_system_call), _SET(vfs.contents.set_system_call)
    kept = {name: get(vfs, name) for name in (b"pwrite", b"pwrite64")}
    calls = []
    for name, address in kept.items():
        if address:
            calls.append(_WRITE(_failing_write(faults, _WRITE(address))))
            assert put(vfs, name, ctypes.cast(calls[-1], _POINTER)) == 0
    assert calls, "SQLite writes in another way"
    try:
        yield
    finally:
        for name in kept:
            put(vfs, name, None)


def _failing_write(faults: Faults, call: Callable[..., int]) -> Callable[..., int]:
    def failing(file: int, data: int, size: int, offset: int) -> int:
        number = faults.number()
        if number:
            ctypes.set_errno(number)
            return -1
        return call(file, data, size, offset)

    return failing


def parsed(text: str) -> Seldom:
    """The faults that `SEED:RATE` says."""
    seed, _, rate = text.partition(":")
    return Seldom(int(seed), float(rate))


if __name__ == "__main__":
    with injected(parsed(sys.argv[1])):
        sys.exit(main(sys.argv[2:]))
