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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

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
        self._mirror = mirror
        self._epoch = epoch

    def check(self) -> None:
        """Make sure that the lease still is this process's.

        Raises:
            LeaseLostError: It is not.
        """
        with explaining(self._name):
            row = self._connection.execute(
                "SELECT epoch FROM lease WHERE mirror = ?", (self._mirror,)
            ).fetchone()
        if row is None or row[0] != self._epoch:
            raise LeaseLostError(
                f"another process took over the mirror {self._mirror}; this one stops",
                hint="nothing is lost: the other process goes on where this one stopped",
            )

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
    epoch = _take(connection, name, mirror, Holder.this())
    lease = Lease(connection, name, mirror, epoch)
    done = threading.Event()
    renewer = threading.Thread(
        target=_renew_until, args=(done, connect, mirror, epoch), daemon=True
    )
    renewer.start()
    try:
        yield lease
    finally:
        done.set()
        renewer.join()
        with contextlib.suppress(LeaseLostError), lease.writing():
            connection.execute("UPDATE lease SET host = '' WHERE mirror = ?", (mirror,))


def _take(connection: sqlite3.Connection, name: str, mirror: str, me: Holder) -> int:
    now = time.time()
    with explaining(name), transaction(connection):
        row = connection.execute(
            "SELECT epoch, host, pid, started, expires_at FROM lease WHERE mirror = ?", (mirror,)
        ).fetchone()
        if row is not None:
            _refuse_if_held(mirror, Holder(host=row[1], pid=row[2], started=row[3]), row[4] / 1000)
        epoch = 1 if row is None else cast("int", row[0]) + 1
        connection.execute(
            "INSERT OR REPLACE INTO lease (mirror, epoch, host, pid, started, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (mirror, epoch, me.host, me.pid, me.started, _ms(now + TERM)),
        )
    return epoch


def _refuse_if_held(mirror: str, holder: Holder, expires: float) -> None:
    left = expires - time.time()
    if holder.host == "" or holder.is_gone() or (holder.host != _host() and left <= 0):
        return
    where = "" if holder.host == _host() else " on another machine, or before this one restarted"
    hint = "wait until it is done" if not where else f"its lease ends in {left:.0f} s at the latest"
    raise BusyError(
        f"the mirror {mirror} is being worked on by process {holder.pid}{where}", hint=hint
    )


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
