"""A target that is down for an hour delays its own lane alone. The hour is simulated."""

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlarchive.vault import Vault
from mlarchived.breakers import Breakers, Pauses
from mlarchived.configfile import read_config
from mlarchived.resolving import resolve
from mlarchived.service.rounds import Terms, posts
from mlarchived.service.worker import Backoff, Worker
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mirroring import Workbench
from tests.support.mlflow_server import MlflowServer
from tests.support.snapshots import model_version, with_streams

pytestmark = pytest.mark.mlflow

TICKS = 6
EVERY = 600
"""Seconds between two ticks, as configured."""

SENT = 2
"""How often the first request is sent where its connection is cut."""


class Hours:
    """The lanes of a mirror, worked on by a clock that runs as fast as they do."""

    def __init__(self, bench: Workbench, environment: Mapping[str, str]) -> None:
        setting = resolve(read_config(bench.folder / "mirror.toml"))
        self.now = 0.0
        self.rounds: list[tuple[float, str]] = []
        terms = Terms(
            setting=setting,
            environment=environment,
            tell=lambda _: None,
            backoff=Backoff(first=10, most=900),
            ring=lambda _: None,
            packing=threading.Semaphore(2),
            breakers=Breakers(Pauses(first=10, most=900), clock=lambda: self.now),
        )
        self.breakers = terms.breakers
        self._lanes = {
            name: (work, Worker(name, work))
            for name, (_, work) in posts(setting, terms, ()).items()
        }
        self._due = dict.fromkeys(self._lanes, 0.0)

    def pass_until(self, moment: float) -> None:
        """Let time pass, and each lane work whenever it is due."""
        while (due := min(self._due.values())) <= moment:
            self.now = max(self.now, due)
            name = min(self._due, key=self._due.__getitem__)
            work, worker = self._lanes[name]
            worker.due_since = time.monotonic()
            again = work(worker, worker.failures)
            worker.failures = worker.failures + 1 if again.failed else 0
            self.rounds.append((self.now, name))
            tick = (self.now // EVERY + 1) * EVERY
            self._due[name] = min(tick, self.now + again.seconds) if again.seconds else tick
        self.now = moment


@pytest.fixture
def proxied(target_server: MlflowServer) -> Iterator[tuple[str, Cut]]:
    cut = Cut()
    with cutting_proxy(target_server.uri, cut) as uri:
        yield uri, cut


def test_it_delays_its_own_lane_alone_and_is_hardly_asked(
    tmp_path: Path, proxied: tuple[str, Cut], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, cut = proxied
    for name, value in {"MAX_RETRIES": "0", "BACKOFF_FACTOR": "0", "TIMEOUT": "20"}.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    bench = Workbench(tmp_path)
    bench.configure(
        ("http://127.0.0.1:9", uri),
        ("src#folders/*", "src#models/*"),
        ('targets = ["dr"]', 'targets = ["down", "dr"]\nvault = "vault"\nevery = "10m"'),
    )
    hours = Hours(bench, {})
    cut.at, cut.for_good = 1, True
    for number in range(TICKS):
        name = f"{tmp_path.name}-{number}"
        with Vault.open(bench.folder / "source") as vault:
            made = model_version(name=name, version="1", ids=name, experiment=tmp_path.name)
            # A server would not tell the points of a dataset from the others.
            vault.add(with_streams(made, made.streams[:-2]), packed_at=number)
        hours.pass_until(EVERY * number + EVERY - 1.0)
        assert bench.held() == bench.held("vault") == bench.held("source")
    asked = cut.seen
    rounds = [at for at, name in hours.rounds if name == "mirror:m/down"]
    assert len(rounds) >= TICKS, "the lane still looks, and says how far it is behind"
    assert 0 < asked <= 2 * SENT * TICKS, "at each tick it would have been asked for all objects"
    assert hours.breakers.of("down").is_open
    assert standing(tmp_path)["behind"] == TICKS
    cut.at, cut.for_good = 0, False
    hours.pass_until(hours.now + 900)
    assert not hours.breakers.of("down").is_open
    assert standing(tmp_path)["behind"] == 0
    assert cut.seen > asked


def standing(folder: Path) -> dict[str, Any]:
    """How the mirror stands at the target, as `status` says it."""
    (line,) = (
        event
        for event in Workbench(folder).run("status", "--json").events
        if event["event"] == "standing" and event["target"] == "down"
    )
    return line
