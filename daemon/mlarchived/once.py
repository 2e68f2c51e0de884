"""One round of one mirror: look, plan, carry out, and write down how it stands.

`mlarchived once` does a round of each mirror; the service will do nothing else, on a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlarchive import fsops
from mlarchive.errors import MlarchiveError
from mlarchive.registries.opening import packing_time
from mlarchived import gather
from mlarchived.events import Report
from mlarchived.execute import Executor
from mlarchived.ledger import LeaseLostError, Ledger, Record
from mlarchived.mirrors import MirrorJob
from mlarchived.plan import ObjectPlan, Queue, make_plan, unserved
from mlarchived.reporting import Reporter
from mlarchived.room import Room, opened
from mlarchived.standings import Standings
from mlarchived.stopping import Stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a round needs beside its mirror.

    Attributes:
        state: The state folder.
        environment: Where registries' clients look for credentials.
        stopping: Whether the process was asked to stop.
        report: Takes what happens.
        retry: Whether what was set aside or passed over is tried again.
    """

    state: Path
    environment: Mapping[str, str]
    stopping: Stopping
    report: Report
    retry: bool = False


def look(job: MirrorJob, ledger: Ledger, around: Circumstances) -> tuple[ObjectPlan, ...]:
    """What a round would do now, without doing it or leaving a trace.

    Raises:
        MlarchiveError: The source does not answer, or the vault cannot be read.
    """
    with opened(job, around.state, around.environment) as room:
        refs = gather.shown(room)
        views = gather.views(room, refs, ledger.known(job.name), around.stopping)
        _report_silence(room, around.report)
        return make_plan(views, job.rules(retry=around.retry))


def do_round(job: MirrorJob, ledger: Ledger, around: Circumstances) -> None:
    """Bring a mirror up to date, as far as that can be done now.

    Raises:
        BusyError: Another process works on the mirror.
        Interrupted: The process was asked to stop.
        MlarchiveError: Nothing could be done, or no more could be done.
    """
    with ledger.record(job.name) as record:
        _sweep(job, around.state)
        standings = Standings(job, around.report)
        try:
            with opened(job, around.state, around.environment) as room:
                _work(room, ledger.known(job.name), record, standings, around)
        except LeaseLostError:
            raise
        except MlarchiveError as error:
            standings.write(record, trouble=error.message)
            raise
        standings.write(record)


def _work(
    room: Room,
    known: gather.KnownObjects,
    record: Record,
    standings: Standings,
    around: Circumstances,
) -> None:
    refs = gather.shown(room)
    views = gather.views(room, refs, known, around.stopping)
    plans = make_plan(views, room.job.rules(retry=around.retry))
    record.looked(refs)
    standings.planned(plans)
    room.store.tidy(unserved(plans))
    standings.write(record)
    executor = Executor(
        room=room,
        record=record,
        report=Reporter(room.job.name, standings.report),
        stopping=around.stopping,
        queue=Queue(in_order=room.job.policy.versions == "preserve"),
        packed_at=packing_time(around.environment),
    )
    by_address = {view.address: view for view in views}
    try:
        for plan in plans:
            executor.carry_out(plan, by_address[plan.address])
    finally:
        _report_silence(room, standings.report)


def _report_silence(room: Room, report: Report) -> None:
    """Say which targets as a whole could not be served."""
    for target, error in room.reach.silent.items():
        Reporter(room.job.name, report).failed(error, "", target)


def _sweep(job: MirrorJob, state: Path) -> None:
    """Clear what writers that were killed left behind."""
    for folder in (state, job.vault):
        if folder and folder.is_dir():
            fsops.remove_stale_temporaries(folder)
