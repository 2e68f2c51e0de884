"""The workers: who is at what post, who comes, stays and goes with a configuration."""

import time
from collections.abc import Mapping

from msgspec import Struct

from mlarchived.schedules import Schedule
from mlarchived.service.worker import Work, Worker


class Post(Struct, frozen=True, kw_only=True):
    """What is to be done by a worker; where two are equal, the worker can stay.

    Attributes:
        bell: What rings for it; workers of one bell are due together.
        schedule: When that rings.
        what: All of the configuration that the work depends on.
        mirror: The mirror that it works on; "" for none.
        target: The target that it writes to; "" for none.
    """

    bell: str
    schedule: Schedule
    what: object
    mirror: str = ""
    target: str = ""


Posts = Mapping[str, tuple[Post, Work]]
"""By the worker's name."""


class Crew:
    """The workers, by name. For the main thread; `ring` for any."""

    def __init__(self) -> None:
        self._workers: dict[str, tuple[Post, Worker]] = {}
        self._leaving: list[Worker] = []

    def take_up(self, posts: Posts) -> dict[str, Schedule]:
        """Let workers come, stay and go; nobody waits for those who go.

        Returns:
            The bells that must ring from now on for somebody new, by name.
        """
        bells = {}
        workers = dict(self._workers)
        for name, (post, work) in posts.items():
            before = workers.pop(name, None)
            if before and before[0] == post:
                continue
            worker = Worker(name, work, after=before[1] if before else None)
            if before:
                self._let_go(before[1])
            self._workers[name] = (post, worker)
            worker.start()
            bells[post.bell] = post.schedule
        for name, (_, worker) in workers.items():
            self._let_go(worker)
            del self._workers[name]
        return bells

    def bells(self) -> set[str]:
        """What rings for somebody."""
        return {post.bell for post, _ in self._workers.values()}

    def ring(self, bell: str) -> list[str]:
        """All workers of a bell are due; which of them are still busy with the time before."""
        at = time.monotonic()
        mine = [worker for post, worker in list(self._workers.values()) if post.bell == bell]
        return [worker.name for worker in mine if not worker.tick(at)]

    def members(self) -> list[tuple[Post, Worker]]:
        """Everybody at a post, by name."""
        return [self._workers[name] for name in sorted(self._workers)]

    def dead(self) -> list[str]:
        """Who should be alive, and is not."""
        self._leaving = [worker for worker in self._leaving if worker.alive]
        return [worker.name for _, worker in self.members() if not worker.alive]

    def stop(self) -> None:
        """Let everybody end after the present step."""
        for _, worker in self.members():
            self._let_go(worker)

    def left(self) -> list[str]:
        """Who was let go, and has not ended."""
        return [worker.name for worker in self._leaving if worker.alive]

    def _let_go(self, worker: Worker) -> None:
        worker.stop()
        self._leaving.append(worker)
