"""Stopping between two steps when the process is asked to, and at once when it is asked twice."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from mlarchive.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Whether the process was asked to stop."""

    def __init__(self) -> None:
        self._asked = False

    def check(self) -> None:
        """Go on, or stop here.

        Raises:
            Interrupted: The process was asked to stop.
        """
        if self._asked:
            raise Interrupted(
                "stopped when asked to; what was begun is finished",
                hint="run the same command again: it goes on from here",
            )

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for SIGINT and SIGTERM; the main thread only."""
        before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._asked:
            raise Interrupted(
                "stopped at once when asked twice; what was half done is not visible anywhere",
                hint="run the same command again: it finishes or removes what was half done",
            )
        self._asked = True
