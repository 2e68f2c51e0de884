"""Requests that do not depend on each other, several at a time, and their results in order.

A server answers one question after another in as many round trips, and with one of its workers; a
few at a time keep the others busy too. What is asked ahead is bounded, and so is what is held.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE = 4
"""Requests that a server gets at the same time: as many as it has workers by default."""


def each(do: Callable[[T], U], items: Iterable[T], at_once: int = AT_ONCE) -> Iterator[U]:
    """What `do` makes of each item, in their order; items are taken a few ahead of their turn.

    Args:
        do: Called by threads; by the caller's own, one after another, where `at_once` is 1.
        items: Taken by the caller's thread.
        at_once: How many at a time.
    """
    if at_once == 1:
        yield from map(do, items)
        return
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="mlflow")
    try:
        waiting: deque[Future[U]] = deque()
        for item in items:
            waiting.append(pool.submit(do, item))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
