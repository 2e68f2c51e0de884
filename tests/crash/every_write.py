"""A disk that is full, or broken, at every write in turn: `python -m tests.crash.every_write`.

A small mirror is worked on as often as it writes: once with its first write failing, once with its
second, and so on; in the ledger, the vault, the target, the drop folder. After each, what is there
must be consistent; when the disk is well again, the same command must finish the job.
"""

import argparse
import errno
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from mlarchive.package import Package
from mlarchive.vault import Vault
from mlarchived.ledger.ledger import FILE_NAME
from tests.crash.faults import Nth, injected
from tests.support.dropping import DropBench
from tests.support.mirroring import Workbench

NUMBERS = (errno.ENOSPC, errno.EIO)

_DEFECT = 1
"""The exit status of what nobody thought of."""


class Scene(Protocol):
    """A mirror with something to do."""

    bench: Workbench

    def check_done(self) -> None:
        """All was done, and once."""


class Mirrored:
    """Two objects of a vault, mirrored into a vault of the mirror's own and a target."""

    def __init__(self, folder: Path) -> None:
        self.bench = Workbench(folder)
        self.bench.configure(mirror='vault = "vault"\n')
        for name in ("ale", "beer"):
            self.bench.put(name, f"{name} 1" * 1000)

    def check_done(self) -> None:
        """Both sides are equal, each object once."""
        assert self.bench.held() == self.bench.held("vault") == self.bench.held("source")


class Spooled(Mirrored):
    """The same without a vault: packages are kept only until they are delivered."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bench.configure()

    def check_done(self) -> None:
        """Both sides are equal, and no package is left on the way."""
        assert self.bench.held() == self.bench.held("source")
        assert list((self.bench.folder / "state").rglob("*.mlpkg")) == []


class Dropped:
    """A good package and a bad one in a drop folder."""

    def __init__(self, folder: Path) -> None:
        self.bench: Workbench = DropBench(folder)
        assert isinstance(self.bench, DropBench)
        for name in ("ale", "bad"):
            self.bench.package(name, name.encode() * 1000).rename(
                self.bench.inbox / f"{name}.mlpkg"
            )
        raw = bytearray((self.bench.inbox / "bad.mlpkg").read_bytes())
        raw[len(raw) // 3] ^= 1
        (self.bench.inbox / "bad.mlpkg").write_bytes(raw)

    def check_done(self) -> None:
        """The good one is kept and delivered, the bad one is in quarantine, each noted once."""
        assert isinstance(self.bench, DropBench)
        assert self.bench.vaulted() == self.bench.vaulted("target") == ["ale"]
        assert self.bench.noted() == {"taken": ["ale.mlpkg"], "quarantined": ["bad.mlpkg"]}
        assert (self.bench.inbox / "quarantine" / "bad.mlpkg").is_file()
        assert self.bench.reason("bad.mlpkg")


SCENES: Mapping[str, Callable[[Path], Scene]] = {
    "mirrored": Mirrored,
    "spooled": Spooled,
    "dropped": Dropped,
}


def fail_at(scene: str, folder: Path, nth: int, number: int) -> bool:
    """Let the nth write of a mirror's round fail, and see that nothing is lost by it.

    Args:
        scene: One of `SCENES`.
        folder: For all of it; empty.
        nth: From 1.
        number: The `errno`.

    Returns:
        Whether there were so many writes.
    """
    made = SCENES[scene](folder)
    faults = Nth(nth, number)
    with injected(faults):
        answer = made.bench.run("once", "--json")
    where = f"{scene}, write {nth}, {errno.errorcode[number]}"
    assert answer.status != _DEFECT, f"{where}: {answer.out}{answer.err}"
    for folder_name in ("vault", "target"):
        _check_packages(made.bench.folder / folder_name)
    _check_ledger(made.bench, where)
    for _ in range(2):
        again = made.bench.run("once", "--json")
        assert again.status in {0, 4}, f"{where}: {again.out}{again.err}"
    made.check_done()
    assert again.status == 0
    assert set(again.events[-1]["outcomes"]) == {"keep"}, f"{where}: {again.out}"
    # What could not be removed is swept when this process is gone.
    if number == errno.ENOSPC:
        assert [*made.bench.folder.rglob("*.mlarchive-tmp-*")] == [], where
    return faults.met


def _check_packages(folder: Path) -> None:
    """What has a package's final name verifies, and is in the catalog."""
    with Vault.open(folder) as vault:
        assert vault.damaged() == []
        assert {kept.path for kept in vault.find()} == {*_named(folder)}
        for kept in vault.find():
            with Package.open(kept.path) as package:
                package.verify(full=True)


def _named(folder: Path) -> Iterator[Path]:
    """What has a package's final name; a scratch folder may be left."""
    for path in folder.rglob("*.mlpkg"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _check_ledger(bench: Workbench, where: str) -> None:
    """It is sound, and what it calls done is at the target."""
    path = bench.folder / "state" / FILE_NAME
    if not path.exists():
        return
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    rows = (
        connection.execute(
            "SELECT o.name, d.content_id FROM delivery d JOIN object o ON o.id = d.object"
            " WHERE d.target = 'dr' AND d.content_id IS NOT NULL"
        ).fetchall()
        if "delivery" in tables
        else []
    )
    connection.close()
    there = {(address.name, ids[0]) for address, ids in bench.held().items()}
    assert {*rows} <= there, where


def writes(scene: str, number: int, begin: int = 1, step: int = 1) -> Iterator[int]:
    """Fail at one write after the other; the number of each that was met."""
    nth, met = begin, True
    while met:
        with tempfile.TemporaryDirectory() as folder:
            met = fail_at(scene, Path(folder), nth, number)
        if met:
            yield nth
        nth += step


def main() -> int:
    """Fail at every write of every scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every so manieth write")
    options = parser.parse_args()
    for scene in SCENES:
        for number in NUMBERS:
            count = sum(1 for _ in writes(scene, number, step=options.every))
            print(f"{scene}, {errno.errorcode[number]}: {count} writes failed", flush=True)  # noqa: T201
            assert count
    return 0


if __name__ == "__main__":
    sys.exit(main())
