"""Chunks decoded ahead of their use, by several threads, in bounded memory.

Keyed by row; a chunk that several objects share, one after another, is decoded once. Safe to use
from several threads.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from mlarchive.package.buffers import Buffer

BUDGET = 48 << 20
"""Bytes of decoded chunks that are kept or on their way, or a single chunk if it is longer."""

MOST = 32
"""Chunks that are begun ahead at most, however short."""


class ReadAhead:
    """Loads chunks by number and keeps the last few.

    Args:
        load: Reads, checks and decodes the chunk of a row.
        length: Says how long that will be.
        threads: How many chunks are loaded at once.
    """

    def __init__(
        self, load: Callable[[int], Buffer], length: Callable[[int], int], *, threads: int
    ) -> None:
        self._load = load
        self._length = length
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._chunks: OrderedDict[int, Future[Buffer]] = OrderedDict()
        self._held = 0

    def get(self, row: int, upcoming: Iterable[int] = ()) -> Buffer:
        """The chunk of a row; those that are likely next are begun.

        Args:
            row: The row wanted now.
            upcoming: Rows that will be wanted soon, the next one first; as many are begun as
                the budget allows, and no more than `MOST`.
        """
        with self._lock:
            future = self._begin(row)
            wanted = self._length(row)
            for number in islice(upcoming, MOST):
                wanted += self._length(number)
                if wanted > BUDGET:
                    break
                self._begin(number)
            while self._held > BUDGET and len(self._chunks) > 1:
                oldest, _ = self._chunks.popitem(last=False)
                self._held -= self._length(oldest)
        return future.result()

    def _begin(self, row: int) -> "Future[Buffer]":
        future = self._chunks.get(row)
        if future is None:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="mlpkg-read")
            future = self._chunks[row] = self._pool.submit(self._load, row)
            self._held += self._length(row)
        self._chunks.move_to_end(row)
        return future

    def close(self) -> None:
        """Stop the threads and forget the chunks."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
                self._pool = None
            self._chunks.clear()
            self._held = 0
