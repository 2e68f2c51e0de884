"""What workers do: rounds of mirrors, and tasks; told to observers, failures and all."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import msgspec
from msgspec import Struct, structs

from mlarchive.errors import Interrupted, MlarchiveError
from mlarchived.breakers import Breakers
from mlarchived.defects import contained
from mlarchived.drop.intake import Intake, Pass
from mlarchived.drop.receiving import pause, receive
from mlarchived.drop.watch import Watch, identity_of, is_remote
from mlarchived.events import Ended
from mlarchived.lanes import Shared, lanes
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob, Setting
from mlarchived.once import Circumstances, do_round
from mlarchived.schedules import Schedule
from mlarchived.service.arrivals import Arrivals
from mlarchived.service.crew import Post, Posts
from mlarchived.service.happenings import Happening, RoundBegan, RoundEnded, Tell
from mlarchived.service.tasks import Task, TaskCircumstances
from mlarchived.service.worker import Again, Backoff, Work, Worker


class Failures:
    """Counts what fails in a round, and passes everything on.

    Attributes:
        count: How many steps failed.
        may_pass: Whether any of that may pass by itself.
        pause: Seconds for which a target is left alone; 0 if it is not.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.count = 0
        self.may_pass = False
        self.pause = 0.0

    def take(self, event: Happening) -> None:
        """Take what happened."""
        if isinstance(event, Ended) and event.outcome in {"failed", "quarantined"}:
            self.count += 1
            self.may_pass |= event.retryable
        self._tell(event)


class Terms(Struct, frozen=True, kw_only=True):
    """On what terms workers work.

    Attributes:
        setting: The configuration in force.
        environment: Where registries' clients look for credentials.
        tell: Takes what happens.
        backoff: How long to wait after a failure that may pass.
        ring: Rings a bell.
        packing: Limits how many objects are packed at a time.
        breakers: Which targets are left alone.
    """

    setting: Setting
    environment: Mapping[str, str]
    tell: Tell
    backoff: Backoff
    ring: Callable[[str], object]
    packing: threading.Semaphore
    breakers: Breakers


def posts(setting: Setting, terms: Terms, tasks: Sequence[Task]) -> Posts:
    """Who is needed for a configuration: one worker for each lane, drop folder and task."""
    wanted: dict[str, tuple[Post, Work]] = {}
    for job in setting.jobs:
        split = lanes(job)
        shared = Shared(split, terms.packing)
        what = (job, terms.backoff)
        post = Post(bell=f"mirror:{job.name}", schedule=job.schedule, what=what, mirror=job.name)
        for lane, part in split.items():
            of_lane = msgspec.structs.replace(post, target=lane) if part.targets else post
            wanted[f"mirror:{job.name}/{lane}"] = of_lane, mirroring(part, shared, terms)
        if job.drop:
            schedule = Schedule(every=job.drop.rescan)
            name = f"drop:{job.name}"
            post = Post(bell=name, schedule=schedule, what=what, mirror=job.name)
            wanted[name] = post, receiving(job, terms)
    for task in tasks:
        # A task may depend on anything that the configuration says.
        name = f"task:{task.name}"
        post = Post(bell=name, schedule=task.schedule, what=(task.name, setting))
        wanted[name] = post, tasking(task, terms)
    return wanted


def mirroring(job: MirrorJob, shared: Shared, terms: Terms) -> Work:
    """Rounds of one lane of a mirror."""

    def work(worker: Worker, before: int) -> Again:
        failures = Failures(terms.tell)
        around = replace(
            _circumstances(terms, worker, failures), shared=shared, due=worker.due_since
        )

        def do() -> None:
            with Ledger.open(around.state) as ledger:
                if not ledger.paused(job.name):
                    do_round(job, ledger, around)
            failures.pause = max((terms.breakers.of(p.name).left for p in job.targets), default=0)

        return _told(worker.name, job.name, do, failures, terms, before)

    return work


def receiving(job: MirrorJob, terms: Terms) -> Work:
    """Looks at the drop folder of a mirror, whose rounds are rung for when something came."""
    assert job.drop  # noqa: S101  (mirrors without one are not asked)
    drop = job.drop
    intake = Intake(job.name, drop)
    watches: list[Watch] = []
    unwatchable = False

    def arm(worker: Worker) -> None:
        nonlocal unwatchable
        if unwatchable or drop.poll or is_remote(drop.folder):
            return
        if not watches:
            watches.append(Watch(drop.folder, worker.tick))
            worker.closing.callback(watches[0].close)
        try:
            watches[0].arm()
        except PermissionError:
            # Something in it may not be read: every `rescan` says what, and finds what else came.
            watches.pop().close()
            unwatchable = True

    def look(worker: Worker, failures: Failures) -> Pass:
        around = _circumstances(terms, worker, failures)
        return receive(job, intake, around, partial(arm, worker))

    def work(worker: Worker, before: int) -> Again:
        arrivals = Arrivals(terms.tell, lambda: terms.ring(f"mirror:{job.name}"))
        failures = Failures(arrivals.take)
        passes: list[Pass] = []
        seen = identity_of(drop.folder)
        again = _told(
            worker.name,
            job.name,
            lambda: passes.append(look(worker, failures)),
            failures,
            terms,
            before,
        )
        arrivals.end()
        if any(found.pending for found in passes) or not (watches or unwatchable or again.failed):
            # Without hints, scans alone find what comes.
            return Again(seconds=pause(drop.settle), failed=again.failed)
        # Of another folder in its place, or one that is there at last, no hint comes.
        return structs.replace(again, sooner=lambda: identity_of(drop.folder) != seen)

    return work


def tasking(task: Task, terms: Terms) -> Work:
    """A task, again and again."""

    def work(worker: Worker, before: int) -> Again:
        failures = Failures(terms.tell)
        around = TaskCircumstances(
            setting=terms.setting,
            environment=terms.environment,
            stopping=worker.stopping,
            tell=failures.take,
        )
        return _told(worker.name, "", lambda: task.do(around), failures, terms, before)

    return work


def _circumstances(terms: Terms, worker: Worker, failures: Failures) -> Circumstances:
    return Circumstances(
        state=terms.setting.state,
        environment=terms.environment,
        stopping=worker.stopping,
        report=failures.take,
        breakers=terms.breakers,
    )


def _told(  # noqa: PLR0913, PLR0917  (what is told of a round)
    worker: str,
    mirror: str,
    work: Callable[[], None],
    failures: Failures,
    terms: Terms,
    before: int,
) -> Again:
    tell = terms.tell
    tell(RoundBegan(worker=worker, mirror=mirror))
    began = time.monotonic()
    broke: MlarchiveError | None = None
    try:
        with contained():
            work()
    except Interrupted:
        pass
    except MlarchiveError as error:
        broke = error
    again = failures.may_pass or (broke is not None and broke.retryable)
    wait = (failures.pause or terms.backoff.after(before + 1)) if again else 0.0
    tell(
        RoundEnded(
            worker=worker,
            mirror=mirror,
            seconds=round(time.monotonic() - began, 3),
            failed=failures.count,
            error=broke.message if broke else "",
            hint=broke.hint if broke else "",
            code=broke.code if broke else "",
            again_in=round(wait, 3),
        )
    )
    return Again(seconds=wait, failed=again)
