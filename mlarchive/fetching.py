"""Streams whose opening waits for a server, opened ahead by threads and handed over in order.

A server answers a hundred small questions one after another in a hundred round trips, or in a few
if several are asked at once. What is fetched ahead is held in memory, so that is bounded; a long
file is opened when its turn comes, and streamed.
"""

import io
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from mlarchive.records import File
from mlarchive.snapshot import Stream
from mlarchive.threads import Threads

if TYPE_CHECKING:
    from concurrent.futures import Future

AT_ONCE = 8
"""Questions that a server is asked at the same time."""

WHOLE_BELOW = 1 << 20
"""Bytes: a shorter file is fetched whole ahead of its turn."""


def fetched_ahead(streams: Sequence[Stream]) -> Iterator[Stream]:
    """The same streams in the same order; to be opened and closed one after another.

    What fails ahead fails when its stream is opened. Streams that do not wait are left as they are.
    """
    if not any(map(_is_fetched, streams)):
        yield from streams
        return
    pool = Threads(AT_ONCE, thread_name_prefix="fetch")
    try:
        coming = iter(streams)
        ahead: deque[tuple[Stream, Future[bytes] | None]] = deque()
        for stream in coming:
            ahead.append((stream, pool.submit(_whole, stream) if _is_fetched(stream) else None))
            if len(ahead) > AT_ONCE:
                yield _opened(*ahead.popleft())
        while ahead:
            yield _opened(*ahead.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _is_fetched(stream: Stream) -> bool:
    if not stream.waits:
        return False
    return not isinstance(stream.entry, File) or 0 <= stream.entry.size < WHOLE_BELOW


def _whole(stream: Stream) -> bytes:
    with stream.open() as source:
        return source.read()


def _opened(stream: Stream, whole: "Future[bytes] | None") -> Stream:
    if whole is None:
        return stream

    def open_fetched() -> BinaryIO:
        # What nobody fetched any more, since the streams ended before it was its turn.
        return stream.open() if whole.cancelled() else io.BytesIO(whole.result())

    return replace(stream, open=open_fetched)
