"""A file system that is really full: `python -m tests.crash.really_full`, as root, on Linux.

Ledger and vault of a running service lie on a small tmpfs, which is filled up while it works, to
the last byte or to some less. It must say so, keep all that it has, and go on by itself when
there is room again.
"""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlarchive.vault import Vault
from mlarchived.ledger.ledger import FILE_NAME
from tests.support.mirroring import Workbench
from tests.support.service import Event, running_service

SIZE = 16 << 20
LEFT = (0, 4096, 12_288, 40_960, 200_000, 1_100_000, 2_500_000)
"""Bytes that are left free, each time; an object has a million."""

_CONFIG = '\nvault = "disk/vault"\nevery = "1s"\n[service]\nretry_first = "1s"\nretry_most = "2s"\n'


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, with little room."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(disk: Path, left: int) -> Path:
    """Take all room but so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - left)
    return filler


def copied(said: list[Event]) -> int:
    """How many objects came to the target."""
    return len({event["object"] for event in said if event.get("outcome") == "copied"})


def is_full(event: Event) -> bool:
    """Whether a step or a round failed because there is no room."""
    return event.get("code") == "storage"


def fill_and_free(folder: Path, left: int) -> int:
    """Fill the disk of a service at work, see that nothing is lost, make room again.

    Returns:
        How often the service said that there is no room.
    """
    bench = Workbench(folder)
    with small_disk(folder) as disk:
        bench.configure(mirror=_CONFIG)
        text = (folder / "mirror.toml").read_text()
        (folder / "mirror.toml").write_text(f'state = "disk/state"\n{text}')
        bench.put("ale", os.urandom(500_000).hex())
        with running_service(folder) as service:
            service.wait_for(lambda event: event.get("outcome") == "copied")
            filler = fill(disk, left)
            for name in ("beer", "cider", "gin"):
                bench.put(name, os.urandom(500_000).hex())
            service.wait_for(is_full)
            service.tell(signal.SIGSTOP)
            check_ledger(disk)
            service.tell(signal.SIGCONT)
            for place in (disk / "vault", folder / "target"):
                check_packages(place)
            filler.unlink()
            while copied(service.seen) < len(bench.held("source")):
                service.wait_for(lambda event: event.get("outcome") == "copied")
            assert service.stop() == 0
        assert bench.held() == bench.held("disk/vault") == bench.held("source")
        assert bench.run("once").status == 0
    return sum(map(is_full, service.seen))


def check_ledger(disk: Path) -> None:
    """It is sound."""
    # Elsewhere, because to read it where it lies SQLite needs room too.
    with tempfile.TemporaryDirectory() as elsewhere:
        for name in (FILE_NAME, f"{FILE_NAME}-wal"):
            shutil.copy(disk / "state" / name, elsewhere)
        connection = sqlite3.connect(Path(elsewhere) / FILE_NAME)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


def check_packages(folder: Path) -> None:
    """What has a package's name verifies."""
    with Vault.open(folder) as vault:
        assert vault.damaged() == []
        for kept in vault.find():
            assert vault.is_sound(kept)


def main() -> int:
    """Fill it again and again."""
    for left in LEFT:
        with tempfile.TemporaryDirectory() as folder:
            said = fill_and_free(Path(folder), left)
        print(f"{left} bytes left: no room {said} times, and all was done after it", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
