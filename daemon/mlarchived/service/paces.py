"""How long objects took at a target lately, and so when a backlog is cleared."""

import threading

from mlarchived.events import WORKED, Ended
from mlarchived.mirrors import Setting
from mlarchived.service.happenings import Happening

_WEIGHT = 0.2
"""Of the last object in the average."""


class Paces:
    """An `Observer` that others read from; safe to read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str], float] = {}

    def configured(self, setting: Setting) -> None:
        """What was learned stays."""

    def take(self, happening: Happening) -> None:
        """Learn from an object that was packed or written."""
        if not isinstance(happening, Ended) or happening.outcome not in WORKED:
            return
        there = (happening.mirror, happening.target)
        with self._lock:
            before = self._seconds.get(there, happening.seconds)
            self._seconds[there] = before + _WEIGHT * (happening.seconds - before)

    def close(self) -> None:
        """What was learned stays."""

    def clearing(self, mirror: str, target: str, behind: int) -> float | None:
        """Seconds that so many objects will take; None if none was moved yet."""
        with self._lock:
            each = self._seconds.get((mirror, target))
        return None if each is None else behind * each
