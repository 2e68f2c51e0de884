"""What the service has done since it started, counted as it happens; for metrics and health."""

import threading
import time
from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from mlarchived.breakers import BreakerMoved
from mlarchived.events import Ended
from mlarchived.lanes import lanes
from mlarchived.mirrors import Setting
from mlarchived.service.happenings import (
    MESSAGES,
    Beat,
    Happening,
    Recovered,
    RoundBegan,
    RoundEnded,
    Staged,
    TicksMissed,
    Troubled,
    is_of_observers,
)
from mlarchived.service.paces import Paces
from mlarchived.tending import PackageTended, VaultTended

_FRESH = 60.0
"""Seconds after which a main loop that has not come round is taken to hang."""

Labels = tuple[str, ...]


class Worker(Struct, kw_only=True):
    """How a worker stands.

    Attributes:
        began_at: When its present round began, s since 1970 UTC; 0 if it is not at work.
        ended_at: When its last round ended; 0 if none has.
        trouble: Why its last round failed; "" if it did not.
        hint: What a person can do about it.
        since: When it began to fail; 0 if it does not.
    """

    began_at: float = 0.0
    ended_at: float = 0.0
    trouble: str = ""
    hint: str = ""
    since: float = 0.0


class Counts(Struct, kw_only=True):
    """What was counted since the start, by labels."""

    steps: Counter[Labels]
    bytes: Counter[Labels]
    losses: Counter[Labels]
    rounds: Counter[Labels]
    retries: Counter[Labels]
    missed: Counter[Labels]
    packages: Counter[Labels]
    scrubbed: Counter[Labels]


class Board:
    """An `Observer` that others read from; safe to read from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.started_at = time.time()
        self.setting: Setting | None = None
        self.stage = "starting"
        self.dead: tuple[str, ...] = ()
        self.workers: dict[str, Worker] = {}
        self.counts = Counts(**{name: Counter() for name in Counts.__struct_fields__})
        self.paces = Paces()
        self.undelivered: Counter[str] = Counter()
        self.left_alone: dict[str, bool] = {}
        self.unwell: dict[str, str] = {}
        self._beat = time.monotonic()

    def configured(self, setting: Setting) -> None:
        """A configuration is in force; workers that it does not know are forgotten."""
        with self.lock:
            self.setting = setting
            mirrors = {f"mirror:{job.name}/{lane}" for job in setting.jobs for lane in lanes(job)}
            for name in [*self.workers]:
                if name.startswith("mirror:") and name not in mirrors:
                    del self.workers[name]
            self.left_alone.clear()

    def take(self, happening: Happening) -> None:
        """Count."""
        with self.lock:
            self._take(happening)

    def close(self) -> None:
        """What was counted stays."""

    def ailments(self) -> list[str]:
        """Why the service as such is not well: loops are dead or hang, or it is not watched."""
        with self.lock:
            found = [f"{name} does not run any more" for name in self.dead]
            found += [
                f"{part}: {reason}"
                for part, reason in self.unwell.items()
                if not part.startswith(MESSAGES)
            ]
            silent = time.monotonic() - self._beat
        if silent > _FRESH:
            found.append(f"the main loop has not come round for {silent:.0f} s")
        return found

    def failing(self) -> Mapping[str, Worker]:
        """The workers whose last round failed."""
        with self.lock:
            return {name: worker for name, worker in self.workers.items() if worker.trouble}

    @property
    def ready(self) -> bool:
        """Whether the service is up, and not going down."""
        return self.stage in {"ready", "reloading"}

    def _take(self, happening: Happening) -> None:
        match happening:
            case Staged():
                self.stage = happening.stage
            case Beat():
                self.dead = happening.dead
                self._beat = time.monotonic()
            case Troubled() | Recovered():
                self._note(happening)
            case BreakerMoved():
                self.left_alone[happening.target] = happening.state == "open"
            case Ended():
                self._count_step(happening)
            case RoundBegan():
                worker = self.workers.setdefault(happening.worker, Worker())
                worker.began_at = time.time()
            case RoundEnded():
                self._count_round(happening)
            case TicksMissed():
                self.counts.missed[happening.worker, happening.why] += happening.count
            case PackageTended() | VaultTended():
                self._count_tending(happening)
            case _:
                pass

    def _count_tending(self, event: PackageTended | VaultTended) -> None:
        if isinstance(event, PackageTended):
            self.counts.packages[event.vault, event.outcome] += 1
        elif event.work == "scrub":
            self.counts.scrubbed[event.vault,] += event.bytes

    def _note(self, event: Troubled | Recovered) -> None:
        if isinstance(event, Recovered):
            self.unwell.pop(event.part, None)
        elif is_of_observers(event.part):
            self.unwell[event.part] = event.reason

    def _count_step(self, event: Ended) -> None:
        there = (event.mirror, event.target)
        self.counts.steps[(*there, event.outcome)] += 1
        self.counts.bytes[there] += event.bytes
        self.counts.losses[there] += len(event.losses)
        self.paces.take(event)

    def _count_round(self, event: RoundEnded) -> None:
        worker = self.workers.setdefault(event.worker, Worker())
        worker.began_at, worker.ended_at = 0.0, time.time()
        worker.trouble, worker.hint = event.trouble, event.hint
        worker.since = (worker.since or time.time()) if worker.trouble else 0.0
        self.counts.rounds[event.worker, "failed" if worker.trouble else "ok"] += 1
        if event.again_in:
            self.counts.retries[event.worker,] += 1
