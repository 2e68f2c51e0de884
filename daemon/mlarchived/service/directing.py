"""What a running service does when it is asked: says how it stands, or hurries."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from mlarchive.errors import MlarchiveError, UnavailableError
from mlarchived.breakers import Breakers
from mlarchived.condition import standings_of
from mlarchived.control import Request, ServiceState, WorkerState
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob, Setting, chosen
from mlarchived.service.crew import Crew
from mlarchived.service.paces import Paces
from mlarchived.views import VAULT


class Directions:
    """Handles requests, in the control socket's thread."""

    def __init__(
        self,
        crew: Crew,
        next_of: Callable[[str], datetime | None],
        breakers: Breakers,
        paces: Paces,
        ailments: Callable[[], Mapping[str, MlarchiveError]],
    ) -> None:
        """Direct nobody yet: `setting` comes first; `refused` is why a newer one was not taken up.

        Args:
            crew: The workers.
            next_of: When a bell rings next.
            breakers: Which targets are left alone.
            paces: How long objects took lately.
            ailments: What of the service itself is not well, by its part.
        """
        self.setting: Setting | None = None
        self.stopping = False
        self.refused = ""
        self._crew = crew
        self._next_of = next_of
        self._breakers = breakers
        self._paces = paces
        self._ailments = ailments

    def handle(self, request: Request) -> Any:  # noqa: ANN401  (as the verb has it)
        """Do what is asked.

        Raises:
            UsageError: There is no such mirror.
            UnavailableError: It is to hurry, and is being stopped.
            MlarchiveError: The ledger cannot be used.
        """
        if request.verb == "service":
            return msgspec.to_builtins(
                ServiceState(stopping=self.stopping, refused=self.refused, ailments=self._unwell())
            )
        assert self.setting  # noqa: S101  (the socket opens when there is one)
        jobs = chosen(self.setting, request.mirror)
        if request.verb == "sync-now":
            if self.stopping:
                raise UnavailableError(
                    "the service is being stopped: it ends the work at hand, and begins no other",
                    hint="the next start looks at every mirror at once",
                )
            self._ring(jobs)
            return None
        with Ledger.open(self.setting.state) as ledger:
            return msgspec.to_builtins(self._states(ledger, jobs))

    def _unwell(self) -> tuple[str, ...]:
        return tuple(f"{part}: {error.message}" for part, error in self._ailments().items())

    def _ring(self, jobs: list[MirrorJob]) -> None:
        for name in {place.name for job in jobs for place in job.targets}:
            self._breakers.of(name).let_try()
        for bell in self._crew.bells():
            kind, _, name = bell.partition(":")
            if kind in {"mirror", "drop"} and name in {job.name for job in jobs}:
                self._crew.ring(bell)

    def _states(self, ledger: Ledger, jobs: list[MirrorJob]) -> list[WorkerState]:
        names = {job.name for job in jobs}
        paused = {name: ledger.paused(name) for name in names}
        standings = {job.name: standings_of(job, ledger) for job in jobs}
        states = []
        for post, worker in self._crew.members():
            if post.mirror and post.mirror not in names:
                continue
            at = self._next_of(post.bell)
            target = post.target or VAULT
            standing = standings.get(post.mirror, {}).get(target)
            if not worker.name.startswith("mirror:"):
                standing = None
            states.append(
                WorkerState(
                    worker=worker.name,
                    mirror=post.mirror,
                    busy=worker.busy,
                    paused=paused.get(post.mirror, ""),
                    next_at=int(at.timestamp() * 1000) if at else 0,
                    failures=worker.failures,
                    left_alone=round(self._breakers.of(post.target).left, 1) if post.target else 0,
                    clearing=self._paces.clearing(post.mirror, target, standing.behind)
                    if standing
                    else None,
                )
            )
        return states
