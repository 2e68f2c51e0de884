"""Threads that do what another one gives them, and end where that one is to end."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """Threads whose waits ask whether to go on as those of the thread do that gives them work."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a thread do something."""
        return super().submit(copy_context().run, partial(fn, *args, **kwargs))
