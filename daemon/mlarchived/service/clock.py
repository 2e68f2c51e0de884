"""The clock: APScheduler says when something is due, and does nothing else.

Its threads only ring; long work would make it miss its next times. What is due while the process
sleeps or the clock is set rings once, late, and is not dropped.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from mlarchived.schedules import Schedule

_SPREAD = 30.0
"""Seconds over which first times are spread at most, where many things are due at the start."""

_EACH = 0.2
"""Seconds by which one thing more spreads them."""


class Clock:
    """Rings for each name at its times."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    @property
    def running(self) -> bool:
        """Whether it can ring."""
        thread = getattr(self._scheduler, "_thread", None)
        return bool(self._scheduler.running and thread and thread.is_alive())

    def start(self) -> None:
        """Begin to ring."""
        self._scheduler.start()

    def stop(self) -> None:
        """Never ring again."""
        self._scheduler.shutdown(wait=False)

    def set(self, name: str, schedule: Schedule, ring: Callable[[], None], *, among: int) -> None:
        """Ring soon, and at the times of a schedule from then on.

        Args:
            name: In place of what rang under this name before.
            schedule: When.
            ring: Must be quick.
            among: How many are set at the same time.
        """
        spread = min(_SPREAD, _EACH * (among - 1))
        first = datetime.now(UTC) + timedelta(seconds=random.uniform(0, spread))  # noqa: S311  (no secret)
        self._scheduler.add_job(
            ring, schedule.trigger(), id=name, next_run_time=first, replace_existing=True
        )

    def forget(self, name: str) -> None:
        """Do not ring for a name any more."""
        if self._scheduler.get_job(name):
            self._scheduler.remove_job(name)

    def next(self, name: str) -> datetime | None:
        """When it rings for a name next."""
        job = self._scheduler.get_job(name)
        return job.next_run_time if job else None
