"""One round of one mirror: look, plan, carry out, and write down how it stands.

`mlarchived once` does a round of each mirror; the service will do nothing else, on a clock.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive import fsops, waiting
from mlarchive.errors import DamageError, Interrupted, MlarchiveError
from mlarchive.registries.base import owed
from mlarchive.registries.opening import packing_time
from mlarchived import gather
from mlarchived.breakers import Breakers
from mlarchived.debts import Debts, owing
from mlarchived.defects import contained
from mlarchived.events import Report
from mlarchived.execute import Executor
from mlarchived.lanes import Shared
from mlarchived.ledger import LeaseLostError, Ledger, Record
from mlarchived.ledger.rehearsal import Rehearsal
from mlarchived.mirrors import MirrorJob
from mlarchived.plan import planned, unserved
from mlarchived.reporting import Reporter
from mlarchived.room import Room, opened
from mlarchived.sighting import Sighting
from mlarchived.standings import Standings
from mlarchived.steps import ObjectPlan
from mlarchived.stopping import Stopping
from mlarchived.stores import require_vault
from mlarchived.turns import Queue
from mlarchived.unnoted import note_all
from mlarchived.windows import closed
from mlarchived.worklist import Worklist

if TYPE_CHECKING:
    from mlarchive.records import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a round needs beside its mirror.

    Attributes:
        state: The state folder.
        environment: Where registries' clients look for credentials.
        stopping: Whether the process was asked to stop.
        report: Takes what happens.
        retry: Whether what was set aside or passed over is tried again.
        shared: What the mirror's lanes have in common.
        due: When the round was due, on `time.monotonic`.
        breakers: Which targets are left alone.
    """

    state: Path
    environment: Mapping[str, str]
    stopping: Stopping
    report: Report
    retry: bool = False
    shared: Shared | None = None
    due: float = field(default_factory=time.monotonic)
    breakers: Breakers = field(default_factory=Breakers)


def look(job: MirrorJob, ledger: Rehearsal, around: Circumstances) -> Iterator[ObjectPlan]:
    """What a round would do now, without doing it or leaving a trace.

    Args:
        job: The mirror.
        ledger: Learns what a round would learn.
        around: What the round needs beside its mirror.

    Raises:
        MlarchiveError: The source does not answer, or the vault cannot be read.
    """
    require_vault(job, ledger)
    ledger.called(job.name, job.destinations)
    with opened(job, around.state, around.environment, Shared(), around.breakers) as room:
        rules = job.rules(retry=around.retry)
        sighting = gather.shown(room)
        _note_seen(room, sighting, ledger, ledger.pen(job.name))
        views = gather.views(room, sighting, ledger, around.stopping, rules.now)
        for plan, _ in planned(views, rules, sighting.hiding()):
            yield plan
        _report_unread(room, sighting, around.report)
        _report_silence(room, around.report)


def do_round(job: MirrorJob, ledger: Ledger, around: Circumstances) -> None:
    """Bring a mirror up to date, as far as that can be done now.

    Raises:
        BusyError: Another process works on the mirror.
        Interrupted: The process was asked to stop.
        MlarchiveError: Nothing could be done, or no more could be done.
    """
    if why := closed(job.windows):
        Reporter(job.name, around.report).all_waits(why)
        return
    with (
        waiting.stoppable(around.stopping.check),
        ledger.record(job.name, shared=around.shared is not None) as record,
    ):
        _sweep(job, around.state)
        standings = Standings(job, around.report)
        try:
            require_vault(job, ledger)
            ledger.called(job.name, job.destinations)
            shared = around.shared or Shared([job.lane])
            with (
                contained(),
                opened(job, around.state, around.environment, shared, around.breakers) as room,
            ):
                _work(room, ledger, record, standings, around)
        except LeaseLostError:
            raise
        except Interrupted:
            # To be told to stop is no trouble; how things stand is known as far as it got.
            standings.write(record)
            raise
        except MlarchiveError as error:
            standings.write(record, trouble=error.message)
            raise
        standings.write(record, ended=True)


def _work(
    room: Room, ledger: Ledger, record: Record, standings: Standings, around: Circumstances
) -> None:
    sighting = room.shared.see(around.due, lambda: gather.shown(room))
    standings.not_all_seen(sighting.trouble())
    _note_seen(room, sighting, ledger, record)
    debts = Debts(room.job, record)
    executor = Executor(
        room=room,
        record=record,
        report=Reporter(room.job.name, standings.report),
        stopping=around.stopping,
        queue=Queue(in_order=room.job.policy.versions == "preserve", patient=room.job.patient),
        packed_at=packing_time(around.environment),
    )
    rules = room.job.rules(retry=around.retry)
    waiting: set[Address] = set()
    with Worklist() as worklist:
        views = gather.views(room, sighting, ledger, around.stopping, rules.now)
        for plan, view in planned(views, rules, sighting.hiding()):
            standings.planned(plan)
            debts.planned(plan, view)
            if unserved(plan):
                waiting.add(plan.address)
            if plan.works:
                worklist.put(plan, view)
            else:
                executor.rest(plan, view)
        debts.note()
        room.shared.needs(room.job.lane, waiting)
        needed = room.shared.needed()
        if needed is not None:
            room.store.tidy(needed)
            record.needed(needed)
        standings.all_planned()
        standings.write(record)
        try:
            for plan, view in worklist.take():
                if why := closed(room.job.windows):
                    executor.postpone(plan, view, why)
                else:
                    executor.carry_out(plan, view)
                standings.keep_up(record)
        finally:
            _report_silence(room, standings.report)
            _report_unread(room, sighting, standings.report)
    _require_nothing_owed(room)


def _note_seen(room: Room, sighting: Sighting, ledger: Ledger, record: Record) -> None:
    """Let the ledger learn what the source shows, and what the vault got of what is gone."""
    # What is no object yet, and may never be one, need not be remembered.
    known = (ref for ref in sighting if not (ref.unfinished or ref.unreadable))
    record.looked(
        known,
        sighting.digest(),
        asked=str(room.job.source.locator),
        whole=sighting.whole,
        before=partial(gather.before, room),
        owing=lambda anew: owing(room.job, sighting.of(anew)),
    )
    note_all(room, ledger, record)


def _require_nothing_owed(room: Room) -> None:
    """Say that a source could not tell of all that it should hold; the rest was done.

    Raises:
        MlarchiveError: It could not; of several reasons, the first.
    """
    for error in owed(room.source):
        raise error


def _report_silence(room: Room, report: Report) -> None:
    """Say which targets could not be served, or not be asked."""
    for target, thing, error in room.reach.failures():
        Reporter(room.job.name, report).failed(error, thing, target)


def _report_unread(room: Room, sighting: Sighting, report: Report) -> None:
    """Say what the source holds that cannot be read, and of what it did not show all."""
    for one in sighting.unread:
        error = DamageError(
            f"it cannot be opened: {one.why}",
            hint="while it lies there, nothing counts as gone from the source; repair or remove it",
        )
        Reporter(room.job.name, report).failed(error, one.what)
    for what, behind in sighting.lagging.items():
        Reporter(room.job.name, report).failed(behind, what)


def _sweep(job: MirrorJob, state: Path) -> None:
    """Clear what writers that were killed left behind."""
    for folder in (state, job.vault):
        if folder and folder.is_dir():
            fsops.remove_stale_temporaries(folder)
