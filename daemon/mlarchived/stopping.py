"""Stopping between two steps when asked to, and at once when the process is asked twice."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from mlarchive import waiting
from mlarchive.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NAP = 0.1


class Stopping:
    """Whether some work was asked to stop. Safe to use from several threads."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether it was asked to stop."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask it to stop before its next step."""
        self._asked.set()

    def check(self) -> None:
        """Go on, or stop here.

        Raises:
            Interrupted: It was asked to stop.
        """
        if self.asked:
            raise Interrupted(
                "stopped when asked to; what was begun is finished",
                hint="run the same command again: it goes on from here",
            )

    def wait(self, seconds: float) -> None:
        """Do nothing for some time, or until asked to stop."""
        until = time.monotonic() + seconds
        # A signal's handler could wait for a lock that this thread holds in `Event.wait`.
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _NAP))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for SIGINT and SIGTERM; the main thread only."""
        before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
        try:
            with waiting.stoppable(self.check):
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.asked:
            raise Interrupted(
                "stopped at once when asked twice; what was half done is not visible anywhere",
                hint="run the same command again: it finishes or removes what was half done",
            )
        self.ask()
