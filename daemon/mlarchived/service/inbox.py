"""What the main loop is told: by signals, and by other threads. Nothing is lost, nobody waits.

A signal's handler only notes a word and lets the system write into a pipe, because a handler that
took a lock could wait for the very code that it interrupted.
"""

import contextlib
import os
import select
import signal
from collections import deque
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Literal, TypeAlias

Word: TypeAlias = Literal["stop", "reload"]

_MEANINGS: Mapping[signal.Signals, Word] = {
    signal.SIGTERM: "stop",
    signal.SIGINT: "stop",
    signal.SIGHUP: "reload",
}
_MANY = 4096


class Inbox:
    """Words for the main loop, in their order."""

    def __init__(self) -> None:
        self._words: deque[Word] = deque()
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._out)
        os.close(self._in)

    def post(self, word: Word) -> None:
        """Tell the main loop something, from any thread."""
        self._words.append(word)
        # A full pipe wakes the reader as well.
        with contextlib.suppress(BlockingIOError):
            os.write(self._in, b"x")

    def wait(self, seconds: float) -> list[Word]:
        """The words that have come, as soon as there is one; none after some time, or before."""
        if not self._words:
            select.select([self._out], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._out, _MANY):
                pass
        found = []
        while self._words:
            found.append(self._words.popleft())
        return found

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for signals; the main thread only."""
        before = {number: signal.signal(number, self._hear) for number in _MEANINGS}
        waker = signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(waker)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._words.append(_MEANINGS[signal.Signals(number)])
