"""Many packages dropped in every way: `python -m tests.crash.drops --packages 10000`.

A quarter lies there before the service starts; a quarter is renamed in; a quarter is linked in
while the service is frozen and inotify has overflowed; a quarter is copied in, slowly or with a
marker. Among them half-written and corrupt ones. Each must be processed exactly once.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mlarchive.pack import pack
from mlarchive.package import Package
from mlarchive.vault import Vault
from tests.support import snapshots
from tests.support.dropping import DropBench, marker
from tests.support.service import Event, running_service

BAD = 20
"""One package of so many is corrupt or cut off."""

PATIENCE = 1800.0
"""Seconds after which what is left is taken never to be taken."""

_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Flood:
    """Packages, good and bad, and the folder that they are dropped into."""

    def __init__(self, folder: Path, count: int, rng: random.Random, *, poll: bool) -> None:
        self.bench = DropBench(folder, "poll = true\n" if poll else 'rescan = "10s"\n')
        self.rng = rng
        self.good: set[str] = set()
        self.bad: set[str] = set()
        self.names = [self._made(number) for number in range(count)]

    def _made(self, number: int) -> str:
        name = f"p{number:05}"
        path = self.bench.outside / f"{name}.mlpkg"
        content = {"weights.bin": self.rng.randbytes(500)}
        with path.open("w+b") as file:
            pack(
                snapshots.folder(content, name=name, version="1"), file, packed_at=1_700_000_000_000
            )
        if number % BAD:
            self.good.add(name)
            return name
        raw = bytearray(path.read_bytes())
        if number % (2 * BAD):
            raw[self.rng.randrange(len(raw) // 2)] ^= 0xFF
        path.write_bytes(raw if number % (2 * BAD) else raw[: self.rng.randrange(1, len(raw))])
        self.bad.add(name)
        return name

    def rename(self, name: str) -> None:
        """As a careful sender does it."""
        (self.bench.outside / f"{name}.mlpkg").rename(self.bench.inbox / f"{name}.mlpkg")

    def link(self, name: str) -> None:
        """As a sender does it who keeps what he sends."""
        os.link(self.bench.outside / f"{name}.mlpkg", self.bench.inbox / f"{name}.mlpkg")

    def copy(self, name: str) -> None:
        """As a careless sender does it: in place, in pieces; some with a marker."""
        raw = (self.bench.outside / f"{name}.mlpkg").read_bytes()
        with (self.bench.inbox / f"{name}.mlpkg").open("wb") as file:
            half = self.rng.randrange(len(raw) + 1)
            file.write(raw[:half])
            file.flush()
            if self.rng.random() < 0.02:
                time.sleep(0.3)
            file.write(raw[half:])
        if self.rng.random() < 0.3:
            place = self.bench.outside / f"{name}.mlpkg"
            (self.bench.inbox / f"{name}.mlpkg.done").write_text(marker(place))

    def overflow(self) -> None:
        """Let more happen in the folder than inotify remembers."""
        noise = [self.bench.inbox / f".noise-{number}" for number in range(2)]
        for number in range(int(_QUEUE.read_text(encoding="ascii")) + 100):
            # Two in turns: what happens twice in a row is remembered once.
            noise[number % 2].touch()

    def pour(self) -> tuple[float, float, list[Event]]:
        """Drop everything while a service runs.

        Returns:
            Seconds until all was taken or refused, and delivered; of them those that the service
            computed; what it said.
        """
        quarter = len(self.names) // 4
        before, renamed, frozen = (self.names[i * quarter : (i + 1) * quarter] for i in range(3))
        for name in before:
            self.copy(name)
        began = time.monotonic()
        with running_service(self.bench.folder) as service:
            service.await_stage("ready")
            for name in renamed:
                self.rename(name)
            service.tell(signal.SIGSTOP)
            self.overflow()
            for name in frozen:
                self.link(name)
            service.tell(signal.SIGCONT)
            for name in self.names[3 * quarter :]:
                self.copy(name)
            delivered = 0
            for event in service.until(began + PATIENCE):
                delivered += event.get("outcome") == "copied"
                if delivered == len(self.good) and not self.left():
                    break
            seconds, computed = time.monotonic() - began, _computed(service.pid)
            assert service.stop() == 0
        assert delivered == len(self.good), f"{delivered} were delivered, {self.left()} are left"
        return seconds, computed, service.seen

    def left(self) -> int:
        """How many packages lie there, claimed or not."""
        return len(list(self.bench.inbox.glob("*.mlpkg"))) + len(self.bench.claimed())

    def vaulted(self) -> list[Path]:
        """What lies in the vault."""
        return list((self.bench.folder / "vault").rglob("*.mlpkg"))

    def check(self) -> None:
        """Each good one is kept once and delivered once, each bad one is in quarantine."""
        noted = self.bench.noted()
        assert noted["taken"] == sorted(f"{name}.mlpkg" for name in self.good)
        assert noted["quarantined"] == sorted(f"{name}.mlpkg" for name in self.bad)
        assert self.bench.run("once").status == 0
        self._check_quarantine()
        for folder in ("vault", "target"):
            with Vault.open(self.bench.folder / folder) as vault:
                kept = vault.find()
                assert sorted(one.address.name for one in kept) == sorted(self.good)
                assert vault.damaged() == []
        for path in self.vaulted():
            with Package.open(path) as package:
                package.verify(full=True)

    def _check_quarantine(self) -> None:
        """Each bad one lies there as it was, with its reason."""
        quarantine = self.bench.inbox / "quarantine"
        assert {path.stem for path in quarantine.glob("*.mlpkg")} == self.bad
        for name in self.bad:
            assert (quarantine / f"{name}.mlpkg.reason.txt").read_text()


def _computed(pid: int) -> float:
    """Seconds of processor time that a process has taken (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Pour, and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=10_000)
    parser.add_argument("--poll", action="store_true", help="without inotify")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311  (reproducible)
    print(f"seed {options.seed}", flush=True)  # noqa: T201  (a command)
    with tempfile.TemporaryDirectory() as folder:
        flood = Flood(Path(folder), options.packages, rng, poll=options.poll)
        print(f"{len(flood.good)} good and {len(flood.bad)} bad packages", flush=True)  # noqa: T201
        seconds, computed, said = flood.pour()
        rounds = Counter(event["worker"] for event in said if event["event"] == "round-ended")
        print(  # noqa: T201
            f"all processed in {seconds:.0f} s, {computed:.0f} s of them computing,"
            f" in rounds: {dict(rounds)}",
            flush=True,
        )
        flood.check()
        print("each once; no bad one was imported", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
