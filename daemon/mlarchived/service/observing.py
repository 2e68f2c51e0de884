"""Who wants to know what happens: logs, metrics, notifications, the service manager."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from mlarchive.errors import MlarchiveError
from mlarchived.defects import unexpected
from mlarchived.mirrors import Setting
from mlarchived.service.happenings import (
    OBSERVER,
    Beat,
    Happening,
    Recovered,
    Troubled,
    is_of_configuration,
)

AGAIN = 60.0
"""Seconds after which who could not do as the configuration says is given it again."""


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


@runtime_checkable
class Ailing(Protocol):
    """An observer that can tell what it cannot do."""

    def failures(self) -> Mapping[str, MlarchiveError]:
        """What it cannot do just now, and why, by the part of the service that fails."""


class Observers:
    """Passes everything on to each observer; one that fails costs itself alone.

    What one of them cannot do is told once, and once more when it is well again. Those that a
    configuration made ill are given it again each minute, and all of them at each reload.

    Attributes:
        ailments: What cannot be done just now, and why, by the part of the service.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._all = tuple(observers)
        self._observers = list(observers)
        self._dismissed: dict[str, MlarchiveError] = {}
        self._setting: Setting | None = None
        self._tried_at = 0.0
        self._lock = threading.RLock()
        self.ailments: Mapping[str, MlarchiveError] = {}

    def configured(self, setting: Setting) -> None:
        """A configuration is in force; who was dismissed is asked again."""
        with self._lock:
            self._setting, self._tried_at = setting, time.monotonic()
            self._observers = list(self._all)
            self._dismissed = {}
            self._each(lambda observer: observer.configured(setting))
            self._examine()

    def take(self, happening: Happening) -> None:
        """Something happened."""
        self._each(lambda observer: observer.take(happening))
        if isinstance(happening, Beat):
            with self._lock:
                self._try_again()
                self._examine()

    def close(self) -> None:
        """Nothing more will happen, but that what nobody took in time is told."""
        self._each(lambda observer: observer.close())
        self._examine()

    def _try_again(self) -> None:
        setting, now = self._setting, time.monotonic()
        ill = any(is_of_configuration(part) for part in self.ailments)
        if setting and ill and now - self._tried_at >= AGAIN:
            self._tried_at = now
            self._each(
                lambda observer: (
                    observer.configured(setting) if isinstance(observer, Ailing) else None
                )
            )

    def _examine(self) -> None:
        """Tell what has come to be ill, or well again."""
        found: dict[str, MlarchiveError] = {}

        def ask(observer: Observer) -> None:
            if isinstance(observer, Ailing):
                found.update(observer.failures())

        with self._lock:
            self._each(ask)
            found.update(self._dismissed)
            known, self.ailments = self.ailments, found
            for part, error in found.items():
                if part not in known or known[part].message != error.message:
                    self._tell(part, error)
            for part in known.keys() - found.keys():
                self.take(Recovered(part=part))

    def _each(self, tell: Callable[[Observer], None]) -> None:
        with self._lock:
            for observer in list(self._observers):
                try:
                    tell(observer)
                except Exception as error:  # noqa: BLE001  (an observer must not stop the service)
                    self._dismiss(observer, error)

    def _dismiss(self, observer: Observer, error: Exception) -> None:
        if observer not in self._observers:
            return
        self._observers.remove(observer)
        defect = unexpected(error)
        reason = f"{type(observer).__name__} is told nothing any more: {defect.message}"
        self._dismissed[OBSERVER] = MlarchiveError(reason, hint=defect.hint)
        self._examine()

    def _tell(self, part: str, error: MlarchiveError) -> None:
        self.take(Troubled(part=part, reason=error.message, hint=error.hint, code=error.code))
