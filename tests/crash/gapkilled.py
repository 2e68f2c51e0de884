"""Kill `send`, `receive`, `prune` at random moments: `python -m tests.crash.gapkilled --kills 50`.

After each kill all that counts is whole; the same command, run again, finishes the job, and ends
where an undisturbed one ends. Prints for each job how many kills hit it before its end.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlarchive.checking import verify_vault
from mlarchive.transfer.inbox import Inbox
from mlarchive.transfer.outbox import Outbox
from mlarchive.transfer.receipt import SUFFIX, read_receipt
from mlarchive.vault import Vault
from tests.support import snapshots
from tests.support.models import Weights, file_of, merged, tuned, weights

PATIENCE = 300.0
"""Seconds after which a command is taken to hang."""

VERSIONS = 5

_WAITING = """\
import sys
import mlarchive.transfer.inbox, mlarchive.transfer.outbox, mlarchive.package.writer
import mlarchive.registries.vaultregistry
from mlarchive.cli.command import main
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
sys.exit(main())
"""
"""The command, which has loaded all that it needs when it is told to begin."""


class Job:
    """A command, the folder that it begins with, and what must be so.

    Args:
        name: What a person calls it.
        words: Of the command.
        template: The folder, which is copied for each trial.
        whole: Checks what must be so at any moment.
        done: Tells the end, which is the same for every trial.
    """

    def __init__(
        self,
        name: str,
        words: tuple[str, ...],
        template: Path,
        whole: Callable[[Path], None],
        done: Callable[[Path], object],
    ) -> None:
        self.name = name
        self.words = words
        self.template = template
        self.whole = whole
        self.done = done
        self.hits = 0
        self.misses = 0
        with self._copied() as folder:
            began = time.monotonic()
            self._finish(folder)
            self.seconds = time.monotonic() - began
            self.end = done(folder)

    def trial(self, rng: random.Random, kills: int) -> None:
        """Kill it so often, and then let it finish."""
        with self._copied() as folder:
            for _ in range(kills):
                if not self._kill(folder, rng.random() * self.seconds):
                    break
                self.whole(folder)
            self._finish(folder)
            self.whole(folder)
            assert (end := self.done(folder)) == self.end, f"{self.name}: {end}, not {self.end}"

    @contextmanager
    def _copied(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.template.parent) as home:
            folder = Path(home) / "desk"
            shutil.copytree(self.template, folder)
            yield folder

    def _kill(self, folder: Path, seconds: float) -> bool:
        """Kill it some time after it began; whether it had not ended."""
        with self._begun(folder) as process:
            time.sleep(seconds)
            hit = process.poll() is None
            process.kill()
        self.hits += hit
        self.misses += not hit
        return hit

    def _finish(self, folder: Path) -> None:
        with self._begun(folder) as process:
            _, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, (self.name, err)

    @contextmanager
    def _begun(self, folder: Path) -> Iterator["subprocess.Popen[str]"]:
        words = [sys.executable, "-c", _WAITING, *self.words]
        with subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("go\n")
            process.stdin.flush()
            try:
                yield process
            finally:
                process.kill()


def send_is_whole(folder: Path) -> None:
    """Each note that counts has its package, whole, and numbers have no gaps."""
    if not (folder / "out" / "stream.json").exists():
        return
    with Outbox.look(folder / "out") as outbox:
        assert [one.sequence for one in outbox.sent] == list(range(1, len(outbox.sent) + 1))
        sent = {one.package.package_id for one in outbox.sent if one.package}
        for kept in outbox.vault.find():
            with outbox.vault.open_package(kept) as package:
                assert not package.missing()
                package.verify()
        assert sent <= {kept.package_id for kept in outbox.vault.find()}


def what_was_sent(folder: Path) -> object:
    """What was sent, of which each has its files to carry, and no package is left over."""
    with Outbox.look(folder / "out") as outbox:
        carried = {path.name for path in (folder / "out" / "carry").iterdir()}
        for one in outbox.pending:
            assert f"{one.name}.shipment.json" in carried
            assert not one.package or f"{one.name}.mlpkg" in carried
        packages = [one.package for one in outbox.sent if one.package]
        assert {p.package_id for p in packages} == {k.package_id for k in outbox.vault.find()}
        return [(str(one.address), _ids(one.package)) for one in outbox.sent]


def receive_is_whole(folder: Path) -> None:
    """What was accepted is in the vault, whole."""
    if not (folder / "in" / "accepted").exists():
        return
    with Inbox.open(folder / "in") as inbox:
        there = {kept.package_id for kept in inbox.vault.find() if kept.complete}
        for stream in inbox.streams:
            for one in inbox.accepted(stream).values():
                assert one.package is None or one.package.package_id in there
        assert all(checked.ok for checked in verify_vault(inbox.vault))


def what_arrived(folder: Path) -> object:
    """What arrived, with receipts that say so, and nothing left that was carried over."""
    assert not [path for path in (folder / "in" / "incoming").rglob("*") if path.is_file()]
    with Inbox.open(folder / "in") as inbox:
        said = [read_receipt(p).through for p in (folder / "in" / "receipts").glob(f"*{SUFFIX}")]
        living = [(str(k.address), k.content_id, k.state_id, k.package_id) for k in inbox.living()]
        return living, said


def vault_is_whole(folder: Path) -> None:
    """Every package of the vault has what it leans on."""
    with Vault.open(folder / "v") as vault:
        assert all(checked.ok for checked in verify_vault(vault))


def what_is_kept(folder: Path) -> object:
    """The packages of the vault, by what they are."""
    with Vault.open(folder / "v") as vault:
        return sorted((str(k.address), k.content_id, k.state_id) for k in vault.find())


def jobs(home: Path) -> list[Job]:
    """Every job, with what it begins with in folders of its own."""
    source, disc, vault = home / "source", home / "disc", home / "vault"
    _fill(source / "v")
    send = Job("send", _SEND, source, send_is_whole, what_was_sent)
    with send._copied() as folder:  # noqa: SLF001  (the same module)
        send._finish(folder)  # noqa: SLF001
        shutil.copytree(folder / "out" / "carry", disc / "in" / "incoming")
    shutil.copytree(source, vault)
    return [
        send,
        Job("receive", ("receive", "inbox:in"), disc, receive_is_whole, what_arrived),
        Job("prune", _PRUNE, vault, vault_is_whole, what_is_kept),
    ]


_SEND = ("send", "vault:v", "outbox:out")
_PRUNE = ("prune", "vault:v", "--keep-last", "2")


def _fill(folder: Path) -> None:
    """Versions of a model, each close to the one before; they lean on each other."""
    model: Weights = weights(1, tensors=2)
    with Vault.open(folder) as vault:
        for number in range(1, VERSIONS + 1):
            files = {"model.safetensors": file_of(model), **snapshots.MODEL_FILES}
            for alias in ("", "best"):
                snapshot = snapshots.model_version(
                    version=str(number),
                    ids=str(number),
                    files=files,
                    aliases=(alias,) if alias else (),
                )
                vault.add(snapshot, packed_at=number)
            model = (tuned, merged)[number % 2](model, number)
        assert sum(kept.thin for kept in vault.find()) > VERSIONS


def _ids(package: object) -> tuple[str, str] | None:
    content, state = (getattr(package, name, "") for name in ("content_id", "state_id"))
    return (content, state) if package else None


def main() -> int:
    """Kill every job so often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20261129)
    parser.add_argument("--only", default="", help="send, receive or prune")
    wanted = parser.parse_args()
    rng = random.Random(wanted.seed)  # noqa: S311  (reproducible)
    with tempfile.TemporaryDirectory() as home:
        for job in jobs(Path(home)):
            trials = 0
            if wanted.only not in {"", job.name}:
                continue
            while job.hits < wanted.kills:
                job.trial(rng, rng.randint(1, 4))
                trials += 1
            sys.stdout.write(
                f"{job.name}: {job.hits} kills before its end, {job.misses} after it, in {trials}"
                f" trials; {job.seconds:.1f} s undisturbed; whole each time, equal at the end\n"
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
