"""The lease: one process at a time works on a mirror, and one that lost it cannot do harm.

The holder is named by machine, process id and process start. A lease whose process is gone on
this machine is taken over at once; one from elsewhere, when it expires. Every holder gets a
higher epoch. Who works under a lease calls `check` before anything becomes visible, and
every write to the ledger is made under it.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from mlarchive.errors import BusyError, MlarchiveError
from mlarchive.fsops import process_start
from mlarchived.ledger.database import explaining, transaction

TERM = 120.0
"""Seconds a lease lasts unless it is renewed."""

_RENEWALS = 4
"""How often it is renewed within a term."""


class LeaseLostError(BusyError):
    """Another process took the lease over, so this one must stop."""


class Holder(Struct, frozen=True, kw_only=True):
    """A process, for as long as its machine is up.

    Attributes:
        host: The machine's boot and the process-id name space.
        pid: Process id within it.
        started: Start time, as `process_start`.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def this(cls) -> "Holder":
        """This process."""
        pid = os.getpid()
        return cls(host=_host(), pid=pid, started=process_start(pid))

    def is_gone(self) -> bool:
        """Whether the process has certainly ended. What runs elsewhere cannot be seen."""
        return self.host == _host() and process_start(self.pid) != self.started


class Lease:
    """The right to work on one mirror."""

    def __init__(self, connection: sqlite3.Connection, name: str, mirror: str, epoch: int) -> None:
        self._connection = connection
        self._name = name
        self.mirror = mirror
        self._epoch = epoch

    def check(self) -> None:
        """Make sure that the lease still is this process's.

        Raises:
            LeaseLostError: It is not.
        """
        with explaining(self._name):
            row = self._connection.execute(
                "SELECT epoch FROM lease WHERE mirror = ?", (self.mirror,)
            ).fetchone()
        if row is None or row[0] != self._epoch:
            raise LeaseLostError(
                f"another process took over the mirror {self.mirror}; this one stops",
                hint="nothing is lost: the other process goes on where this one stopped",
            )

    @property
    def epoch(self) -> int:
        """Which holder this is, counted from the first."""
        return self._epoch

    def asking(self, question: str, values: Mapping[str, str]) -> tuple[Any, ...] | None:
        """The first row that answers a question to the ledger; None if there is none."""
        with explaining(self._name):
            row: tuple[Any, ...] | None = self._connection.execute(question, values).fetchone()
            return row

    def asking_all(self, question: str, values: Mapping[str, str]) -> list[tuple[Any, ...]]:
        """All rows that answer a question to the ledger."""
        with explaining(self._name):
            return self._connection.execute(question, values).fetchall()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction on the ledger that only the present holder can commit."""
        with explaining(self._name), transaction(self._connection):
            self.check()
            yield self._connection


@contextlib.contextmanager
def held(
    connection: sqlite3.Connection,
    name: str,
    mirror: str,
    connect: Callable[[], sqlite3.Connection],
) -> Iterator[Lease]:
    """Hold the lease on a mirror for the length of the block, renewing it meanwhile.

    Args:
        connection: To the ledger; used by this thread alone.
        name: The ledger's file, for errors.
        mirror: Which mirror.
        connect: Opens another connection, for the thread that renews.

    Raises:
        BusyError: Another living process holds it.
    """
    with _SHARING:
        epoch = _take(connection, name, mirror)
        _ALONE.add((name, mirror))
    lease = Lease(connection, name, mirror, epoch)
    renewing = _Renewing(connect, mirror, epoch)
    try:
        yield lease
    finally:
        renewing.end()
        with _SHARING:
            _ALONE.discard((name, mirror))
            _release(lease)


def apart(connection: sqlite3.Connection, name: str, mirror: str) -> Lease:
    """A lease in a copy of the ledger that is this thread's alone, whoever works on the mirror."""
    with explaining(name), transaction(connection):
        connection.execute(
            "INSERT OR REPLACE INTO lease (mirror, epoch, host, pid, started, expires_at)"
            " VALUES (?, 0, '', 0, '', 0)",
            (mirror,),
        )
    return Lease(connection, name, mirror, 0)


_SHARING = threading.Lock()
_ALONE: set[tuple[str, str]] = set()
"""The leases, by ledger and mirror, that one thread of this process holds for itself."""

_HOLDING: dict[tuple[str, str], "_Holding"] = {}


