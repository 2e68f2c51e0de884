"""A thread that does one thing whenever it is due, never twice at a time."""

import contextlib
import math
import random
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from mlarchive import waiting
from mlarchived.stopping import Stopping

_GLANCE = 2.0
"""Seconds between two looks at whether to work sooner than by the clock."""


class Backoff(Struct, frozen=True, kw_only=True):
    """How long to wait after failures in a row that may pass.

    Attributes:
        first: Seconds after the first.
        most: Seconds at most.
    """

    first: float
    most: float

    def after(self, failures: int) -> float:
        """Seconds: doubling, and shortened at random so that many do not come back at once."""
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1)  # noqa: S311  (no secret)


class Again(Struct, frozen=True, kw_only=True):
    """When a worker works again before its next tick.

    Attributes:
        seconds: After so many; 0 for not.
        failed: Whether that is because it failed.
        sooner: Asked every few seconds whether it works at once; None for never.
    """

    seconds: float = 0.0
    failed: bool = False
    sooner: Callable[[], bool] | None = None


class Worker:
    """One thread, one kind of work.

    Attributes:
        name: For people.
        stopping: Asks the work to stop between two steps.
        due_since: When the work at hand was due, on `time.monotonic`.
        failures: How many times in a row its work was to be tried again.
        closing: What its work keeps open from one time to the next; closed at its end.
    """

    def __init__(
        self,
        name: str,
        work: "Work",
        after: "Worker | None" = None,
    ) -> None:
        """Make a worker; it does nothing before `start`.

        Args:
            name: For people.
            work: Does it once, given the worker and how many times in a row it was to be tried
                again; says when to try again. It raises nothing.
            after: A predecessor that must have ended before this one begins.
        """
        self.name = name
        self.stopping = Stopping()
        self.closing = contextlib.ExitStack()
        self._work = work
        self._after = after
        self.due_since = 0.0
        self.failures = 0
        self._due = threading.Event()
        self._busy = False
        self._rung_at = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        return self._busy

    def start(self) -> None:
        """Begin to wait for ticks."""
        self._thread.start()

    def tick(self, at: float | None = None) -> bool:
        """It is due. Whether that is news: the work of an earlier tick may still be outstanding.

        Args:
            at: Since when, on `time.monotonic`; now by default.
        """
        news = not (self._due.is_set() or self._busy)
        self._rung_at = time.monotonic() if at is None else at
        self._due.set()
        return news

    def stop(self) -> None:
        """End after the present step."""
        self.stopping.ask()
        self._due.set()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for its end; whether it came."""
        self._thread.join(seconds)
        return not self.alive

    def _run(self) -> None:
        with self.closing, waiting.stoppable(self.stopping.check):
            self._loop()

    def _loop(self) -> None:
        if self._after is not None:
            self._after.join()
            self._after = None
        again = Again()
        while True:
            rung = self._await(again)
            if self.stopping.asked:
                return
            self._due.clear()
            # Cleared first: a ring from now on asks for one more time.
            self.due_since = self._rung_at if rung and not again.seconds else time.monotonic()
            self._busy = True
            again = self._work(self, self.failures)
            self._busy = False
            self.failures = self.failures + 1 if again.failed else 0

    def _await(self, again: Again) -> bool:
        """Wait until there is work; whether a ring said so."""
        if again.sooner is None:
            return self._due.wait(again.seconds or None)
        until = time.monotonic() + (again.seconds or math.inf)
        while (left := until - time.monotonic()) > 0:
            if self._due.wait(min(left, _GLANCE)):
                return True
            if again.sooner():
                break
        return False


Work: TypeAlias = Callable[[Worker, int], Again]
"""What a worker does: see `Worker`."""
