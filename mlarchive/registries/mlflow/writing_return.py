"""Plans what becomes of a version that comes back to the server that it was written from (5.6).

It stays what it is and gets no marks; labels that were changed elsewhere since come home.
"""

import contextlib
from functools import partial

from mlflow.entities.model_registry import ModelVersionTag
from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

from mlarchive.errors import NotFoundError
from mlarchive.records import ModelVersion, RegisteredModel, Run
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.given import Given, given_in
from mlarchive.registries.mlflow.labelmarks import stage_of
from mlarchive.registries.mlflow.numbering import Place
from mlarchive.registries.mlflow.reading_run import read_run_itself
from mlarchive.registries.mlflow.selecting import aliases_of, run_of
from mlarchive.registries.mlflow.work import Work, called, cut, plan_tags, target_name
from mlarchive.registries.mlflow.writing_metrics import lacking_histories
from mlarchive.registries.mlflow.writing_named import model_at_target, plan_registered_model
from mlarchive.registries.mlflow.writing_version import (
    STAGES,
    plan_description,
    version_at,
    writes,
)
from mlarchive.registries.returning import STAYS, lacking


def plan_return(work: Work, record: ModelVersion, place: Place) -> None:
    """Plan that a version is kept, and what it gets or lacks of what is said of it now.

    Args:
        work: Gets the steps and losses.
        record: The version that comes back.
        place: Of the one that it was.
    """
    before = len(work.steps)
    name = target_name(work, record)
    registered = work.snapshot.by_key.get(record.registered_model)
    if isinstance(registered, RegisteredModel):
        plan_registered_model(work, registered, name)
    work.ids[record.key] = str(place.number)
    _plan_labels(work, record, f"models/{name}/{place.number}", place)
    _list_run(work, record, version_at(work, record, place).run_id or "")
    if len(work.steps) == before:
        work.step("keep", f"models/{name}/{place.number}", "it is what the source was written from")


def _plan_labels(work: Work, record: ModelVersion, what: str, place: Place) -> None:
    """Plan labels that are news; what the source has no longer stays."""
    name, number, store = target_name(work, record), str(place.number), work.connection.models
    current = version_at(work, record, place)
    base = given_in(record.native.also) or Given()
    stated = cut(
        work,
        what,
        "tag",
        work.following(what, record.tags),
        MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH,
    )
    held = marks.state_tags(current.tags)
    plan_tags(
        work,
        what,
        stated,
        {tag: value for tag, value in held.items() if tag in stated},
        put=lambda tag, value: store.set_model_version_tag(
            name, number, ModelVersionTag(tag, value)
        ),
        drop=partial(store.delete_model_version_tag, name, number),
        before=base,
    )
    if record.description:
        put = partial(store.update_model_version, name, number, record.description)
        plan_description(work, what, record.description, current, put, base)
    stage = stage_of(current)
    if record.stage not in STAGES:
        work.lose(what, "stage", f"MLflow has no stage {record.stage!r}")
    elif record.stage not in {"", stage} and writes(work, what, "stage", stage, record.stage, base):
        move = partial(store.transition_model_version_stage, name, number, record.stage)
        why = f"is {record.stage} at the source"
        work.step("update", f"stage of {what}", why, partial(move, archive_existing_versions=False))
    model = model_at_target(work, name)
    owners = aliases_of(model) if model else {}
    for alias in record.aliases:
        if owners.get(alias) != number:
            why = "it comes back to the version that it was first, whose aliases stay"
            work.lose(what, f"alias {alias}", why)


def _list_run(work: Work, record: ModelVersion, there: str) -> None:
    """List what the run that made the version lacks."""
    run = work.snapshot.by_key.get(record.run)
    if not isinstance(run, Run):
        return
    held = _run_there(work, there) if there else None
    if held is None:
        work.lose(called(run), "all of it", "the version that it made is here without its run")
        return
    for field in (*lacking(run, held), *lacking_histories(work, run, there)):
        work.lose(called(run), field, STAYS)


def _run_there(work: Work, run_id: str) -> Run | None:
    """A run as it is; None if the server has it no longer."""
    gathering = Gathering()
    with contextlib.suppress(NotFoundError):
        read_run_itself(work.connection, run_of(work.connection, run_id), frozenset(), gathering)
    return next((one for one in gathering.records if isinstance(one, Run)), None)