class _Holding:
    """A lease that threads of this process hold together."""

    def __init__(self) -> None:
        self.threads = 0
        self.epoch = 0
        self.renewing: _Renewing | None = None


@contextlib.contextmanager
def shared(
    connection: sqlite3.Connection,
    name: str,
    mirror: str,
    connect: Callable[[], sqlite3.Connection],
) -> Iterator[Lease]:
    """As `held`, but together with other threads of this process that ask for it like this."""
    with _SHARING:
        holding = _HOLDING.setdefault((name, mirror), _Holding())
        if holding.threads == 0:
            holding.epoch = _take(connection, name, mirror)
            holding.renewing = _Renewing(connect, mirror, holding.epoch)
        holding.threads += 1
    lease = Lease(connection, name, mirror, holding.epoch)
    try:
        yield lease
    finally:
        with _SHARING:
            holding.threads -= 1
            if holding.threads == 0 and holding.renewing:
                holding.renewing.end()
                _release(lease)


def _take(connection: sqlite3.Connection, name: str, mirror: str) -> int:
    now, me = time.time(), Holder.this()
    with explaining(name), transaction(connection):
        row = connection.execute(
            "SELECT epoch, host, pid, started, expires_at FROM lease WHERE mirror = ?", (mirror,)
        ).fetchone()
        holder = Holder(host=row[1], pid=row[2], started=row[3]) if row else None
        # What this process could not give back, because the disk was full, is its own to take.
        if holder and (holder != me or _is_in_use(name, mirror)):
            _refuse_if_held(mirror, holder, row[4] / 1000)
        epoch = 1 if row is None else cast("int", row[0]) + 1
        connection.execute(
            "INSERT OR REPLACE INTO lease (mirror, epoch, host, pid, started, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (mirror, epoch, me.host, me.pid, me.started, _ms(now + TERM)),
        )
    return epoch


def _is_in_use(name: str, mirror: str) -> bool:
    """Whether a thread of this process works under a lease."""
    holding = _HOLDING.get((name, mirror))
    return (name, mirror) in _ALONE or (holding is not None and holding.threads > 0)


def is_held(connection: sqlite3.Connection, mirror: str) -> bool:
    """Whether some process works on a mirror now, as far as this one can tell."""
    row = connection.execute(
        "SELECT host, pid, started, expires_at FROM lease WHERE mirror = ?", (mirror,)
    ).fetchone()
    return row is not None and _holds(
        Holder(host=row[0], pid=row[1], started=row[2]), row[3] / 1000 - time.time()
    )


def _holds(holder: Holder, left: float) -> bool:
    gone = holder.host == "" or holder.is_gone() or (holder.host != _host() and left <= 0)
    return not gone


def _refuse_if_held(mirror: str, holder: Holder, expires: float) -> None:
    left = expires - time.time()
    if not _holds(holder, left):
        return
    where = "" if holder.host == _host() else " on another machine, or before this one restarted"
    hint = "wait until it is done" if not where else f"its lease ends in {left:.0f} s at the latest"
    raise BusyError(
        f"the mirror {mirror} is being worked on by process {holder.pid}{where}", hint=hint
    )


def _release(lease: Lease) -> None:
    """Let others have it; one that was lost is not this process's to give.

    Where the ledger cannot be written, whoever comes next in this process takes it all the same.
    """
    with contextlib.suppress(MlarchiveError), lease.writing() as connection:
        connection.execute("UPDATE lease SET host = '' WHERE mirror = ?", (lease.mirror,))


class _Renewing:
    """A thread that renews a lease until it is told to end."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], mirror: str, epoch: int) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=_renew_until, args=(self._done, connect, mirror, epoch), daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Renew no more."""
        self._done.set()
        self._thread.join()


def _renew_until(
    done: threading.Event, connect: Callable[[], sqlite3.Connection], mirror: str, epoch: int
) -> None:
    connection = None
    while not done.wait(TERM / _RENEWALS):
        # A renewal that fails is tried again; `check` tells when the lease is really gone.
        with contextlib.suppress(sqlite3.Error, MlarchiveError):
            connection = connection or connect()
            connection.execute(
                "UPDATE lease SET expires_at = ? WHERE mirror = ? AND epoch = ?",
                (_ms(time.time() + TERM), mirror, epoch),
            )
    if connection is not None:
        connection.close()


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
