"""Kill `mlarchived once` in the middle of its work, let it finish, and see that all is well.

A kill is aimed at something that the command begins (with `--json` it says so), and comes a
random part of that phase's usual length later. Where it landed is what the command said last.
"""

import contextlib
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.pack import pack
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.crash.seeding import VERSIONS, relabel_model, seed_model
from tests.support.forked import Forked
from tests.support.mlflow_server import MlflowServer

PATIENCE = 120.0
"""Seconds after which a command is taken to hang."""

TOO_LATE = "after the end"

_CONFIG = """\
[registries.prod]
locator = "{source}"
[registries.dr]
locator = "{target}"
[[mirror]]
name = "m"
source = "prod#models/{model}"
targets = ["dr"]
{vault}
"""


@dataclass(slots=True)
class Tally:
    """Where kills landed, and how long phases take."""

    landed: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for a person."""
        return ", ".join(f"{count} {phase}" for phase, count in sorted(self.landed.items()))


@dataclass(slots=True, kw_only=True)
class Trial:
    """One model, one mirror, and the kills it has to survive.

    Attributes:
        source: The server that has the model.
        target: The server that is to have it.
        folder: For the mirror's configuration, state and vault, and for files that are logged.
        model: The model's name.
        vault: Whether the mirror keeps a vault.
        rng: Says when to kill.
        tally: Where the kills are counted.
    """

    source: MlflowServer
    target: MlflowServer
    folder: Path
    model: str
    vault: bool
    rng: random.Random
    tally: Tally

    def prepare(self) -> None:
        """Register the model at the source, and write the configuration."""
        seed_model(self.source.uri, self.model, self.folder / "files", self.rng)
        (self.folder / "mirror.toml").write_text(
            _CONFIG.format(
                source=self.source.locator,
                target=self.target.locator,
                model=self.model,
                vault='vault = "vault"' if self.vault else "",
            )
        )

    def calibrate(self) -> None:
        """Run once without killing, to learn how long the phases take."""
        for event in self._finish():
            if event["event"] == "ended" and event.get("seconds"):
                phase = "reading" if event["target"] in {"vault:", "spool:"} else "writing"
                longest = self.tally.seconds.get(phase, 0.0)
                self.tally.seconds[phase] = max(longest, event["seconds"])

    def kill_and_check(self, skips: Sequence[int]) -> None:
        """Kill the mirror again and again, then let it finish, and check everything.

        Args:
            skips: For each kill how many things are begun before the one that it hits.
        """
        for skip in skips:
            self._kill(skip)
        self._finish()
        self.check()

    def relabel(self, word: str) -> None:
        """Change labels at the source."""
        relabel_model(self.source.uri, self.model, word)

    def check(self) -> None:
        """See that each version is at the target once, equal to its source, and nothing else."""
        assert list(self._versions(self.target)) == list(VERSIONS)
        assert self._ids(self.target) == self._ids(self.source)
        assert _population(self.target, self.model) == _population(self.source, self.model)
        left = [p for p in self.folder.rglob("*") if TEMPORARY_MARK in p.name]
        assert left == []
        assert list((self.folder / "state").rglob("*.mlpkg")) == []
        for path in (self.folder / "vault").rglob("*.mlpkg"):
            _verify(path, self.folder / "vault")

    def check_idle(self) -> None:
        """See that another round finds nothing to do."""
        summary = self._finish()[-1]
        assert summary["outcomes"] == {"keep": len(VERSIONS) * (2 if self.vault else 1)}

    def _kill(self, skip: int) -> None:
        """Kill the command some way into what it begins after having begun so many other things."""
        with self._command() as process:
            last = _await(process.stdout, skip)
            if last["event"] == "began":
                time.sleep(self.rng.random() * self.tally.seconds.get(last["phase"], 0.5))
            process.kill()
            last = [last, *_events(process.stdout)][-1]
            process.wait(PATIENCE)
        self.tally.landed[_landing(last)] += 1

    def _finish(self) -> list[dict[str, Any]]:
        """Let the command run to its end; what it said."""
        with self._command() as process:
            events = list(_events(process.stdout))
            status = process.wait(PATIENCE)
        assert status == 0, events
        return events

    @contextlib.contextmanager
    def _command(self) -> Iterator[Forked]:
        """The command, running; killed if it hangs."""
        config = str(self.folder / "mirror.toml")
        process = Forked(["--config", config, "once", "--json"], self.folder, "", {})
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()
            process.stdout.close()

    def _versions(self, server: MlflowServer) -> dict[str, Address]:
        with MlflowRegistry.open(server.uri) as registry:
            listed = registry.ls(Selector(kind="models", name=self.model))
            found = {listing.address.version: listing.address for listing in listed}
        return dict(sorted(found.items()))

    def _ids(self, server: MlflowServer) -> dict[str, tuple[str, str]]:
        """What each version is and how it is labelled, as the server itself says."""
        with MlflowRegistry.open(server.uri) as registry, Path(os.devnull).open("wb") as nowhere:
            return {
                version: _packed_ids(registry, address, nowhere)
                for version, address in self._versions(server).items()
            }


def _packed_ids(registry: MlflowRegistry, address: Address, out: BinaryIO) -> tuple[str, str]:
    packed = pack(registry.read(address), out, packed_at=0)
    return packed.content_id, packed.state_id


def _population(server: MlflowServer, model: str) -> dict[str, int]:
    """How many runs and logged models there are, living or deleted, and how many files."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(server.uri, server.uri)
    experiment = client.get_experiment_by_name(f"{model} experiment")
    assert experiment is not None
    ids = [experiment.experiment_id]
    return {
        "runs": len(client.search_runs(ids, run_view_type=ViewType.ACTIVE_ONLY)),
        "logged models": len(client.search_logged_models(ids)),
        "files": sum(1 for p in server.folder.glob(f"artifacts/{ids[0]}/**/*") if p.is_file()),
    }


def _verify(path: Path, vault: Path) -> None:
    fulls = [p for p in vault.rglob("*.mlpkg") if p != path]
    with Package.open(path) as package:
        missing = bool(package.missing())
    bases = [Package.open(full) for full in fulls] if missing else []
    with Package.open(path, bases=bases) as package:
        package.verify(full=True)
    for base in bases:
        base.__exit__(None, None, None)


def _events(stream: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """The whole lines that are left in a killed command's output."""
    for line in stream:
        if line.endswith("\n"):
            yield json.loads(line)


def _await(stream: Any, skip: int) -> dict[str, Any]:  # noqa: ANN401
    """Read until something begins after so many other things, or to the end; the last event."""
    last: dict[str, Any] = {"event": "nothing"}
    for last in _events(stream):
        if last["event"] == "began":
            if skip == 0:
                return last
            skip -= 1
    return last


def _landing(last: dict[str, Any]) -> str:
    if last["event"] == "began":
        return str(last["phase"])
    return TOO_LATE if last["event"] == "summary" else "between two steps"
