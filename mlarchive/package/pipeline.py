"""Work on chunks by several threads, results in the order of submission, memory bounded.

A fixed number of *berths* (a buffer each) is all that is ever in flight. Who takes a berth when
none is free first finishes the oldest work, so the main thread reads, hashes and writes while the
others encode. Errors surface where the result is taken.
"""

import mmap
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from mlarchive.closing import Closing

T = TypeVar("T")


BERTHS_LEAST = 8
"""Enough that reading and hashing go on while the first thread loads what it encodes with."""


class Berth:
    """Memory that one chunk occupies from reading to writing.

    Attributes:
        view: For the chunk.
        scratch: As long, for what it becomes; touched only by who encodes in place.
    """

    def __init__(self, size: int) -> None:
        self.view = _memory(size)
        self.scratch = _memory(size)


def _memory(size: int) -> memoryview:
    """Memory of which only what is used is ever taken: most packages are smaller than berths."""
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class Pipeline(Closing, Generic[T]):
    """Berths, threads and a queue; a context manager that leaves no thread behind.

    Args:
        threads: How many threads work.
        berth_size: Size of each buffer, in bytes.
        sink: Called with each result, in order, by the thread that submits.
    """

    def __init__(self, *, threads: int, berth_size: int, sink: Callable[[T], None]) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mlpkg")
        self._free: list[Berth] = []
        self._berths_left = max(BERTHS_LEAST, 2 * threads + 1)
        self._berth_size = berth_size
        self._queue: deque[tuple[Berth, Future[T]]] = deque()
        self._sink = sink

    def take_berth(self) -> Berth:
        """A free berth; finishes the oldest work until there is one."""
        if not self._free and self._berths_left:
            self._berths_left -= 1
            return Berth(self._berth_size)
        while not self._free:
            self._finish_oldest()
        return self._free.pop()

    def give_back(self, berth: Berth) -> None:
        """Return a berth that turned out not to be needed."""
        self._free.append(berth)

    def submit(self, berth: Berth, work: Callable[[], T]) -> None:
        """Have a thread do the work; the berth is free again when its result was taken."""
        self._queue.append((berth, self._pool.submit(work)))

    def drain(self) -> None:
        """Finish all that was submitted."""
        self.drain_until(lambda: False)

    def drain_until(self, done: Callable[[], bool]) -> None:
        """Finish the oldest work, until a condition holds or nothing is left."""
        while self._queue and not done():
            self._finish_oldest()

    def _finish_oldest(self) -> None:
        berth, future = self._queue.popleft()
        self._sink(future.result())
        self._free.append(berth)

    def close(self) -> None:
        """Stop the threads; work that has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._queue.clear()
