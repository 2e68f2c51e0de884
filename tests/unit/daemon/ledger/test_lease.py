"""One process at a time works on a mirror, and one that lost its lease can do no harm."""

import contextlib
import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchive.errors import BusyError, StorageError
from mlarchive.fsops import process_start
from mlarchived.ledger import LeaseLostError, Ledger
from mlarchived.ledger.lease import Holder
from tests.crash.faults import Nth, injected

HOLD = """
import sys, time
from pathlib import Path
from mlarchived.ledger import Ledger
with Ledger.open(Path(sys.argv[1])) as ledger, ledger.record("m"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease on the mirror "m"."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def set_lease(ledger: Ledger, **columns: str | int) -> None:
    """Rewrite the lease's row as another process would have left it."""
    for name, value in columns.items():
        ledger._connection.execute(f"UPDATE lease SET {name} = ?", (value,))  # noqa: S608, SLF001  (a test's own column names; no other way in)


def test_a_living_holder_is_respected(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with (
        Ledger.open(tmp_path) as ledger,
        pytest.raises(BusyError, match=f"by process {other.pid}"),
        ledger.record("m"),
    ):
        pass


def test_another_mirror_is_free(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    assert other.poll() is None
    with Ledger.open(tmp_path) as ledger, ledger.record("another") as record:
        record.check()


def test_a_dead_holder_is_succeeded_at_once(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    began = time.monotonic()
    with Ledger.open(tmp_path) as ledger, ledger.record("m") as record:
        record.check()
    assert time.monotonic() - began < 5


def test_a_released_lease_is_free(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        for _ in range(2):
            with ledger.record("m") as record:
                record.check()


@pytest.mark.parametrize("shared", [False, True])
def test_a_lease_that_could_not_be_given_back_is_this_process_s_own_to_take(
    tmp_path: Path, *, shared: bool
) -> None:
    """The disk was full at the end of the round before."""
    with Ledger.open(tmp_path) as ledger:
        with contextlib.ExitStack() as full, ledger.record("m", shared=shared) as record:
            full.enter_context(injected(Nth(1, errno.ENOSPC)))
            with pytest.raises(StorageError):
                record.stood("dr", objects=0, behind=0)
        with ledger.record("m", shared=shared) as record:
            record.stood("dr", objects=0, behind=0)


@pytest.mark.parametrize("shared", [False, True])
def test_a_lease_that_a_thread_of_this_process_works_under_is_respected(
    tmp_path: Path, *, shared: bool
) -> None:
    with (
        Ledger.open(tmp_path) as first,
        Ledger.open(tmp_path) as second,
        first.record("m", shared=shared),
        pytest.raises(BusyError),
        second.record("m"),
    ):
        pass


def test_a_process_id_used_again_is_another_process(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        with ledger.record("m"):
            pass
        mine = Holder.this()
        set_lease(ledger, host=mine.host, pid=mine.pid, started="1")
        with ledger.record("m") as record:
            record.check()


def test_a_holder_elsewhere_is_respected_until_its_lease_expires(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        with ledger.record("m"):
            pass
        later = int((time.time() + 60) * 1000)
        set_lease(ledger, host="elsewhere", pid=1, started="1", expires_at=later)
        with pytest.raises(BusyError, match="on another machine"), ledger.record("m"):
            pass
        set_lease(ledger, expires_at=1)
        with ledger.record("m") as record:
            record.check()


def test_who_lost_the_lease_can_write_nothing_more(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        with ledger.record("m") as record:
            set_lease(ledger, epoch=99, host="elsewhere")
            with pytest.raises(LeaseLostError):
                record.check()
            with pytest.raises(LeaseLostError):
                record.stood("dr", objects=1, behind=0)
        assert ledger.standings("m", intake=False) == {}
        rows = ledger._connection.execute("SELECT epoch, host FROM lease").fetchall()  # noqa: SLF001  (whose the lease is now)
    assert rows == [(99, "elsewhere")]


def test_this_process_is_not_gone() -> None:
    assert not Holder.this().is_gone()
    assert process_start(os.getpid()) == Holder.this().started
