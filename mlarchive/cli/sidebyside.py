"""Several objects at a time: threads that carry them, and one that tells of each in its turn."""

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mlarchive.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlarchive.records import Address
    from mlarchive.registries.base import (
        Holding,
        Receipt,
        Source,
        Target,
        WritePlan,
        WritePolicy,
    )
    from mlarchive.snapshot import Snapshot

T = TypeVar("T")


def in_turn(
    carry: "Callable[[Address], T]", addresses: "Sequence[Address]", workers: int
) -> "Iterator[tuple[Address, Callable[[], T]]]":
    """Each address, in order, with what gives what came of it, or raises why nothing did.

    Args:
        carry: Does the work; called by `workers` threads, by the caller's own if there is one.
        addresses: Of the objects.
        workers: How many at a time.
    """
    if workers == 1:
        yield from ((address, partial(carry, address)) for address in addresses)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="copy")
    try:
        waiting: deque[tuple[Address, Future[T]]] = deque()
        for address in addresses:
            waiting.append((address, pool.submit(carry, address)))
            # So many that no thread waits for the slowest, and no more are held in memory.
            if len(waiting) > 2 * workers:
                first, done = waiting.popleft()
                yield first, done.result
        while waiting:
            first, done = waiting.popleft()
            yield first, done.result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def check_source(source: "Source", workers: int) -> None:
    """Refuse several workers where a source is for one reader.

    Raises:
        UnsupportedError: It is.
    """
    from mlarchive.registries.base import SideBySide

    if workers > 1 and not isinstance(source, SideBySide):
        raise UnsupportedError(
            f"{source.origin} is read by one worker only", hint="leave --workers out"
        )


def shared(target: "Target", workers: int) -> "Target":
    """A target that several threads may write to; one after another, if it is not made for it."""
    from mlarchive.registries.base import SideBySide

    return target if workers == 1 or isinstance(target, SideBySide) else _OneAtATime(target)


class _OneAtATime:
    """A target whose users wait for each other."""

    def __init__(self, target: "Target") -> None:
        self.origin = target.origin
        self._target = target
        self._turn = threading.Lock()

    def holding(self, source: "Address", policy: "WritePolicy") -> "Holding | None":
        with self._turn:
            return self._target.holding(source, policy)

    def plan_write(self, snapshot: "Snapshot", policy: "WritePolicy") -> "WritePlan":
        with self._turn:
            return self._target.plan_write(snapshot, policy)

    def write(self, snapshot: "Snapshot", policy: "WritePolicy") -> "Receipt":
        with self._turn:
            return self._target.write(snapshot, policy)
