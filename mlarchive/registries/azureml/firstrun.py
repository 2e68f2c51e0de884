"""The run at the target that a run which is to be written there was first.

What comes back to where it came from finds its own run, which stays as it is and gets no marks.
"""

from typing import TYPE_CHECKING

from mlarchive.records import Run
from mlarchive.records.places import are_one
from mlarchive.records.provenance import names_of
from mlarchive.records.tracking import UNFINISHED
from mlarchive.registries.azureml.reading_job import read_job
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.notebooks.wanted import NONE_WANTED
from mlarchive.registries.returning import STAYS, lacking

if TYPE_CHECKING:
    from mlarchive.registries.mlflow.work import Work as TrackingWork


def first_of(work: Work, run: Run) -> str:
    """The id of the run of the target that a run was written from; "" if it was from elsewhere."""
    place, _, there = run.native.also.get(marks.ORIGIN, "").partition("#runs/")
    subject = work.snapshot.record(work.snapshot.subject)
    # A run remembers no other names: its version does.
    names = names_of(subject.native.also)
    known = names if place in names else (place,)
    return there if are_one(known, work.own_names) else ""


def plan_kept(work: Work, tracked: "TrackingWork", run: Run, first: str) -> bool:
    """Plan that a run is kept, and lose what it lacks; returns whether it is there.

    Args:
        work: Gets the step and the losses.
        tracked: To the target's runs.
        run: What is to be written.
        first: The id of what it was first; "" for nothing.
    """
    from mlarchive.registries.mlflow.work import called
    from mlarchive.registries.mlflow.writing_metrics import lacking_histories

    there = _run_there(work, first)
    if there is None:
        return False
    what = called(run)
    for field in (*lacking(run, there), *lacking_histories(tracked, run, first)):
        work.lose(what, field, STAYS)
    work.step("keep", what, "it is the run that this one was first")
    work.made_run = lambda: first
    return True


def has_all(work: Work, tracked: "TrackingWork", run: Run, there: str) -> bool:
    """Whether a run at the target has all that one says which is written, and more.

    So it is with what an older package says of it; what was written to it last is no older,
    whatever people logged to it.

    Args:
        work: Of the write.
        tracked: To the target's runs.
        run: What is to be written.
        there: The id of the other.
    """
    from mlarchive.registries.mlflow.writing_metrics import lacking_histories, surplus

    held = _run_there(work, there)
    if held is None or not run.params.items() <= held.params.items() or run.end > held.end:
        return False
    if held.native.also.get(marks.RECORD) == marks.record_digest(run):
        return False
    began, ended = run.status in UNFINISHED, held.status not in UNFINISHED
    if (not began and run.status != held.status) or any(lacking_histories(tracked, run, there)):
        return False
    more = len(held.params) > len(run.params) or (began and ended)
    return more or surplus(tracked, run, there)


def lacks_nothing(work: Work, tracked: "TrackingWork", run: Run, there: str) -> bool:
    """Whether a run at the target says all that another one says.

    Args:
        work: Of the write.
        tracked: To the target's runs.
        run: What is to be written.
        there: The id of the one at the target.
    """
    from mlarchive.registries.mlflow.writing_metrics import lacking_histories

    held = _run_there(work, there)
    lacks = () if held is None else (*lacking(run, held), *lacking_histories(tracked, run, there))
    return held is not None and not lacks


def _run_there(work: Work, job: str) -> Run | None:
    """A run of the target; None if it is not there."""
    gathering = Gathering()
    key = read_job(work.control, work.storage, job, NONE_WANTED, gathering)
    return next((r for r in gathering.records if isinstance(r, Run) and r.key == key), None)
