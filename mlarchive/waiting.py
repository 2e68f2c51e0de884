"""Waiting for what somebody else holds: whoever watches hears of it, and who is told to stop does.

Knows nothing of locks, processes or screens.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_SAID_AFTER = 2.0
"""Seconds after which a person wants to know what is waited for."""

_FIRST_NAP, _LAST_NAP = 0.002, 0.05
"""Seconds between two tries; what is held for moments is tried again soon."""

_CHECK: ContextVar[Callable[[], object]] = ContextVar("check", default=bool)
_WATCHING: list[Callable[[str], object]] = []


def watch(tell: Callable[[str], object]) -> None:
    """Have a line told of each wait of this process that takes long, and of no one else's."""
    _WATCHING[:] = [tell]


@contextlib.contextmanager
def stoppable(check: Callable[[], object]) -> Iterator[None]:
    """Ask in each wait of this thread within the block, again and again, whether to go on.

    Args:
        check: Raises if not.
    """
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


def wait(is_over: Callable[[], bool], what: str, *, seconds: float = math.inf) -> bool:
    """Wait until something is so; whether it is.

    Args:
        is_over: Whether it is.
        what: Is waited for, as a person would say it.
        seconds: For how long at most.

    Raises:
        Exception: As the check says.
    """
    began, nap, said = time.monotonic(), _FIRST_NAP, False
    while not is_over():
        _CHECK.get()()
        passed = time.monotonic() - began
        if passed >= seconds:
            return False
        if passed >= _SAID_AFTER and not said:
            said = True
            for tell in _WATCHING:
                tell(f"waiting for {what}")
        time.sleep(nap)
        nap = min(2 * nap, _LAST_NAP)
    return True


def pause(seconds: float, what: str) -> None:
    """Do nothing for some time.

    Args:
        seconds: How long.
        what: Is waited for, as a person would say it.

    Raises:
        Exception: As the check says.
    """
    wait(bool, what, seconds=seconds)
