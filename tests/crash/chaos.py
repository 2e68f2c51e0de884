"""The whole service under chaos: `python -m tests.crash.chaos --kills 100 --deaths 20`.

Two MLflow servers behind proxies that lose answers, people at work at the source, `mlarchived run`
between them; the service and the servers are killed at random, writes fail at random. After each
crash the invariants must hold, and at the end both sides must be equal.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.invariants import World
from tests.crash.load import Load
from tests.crash.phoenix import Phoenix, phoenixes
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_server import QUIET
from tests.support.service import RunningService, running_service

IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
AIMS = ("round-began", "reading", "writing", "writing")
"""After which of these a kill comes, each as likely as it is often here."""

PATIENCE = 8.0
"""Seconds after which a kill comes whatever is done."""

SETTLING = 300.0
"""Seconds after which, undisturbed, all must be done."""

_CONFIG = """\
[service]
retry_first = "1s"
retry_most = "2s"
[registries.prod]
locator = "mlflow+{source}"
[registries.dr]
locator = "mlflow+{target}"
[[mirror]]
name = "m"
source = "prod#models/*"
vault = "vault"
targets = ["dr"]
every = "2s"
"""


@dataclass(slots=True, kw_only=True)
class Chaos:
    """Servers, proxies, people and a mirror.

    Attributes:
        rng: Decides everything.
        servers: The source and the target.
        cuts: What their proxies lose.
        world: The mirror, and what must be true of it.
        load: The people at the source.
        kills: How often the service was killed, by what it had said last.
        faulty: How many services had writes that fail.
        failures: How often steps and rounds failed, by the code of the error.
    """

    rng: random.Random
    servers: tuple[Phoenix, Phoenix]
    cuts: tuple[Cut, Cut]
    world: World
    load: Load
    kills: Counter[str] = field(default_factory=Counter)
    faulty: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def crash(self, *, deadly: bool) -> None:
        """Start the service, kill it in the middle of its work, and see that all is well."""
        for cut in self.cuts:
            cut.at = cut.seen + self.rng.randrange(1, 80) if self.rng.random() < 0.5 else 0
        failing = self.rng.random() < 0.3
        self.faulty += failing
        faults = f"{self.rng.randrange(10**6)}:0.01" if failing else ""
        with running_service(self.world.folder, faults=faults, forked=True, **IMPATIENT) as service:
            if deadly:
                self._kill_a_server(service)
            self.kills[self._work(service)] += 1
            service.process.kill()
        self.failures += Counter(event["code"] for event in service.seen if event.get("code"))
        for cut in self.cuts:
            cut.at = 0
        self.world.check()

    def rest(self) -> None:
        """Let the service finish its work, undisturbed; then there must be nothing to do."""
        until = time.monotonic() + SETTLING
        with self.load.at_rest():
            with running_service(self.world.folder, forked=True) as service:
                while left := self.world.left():
                    assert time.monotonic() < until, f"it does not come to rest: {left}"
                    service.await_round()
                assert service.stop() == 0
            self.world.check()
            self.world.check_idle()

    def _kill_a_server(self, service: RunningService) -> None:
        """Kill a server while the service works, and let it rise again."""
        self._work(service)
        victim = self.rng.choice(self.servers)
        victim.die()
        time.sleep(self.rng.random())
        victim.rise()

    def _work(self, service: RunningService) -> str:
        """Let the service begin something, and a random moment pass; what it said last."""
        last, aim, steps = "nothing", self.rng.choice(AIMS), self.rng.randrange(1, 4)
        for event in service.until(time.monotonic() + PATIENCE):
            last = event.get("phase") or event["event"]
            steps -= last == aim
            if not steps:
                break
        time.sleep(self.rng.random() * 0.4)
        return str(last)


@contextmanager
def chaos(folder: Path, rng: random.Random, *, models: int, versions: int) -> Iterator[Chaos]:
    """Everything started, people not yet at work."""
    with ExitStack() as stack:
        source, target = stack.enter_context(phoenixes(folder / "source", folder / "target"))
        cuts = Cut(), Cut()
        ways = [
            stack.enter_context(cutting_proxy(server.uri, cut))
            for server, cut in zip((source, target), cuts, strict=True)
        ]
        mirror = folder / "mirror"
        mirror.mkdir()
        (mirror / "mirror.toml").write_text(_CONFIG.format(source=ways[0], target=ways[1]))
        yield Chaos(
            rng=rng,
            servers=(source, target),
            cuts=cuts,
            world=World(source=source.uri, target=target.uri, folder=mirror),
            load=Load(
                uri=source.uri,
                folder=folder / "files",
                rng=random.Random(rng.random()),  # noqa: S311  (reproducible)
                models=models,
                versions=versions,
            ),
        )


def storm(trial: Chaos, *, kills: int, deaths: int, pause: float, rests: int = 1) -> None:
    """Kill and check, while people work; then let all come to rest, and compare.

    Args:
        trial: What is killed.
        kills: How often the service is.
        deaths: How often one of the servers is.
        pause: Seconds between two acts of people, on average.
        rests: How often all comes to rest, the last time included.
    """
    stop = threading.Event()
    people = threading.Thread(target=trial.load.keep_acting, args=(stop, pause), daemon=True)
    people.start()
    try:
        for number in range(kills):
            # New versions come until the end, not only at the beginning.
            trial.load.allowed = 1 + number * trial.load.versions // kills
            left = deaths - sum(server.deaths for server in trial.servers)
            trial.crash(deadly=trial.rng.random() < left / (kills - number))
            _say(
                f"{number + 1} kills {dict(trial.kills)}, "
                f"{sum(server.deaths for server in trial.servers)} deaths of servers, "
                f"{trial.faulty} with failing writes; failures {dict(trial.failures)}; "
                f"people {trial.load.done}"
            )
            if (number + 1) * rests // kills > number * rests // kills and number + 1 < kills:
                trial.rest()
                _say("all came to rest")
    finally:
        stop.set()
        people.join()
    trial.load.end()
    _say("people went home")
    trial.rest()
    versions = trial.world.check_equal()
    _say(f"{versions} versions equal on both sides, each once; {len(trial.world.contents)} held")
    assert versions


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  (a command; pytest shows it with -rP)


def main() -> int:
    """Run one long storm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--deaths", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    os.environ.update(QUIET | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"})
    _say(f"seed {options.seed}")
    rng = random.Random(options.seed)  # noqa: S311  (reproducible)
    with (
        tempfile.TemporaryDirectory() as folder,
        chaos(Path(folder), rng, models=4, versions=6) as trial,
    ):
        storm(trial, kills=options.kills, deaths=options.deaths, pause=0.7, rests=5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
