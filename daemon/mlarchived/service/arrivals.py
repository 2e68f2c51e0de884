"""Telling a mirror that something came into its vault, often enough and not too often."""

from collections.abc import Callable

from mlarchived.events import Ended
from mlarchived.service.happenings import Happening, Tell

_PART = 8
"""It is told again when a so manieth part of what came is new."""


class Arrivals:
    """Rings for what is taken in: for the first at once, then whenever there is an eighth more.

    A round looks at everything that the vault holds, so that one for each would cost too much; and
    what came first should not wait for the last of ten thousand.
    """

    def __init__(self, tell: Tell, ring: Callable[[], object]) -> None:
        self._tell = tell
        self._ring = ring
        self._taken = 0
        self._rung_for = 0

    def take(self, event: Happening) -> None:
        """Take what happened, and pass it on."""
        self._tell(event)
        if isinstance(event, Ended) and event.outcome == "taken":
            self._taken += 1
            if self._taken - self._rung_for > self._taken // _PART:
                self.end()

    def end(self) -> None:
        """Nothing more will come now."""
        if self._taken > self._rung_for:
            self._rung_for = self._taken
            self._ring()
