"""Who wants to know what happens: logs, metrics, notifications, the service manager."""

import threading
from collections.abc import Sequence
from typing import Protocol

from mlarchived.defects import unexpected
from mlarchived.mirrors import Setting
from mlarchived.service.happenings import Happening, Troubled


class Observer(Protocol):
    """Is told all that happens, one thing after the other, never two at a time.

    It must be quick, since work waits for it; what takes long belongs into a thread of its own.
    """

    def configured(self, setting: Setting) -> None:
        """A configuration is in force: at the start, and after each reload."""

    def take(self, happening: Happening) -> None:
        """Something happened."""

    def close(self) -> None:
        """Nothing more will happen."""


class Observers:
    """Passes everything on to each observer; one that fails costs itself alone."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)
        self._lock = threading.RLock()

    def configured(self, setting: Setting) -> None:
        """A configuration is in force."""
        self._each(lambda observer: observer.configured(setting))

    def take(self, happening: Happening) -> None:
        """Something happened."""
        self._each(lambda observer: observer.take(happening))

    def close(self) -> None:
        """Nothing more will happen."""
        self._each(lambda observer: observer.close())

    def _each(self, tell) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        with self._lock:
            for observer in list(self._observers):
                try:
                    tell(observer)
                except Exception as error:  # noqa: BLE001  (an observer must not stop the service)
                    self._dismiss(observer, error)

    def _dismiss(self, observer: Observer, error: Exception) -> None:
        self._observers.remove(observer)
        defect = unexpected(error)
        reason = f"{type(observer).__name__} is told nothing any more: {defect.message}"
        self.take(Troubled(part="observer", reason=reason, hint=defect.hint, code=defect.code))
