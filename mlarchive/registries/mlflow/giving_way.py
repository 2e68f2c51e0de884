"""The copy of an experiment gives its name to the one that has it at the source now (clause 3.1).

A source has each name once. So a copy that still has the name of another experiment of the same
source is of one that was renamed or purged there; what it is called now comes with itself.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count

import msgspec
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import ExperimentTag

from mlarchive.records import Experiment, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import Given, coming_mark, digest, given_in
from mlarchive.registries.mlflow.naming_experiment import gives_way, named
from mlarchive.registries.mlflow.remembering import under_new_name
from mlarchive.registries.mlflow.work import Work

_LONGEST_NAME = 500
"""Characters of an experiment's name that MLflow takes."""
_FRAME = 24
"""Those that are put around its id."""


def plan_way(work: Work, record: Experiment, name: str) -> None:
    """Plan that a name is free for an experiment, where another one gives it away.

    Args:
        work: Gets the step.
        record: What is written.
        name: What it is to be called at the target.
    """
    found = named(work.connection, name)
    if found is None or not gives_way(work, record, found):
        return
    away = next(one for one in _names(found) if not named(work.connection, one))
    why = f"was {name!r}, which is another one's at the source now"
    do = partial(_rename_away, work, found, away)
    work.step_once("update", f"name of experiment {away!r}", why, do)


def _names(found: MlflowExperiment) -> Iterator[str]:
    """What it may be called meanwhile."""
    _, _, known = found.tags[marks.ORIGIN].rpartition("#experiments/")
    room = _LONGEST_NAME - len(known) - _FRAME
    yield f"{found.name[:room]} (experiment {known})"
    yield from (f"{found.name[:room]} (experiment {known}, {number})" for number in count(2))


def _rename_away(work: Work, found: MlflowExperiment, name: str) -> None:
    before = msgspec.structs.replace(given_in(found.tags) or Given(), coming=None)
    store, is_deleted = work.connection.tracking, found.lifecycle_stage == "deleted"
    if is_deleted:
        store.restore_experiment(found.experiment_id)
    # Said before it is done, so that an interrupted write does not take the name for people's.
    put(work, found, coming_mark(found.tags, msgspec.structs.replace(before, name=digest(name))))
    rename(work, found, name)
    if is_deleted:
        store.delete_experiment(found.experiment_id)


def rename(work: Work, found: MlflowExperiment, name: str) -> None:
    """Give an experiment another name, and let what is remembered of it say so."""
    work.connection.tracking.rename_experiment(found.experiment_id, name)
    put(work, found, under_new_name(found.tags, name))


def put(work: Work, found: MlflowExperiment, tags: Tags) -> None:
    """Set tags of an experiment."""
    for tag, value in tags.items():
        work.connection.tracking.set_experiment_tag(found.experiment_id, ExperimentTag(tag, value))
