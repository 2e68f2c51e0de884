"""Faults on demand: what goes wrong at which request.

* `error`: the service answers 500.
* `throttle`: it answers 429, or 503 where blobs are, with `Retry-After`.
* `reset`: the connection is reset; nobody knows whether the request took effect. It did.
* `drop`: the connection is reset before the request takes effect.
* `truncate`: half of the answer arrives under its full Content-Length, then the connection ends.
* `expire`: the token or SAS that the request carries has expired, now and for good.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Fault = Literal["error", "throttle", "reset", "drop", "truncate", "expire"]

_PATIENCE = 120

FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fault and when it comes.

    Attributes:
        fault: What goes wrong.
        at: At which of the requests that count, from 1.
        times: At how many of them, one after another.
        counts: Which requests count: told method, host and path.
    """

    fault: Fault
    at: int
    times: int
    counts: Callable[[str, str, str], bool]


class Faults:
    """The faults of an emulator; threads may share it.

    Attributes:
        pause: How long one that is throttled is to wait, as `Retry-After` says it.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.pause = "1"
        self._lock = threading.Lock()
        self._planned: list[tuple[Planned, int]] = []
        self._meanwhile: tuple[Callable[[], object], Callable[[str, str, str], bool]] | None = None
        self._meeting: tuple[threading.Barrier, Callable[[str, str, str], bool]] | None = None

    def meet(self, number: int, *, counts: Callable[[str, str, str], bool]) -> threading.Barrier:
        """Let requests that count wait for each other, once, until so many of them are there.

        Gives what they wait at; when it is broken, or `clear` is called, their connections are cut.

        Args:
            number: How many.
            counts: Which requests count: told method, host and path.
        """
        barrier = threading.Barrier(number, self._part, timeout=_PATIENCE)
        self._meeting = barrier, counts
        return barrier

    def meanwhile(
        self, do: Callable[[], object], *, counts: Callable[[str, str, str], bool]
    ) -> None:
        """Let something happen once, just before the first request that counts is answered.

        Args:
            do: What happens.
            counts: Which request counts: told method, host and path.
        """
        self._meanwhile = do, counts

    def _part(self) -> None:
        self._meeting = None

    def wait(self, method: str, host: str, path: str) -> bool:
        """Let a request wait for those that it is to meet; returns whether it met them."""
        if self._meanwhile and self._meanwhile[1](method, host, path):
            do, self._meanwhile = self._meanwhile[0], None
            do()
        meeting = self._meeting
        if meeting and meeting[1](method, host, path):
            try:
                meeting[0].wait()
            except threading.BrokenBarrierError:
                return False
        return True

    def plan(
        self,
        fault: Fault,
        at: int = 1,
        *,
        times: int = 1,
        counts: Callable[[str, str, str], bool] = lambda *_: True,
    ) -> None:
        """Plan a fault at the `at`-th request from now on, of those that count.

        Args:
            fault: What goes wrong.
            at: From 1.
            times: At how many requests, one after another.
            counts: Which requests count: told method, host and path.
        """
        with self._lock:
            self._planned.append((Planned(fault=fault, at=at, times=times, counts=counts), 0))

    def clear(self) -> None:
        """Plan none any more."""
        with self._lock:
            self.pause = "1"
            self._planned.clear()
            self._meanwhile = None
        if self._meeting:
            self._meeting[0].abort()
            self._meeting = None

    def due(self, method: str, host: str, path: str) -> Fault | None:
        """Count a request; the fault that it meets, if any."""
        found: Fault | None = None
        with self._lock:
            for number, (planned, seen) in enumerate(self._planned):
                if planned.counts(method, host, path):
                    self._planned[number] = planned, seen + 1
                    if planned.at <= seen + 1 < planned.at + planned.times:
                        found = found or planned.fault
        return found
