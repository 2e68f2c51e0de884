"""Circuit breakers: a target that is down is left alone, and tried again now and then.

One for each target, whatever mirrors write to it. It opens after some failures in a row that say
that the target is down; while it is open nothing is asked there. When its pause is over it is half
open: the next who comes may try. One answer closes it; a failure opens it for twice as long.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from mlarchive.errors import MlarchiveError, UnavailableError

FAILURES = 3
"""After so many in a row that say that it is down, a target is left alone."""


class BreakerMoved(Struct, frozen=True, kw_only=True, tag_field="event", tag="breaker"):
    """A target is left alone from now on, or is well again.

    Attributes:
        target: Its name.
        state: `open`: nothing is asked there; `closed`: all is as usual.
        reason: Why it opened; "" if it closed.
        seconds: How long nothing is asked there; 0 if it closed.
    """

    target: str
    state: Literal["open", "closed"]
    reason: str = ""
    seconds: float = 0.0


class Breaker:
    """Whether one target may be asked. Safe to use from several threads."""

    def __init__(
        self,
        target: str,
        pauses: "Pauses",
        clock: Callable[[], float],
        tell: Callable[[BreakerMoved], None],
    ) -> None:
        """Begin closed.

        Args:
            target: Its name.
            pauses: How long it is left alone.
            clock: Seconds on a clock that is never set.
            tell: Is told when it opens and closes.
        """
        self._target = target
        self._pauses = pauses
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = 0.0
        self._until = 0.0
        self._trying = False
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether nothing may be asked there now."""
        return self.left > 0

    @property
    def left(self) -> float:
        """Seconds until somebody may try; 0 while it may be asked."""
        with self._lock:
            return max(0.0, self._until - self._clock()) if self._pause else 0.0

    def refusal(self) -> MlarchiveError | None:
        """Why nothing may be asked there now; None if it may be: then the caller tries."""
        with self._lock:
            if not self._pause:
                return None
            left = self._until - self._clock()
            if left > 0:
                return UnavailableError(
                    f"{self._target} is left alone for another {left:.0f} s: {self._reason}",
                    hint="it is tried again by itself; `mlarchived sync-now` tries it at once",
                )
            # Others wait for what comes of it, or, where it asks nothing, for another pause.
            self._trying, self._until = True, self._clock() + self._pause
            return None

    def erred(self, error: MlarchiveError) -> None:
        """It was asked, and an error came of it; who refuses is not down."""
        if isinstance(error, UnavailableError):
            self._failed(error)
        else:
            self.answered()

    def answered(self) -> None:
        """It was asked, and answered."""
        with self._lock:
            was_open = self._pause > 0
            self._failures, self._pause, self._trying, self._reason = 0, 0.0, False, ""
        if was_open:
            self._tell(BreakerMoved(target=self._target, state="closed"))

    def let_try(self) -> None:
        """Whoever comes next may try, whatever its pause."""
        with self._lock:
            self._until = self._clock()

    def _failed(self, error: UnavailableError) -> None:
        with self._lock:
            self._failures += 1
            if self._pause and not self._trying:
                return
            if not self._trying and self._failures < FAILURES:
                return
            self._pause = self._pauses.after(self._pause)
            self._until = self._clock() + self._pause
            self._trying, self._reason = False, error.message
            moved = BreakerMoved(
                target=self._target, state="open", reason=error.message, seconds=self._pause
            )
        self._tell(moved)


class Pauses(Struct, frozen=True, kw_only=True):
    """How long a target that is down is left alone.

    Attributes:
        first: Seconds for the first time; it doubles each time that it is still down.
        most: Seconds at most.
    """

    first: float = 10.0
    most: float = 900.0

    def after(self, before: float) -> float:
        """Seconds, after a pause of so many; 0 for none."""
        return min(self.most, 2 * before or self.first)


_USUAL = Pauses()


class Breakers:
    """The breakers of all targets, by name; made as they are asked for."""

    def __init__(
        self,
        pauses: Pauses = _USUAL,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[BreakerMoved], None] = lambda _: None,
    ) -> None:
        """Know of none yet; arguments as of `Breaker`."""
        self.pauses = pauses
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._known: dict[str, Breaker] = {}

    def of(self, target: str) -> Breaker:
        """The breaker of a target."""
        with self._lock:
            if target not in self._known:
                self._known[target] = Breaker(target, self.pauses, self._clock, self._tell)
            return self._known[target]

    def forget(self, pauses: Pauses) -> None:
        """Begin anew with all closed: the configuration may name other places now."""
        with self._lock:
            self.pauses = pauses
            self._known.clear()
