"""A line on a terminal that says how far a command is: bytes, rate, time left."""

import time
from typing import TextIO

from mlarchive.cli.wording import duration, size

_EVERY_SECONDS = 0.1
_SETTLED_SECONDS = 1.0


class Bar:
    """Draws over itself at most ten times a second."""

    def __init__(self, terminal: TextIO, doing: str, total: int) -> None:
        self._terminal = terminal
        self._doing = doing
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._drawn = 0.0

    def advance(self, count: int) -> None:
        """Some more bytes are done."""
        self._done += count
        now = time.monotonic()
        if now - self._drawn >= _EVERY_SECONDS:
            self._drawn = now
            self._terminal.write(
                f"\r\x1b[K{line(self._doing, self._done, self._total, now - self._started)}"
            )
            self._terminal.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()


def line(doing: str, done: int, total: int, seconds: float) -> str:
    """What the terminal shows.

    Args:
        doing: What is done.
        done: Bytes so far.
        total: Bytes in all, -1 if unknown.
        seconds: Since the start.
    """
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{doing} {size(done)}"]
    if total > 0:
        parts[0] += f" of {size(total)} ({min(100, 100 * done // total)} %)"
    if rate and seconds >= _SETTLED_SECONDS:
        parts.append(f"{size(int(rate))}/s")
        if total > done:
            parts.append(f"{duration((total - done) / rate)} left")
    return ", ".join(parts)
