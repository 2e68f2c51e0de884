"""How the daemon bears many versions: `python -m bench.scale [--versions 100000]`.

A mirror from one vault into another is made, with a ledger that knows every version as delivered.
The packages in it are empty files that the catalogs know, so that whatever is measured is the
daemon's own work: no server answers, and no package is read. Each command is a process of its own.
"""

import argparse
import contextlib
import hashlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.process import compile_once
from mlarchive.records import Address
from mlarchive.registries.base import Ref
from mlarchive.vault.catalog import Catalog, Row
from mlarchived.ledger import Delivery, Ledger
from mlarchived.views import Ids, Marks

BARS: Mapping[str, float] = {
    "start-up, s": 5.0,
    "idle round, s of processor": 10.0,
    "status, s": 0.3,
    "memory of the service, MB": 150.0,
}
CONFIG = """\
[registries.src]
locator = "vault:source"
[registries.dr]
locator = "vault:target"
[[mirror]]
name = "m"
source = "src#models/*"
targets = ["dr"]
"""
VERSIONS_EACH = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say whether every bar is met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the mirror here, and use it again")
    options = parser.parse_args(arguments)
    compile_once()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if not (folder / "mirror.toml").exists():
            began = time.monotonic()
            make_mirror(folder, options.versions)
            print(f"{options.versions} versions made in {time.monotonic() - began:.0f} s")
        measured = dict(measure(folder, options.rounds))
    for name, value in measured.items():
        verdict = "met" if value <= BARS[name] else "NOT MET"
        print(f"{name:<28} {value:8.2f}   at most {BARS[name]:g}: {verdict}")
    return int(any(value > BARS[name] for name, value in measured.items()))


def make_mirror(folder: Path, versions: int) -> None:
    """A mirror whose every version is delivered."""
    addresses = [
        Address(
            origin="lab",
            kind="models",
            name=f"model-{number // VERSIONS_EACH:05d}",
            version=str(number % VERSIONS_EACH + 1),
        )
        for number in range(versions)
    ]
    for vault in ("source", "target"):
        fill_vault(folder / vault, addresses)
    fill_ledger(folder / "state", addresses)
    (folder / "mirror.toml").write_text(CONFIG)


def fill_vault(folder: Path, addresses: Sequence[Address]) -> None:
    """Empty files, and a catalog that knows them as packages."""
    rows = []
    for address in addresses:
        content, state = ids_of(address)
        name = f"lab/models/{address.name}/{address.version}~{content[:8]}-{state[:8]}.mlpkg"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        rows.append(
            Row(
                path=name,
                bytes=0,
                mtime_ns=path.stat().st_mtime_ns,
                origin=address.origin,
                kind=address.kind,
                name=address.name,
                version=address.version,
                content_id=content,
                state_id=state,
                package_id=content,
                packed_at=1_700_000_000_000,
            )
        )
    catalog = Catalog.on_disk_at(folder)
    with catalog.at_once():
        catalog.put(rows)
    catalog.close()


def fill_ledger(state: Path, addresses: Sequence[Address]) -> None:
    """A ledger that has delivered everything."""
    with Ledger.open(state) as ledger:
        # A hundred thousand waits for the disk would tell nothing.
        ledger._connection.execute("PRAGMA synchronous = OFF")  # noqa: SLF001
        with ledger.record("m") as record:
            record.looked(
                Ref(address=address, content_mark=ids[0], state_mark=ids[1])
                for address in addresses
                for ids in (ids_of(address),)
            )
            for address in addresses:
                content, state_id = ids_of(address)
                ids = Ids(content=content, state=state_id)
                record.packed(address, Marks(content=content, state=state_id), ids, ())
                at = str(address).replace("lab#", "dr#")
                record.delivered(address, "dr", Delivery(given=ids, held=ids, at=at))


def ids_of(address: Address) -> tuple[str, str]:
    """A content_id and a state_id, which depend on the address alone."""
    digest = hashlib.sha256(str(address).encode()).hexdigest()
    return digest, digest[::-1]


def measure(folder: Path, rounds: int) -> Iterator[tuple[str, float]]:
    """What each bar is about; the median of some rounds."""
    once = [processor(folder, "once") for _ in range(rounds)]
    status = [wall(folder, "status") for _ in range(rounds)]
    service = [serve(folder) for _ in range(rounds)]
    yield "start-up, s", median([up for up, _ in service])
    yield "idle round, s of processor", median(once)
    yield "status, s", median(status)
    yield "memory of the service, MB", median([memory for _, memory in service])


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


def processor(folder: Path, verb: str) -> float:
    """Seconds of processor time that a command takes; it must have nothing to do."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command(verb), cwd=folder, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcomes = json.loads(done.stdout.splitlines()[-1])["outcomes"]
    if outcomes.keys() != {"keep"}:
        raise SystemExit(f"the mirror is not idle: {outcomes}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def wall(folder: Path, verb: str) -> float:
    """Seconds that a command takes."""
    began = time.monotonic()
    subprocess.run(command(verb), cwd=folder, capture_output=True, check=True)
    return time.monotonic() - began


def serve(folder: Path) -> tuple[float, float]:
    """Seconds until the service is ready, and the most MB that it has held after a round."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        address = str(Path(scratch) / "notify")
        manager.bind(address)
        began = time.monotonic()
        with subprocess.Popen(
            command("run"),
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": address},
        ) as service:
            while b"READY=1" not in manager.recv(4096):
                pass
            up = time.monotonic() - began
            threading.Thread(target=listen_on, args=(manager,), daemon=True).start()
            await_line(service.stdout or iter(()), is_round)
            memory = peak(service.pid)
            service.terminate()
    return up, memory


def is_round(event: Mapping[str, object]) -> bool:
    """Whether the mirror's round has ended."""
    return (event["event"], event.get("worker")) == ("round-ended", "mirror:m/dr")


def listen_on(manager: socket.socket) -> None:
    """Take what the service goes on to say, as a service manager does."""
    with contextlib.suppress(OSError):
        while manager.recv(4096):
            pass


def await_line(lines: Iterator[str], wanted: Callable[[Mapping[str, object]], bool]) -> None:
    """Read until an event comes."""
    for line in lines:
        if wanted(json.loads(line)):
            return
    raise SystemExit("the service ended too early")


def peak(pid: int) -> float:
    """The most MB that a process has held in memory (proc(5), VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def command(verb: str) -> list[str]:
    """The words of a command."""
    return [sys.executable, "-m", "mlarchived.cli", "--config", "mirror.toml", verb, "--json"]


if __name__ == "__main__":
    sys.exit(main())
