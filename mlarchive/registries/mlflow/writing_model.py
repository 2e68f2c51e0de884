"""Writes a logged model: files, metrics, status, its place among a run's outputs (clause 3.3)."""

import contextlib
from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np
from mlflow.entities import LoggedModel as MlflowLoggedModel
from mlflow.entities import (
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
)

from mlarchive.errors import NotFoundError, RemoteError
from mlarchive.records import Experiment, LoggedModel, MetricSeries, ModelVersion, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.given import base_of, mark_of, said
from mlarchive.registries.mlflow.logging import Point, log
from mlarchive.registries.mlflow.metrics import (
    Columns,
    as_stored,
    as_stored_for_model,
    columns_of,
    missing,
    read_columns,
)
from mlarchive.registries.mlflow.mlmodels import list_ids
from mlarchive.registries.mlflow.reading_model import points_by_series
from mlarchive.registries.mlflow.sameorigin import origin_mark, own_first, where_from
from mlarchive.registries.mlflow.selecting import run_of
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.uploading import fill, list_refused_names
from mlarchive.registries.mlflow.work import (
    Work,
    begun_why,
    called,
    plan_given,
    plan_tags,
)
from mlarchive.registries.mlflow.writing_experiment import experiment_made, experiment_there
from mlarchive.registries.mlflow.writing_metrics import points, series_streams
from mlarchive.snapshot import Stream

_FINAL = {"READY", "FAILED"}


def plan_logged_model(work: Work, record: LoggedModel) -> None:
    """Plan a logged model's creation, what it lacks, or its labels."""
    what = called(record)
    if _is_left_deleted(work, record):
        why = "it is deleted at the source, and no server finds a deleted one again"
        work.lose(f"{what} ({record.native.id})", "all of it", why)
        work.left_out.add(record.key)
        return
    if "lifecycle_stage" in record.native.also:
        why = "it is deleted at the source, and is not at the target, since it is needed there"
        work.change(what, "lifecycle", why)
    origin = marks.origin_of(record, work.snapshot)
    experiment = experiment_there(work, _experiment(work, record))
    found = _find(work, record, origin, experiment)
    digest = marks.record_digest(record)
    whole = [model for model in found if (model.tags or {}).get(marks.RECORD) == digest]
    streams = work.snapshot.streams_of(record.key)
    list_refused_names(work, what, experiment, streams)
    if whole:
        _plan_labels(work, record, whole[0], len(work.steps))
        if _may_lack_points(work, record):
            _list_lost_points(work, record, whole[0].model_id)
        return
    _list_lost_points(work, record, found[0].model_id if found else "")
    list_ids(work, what, streams)
    settled = [model for model in found if marks.RECORD in (model.tags or {})]
    begun = [model for model in found if marks.RECORD not in (model.tags or {})]
    extend = settled if work.extends else []
    if extend or begun:
        model, first = (extend or begun)[0], len(work.steps)
        why = "it has changed at the source" if extend else begun_why(model.tags or {})
        work.ids[record.key] = model.model_id
        work.step("update", what, why, lambda: _complete(work, record, settled=bool(extend)))
        if extend:
            _plan_labels(work, record, model, first)
        return
    work.change(what, "model_id", "the target gives it an id of its own; the old one is in a tag")
    work.change(what, "creation time", "the target states when it was written there")

    def create() -> None:
        _create(work, record, origin)
        _complete(work, record, settled=False)

    work.step("create", what, "not there yet", create)


def _is_left_deleted(work: Work, record: LoggedModel) -> bool:
    """Whether a logged model is deleted at the source, and neither a run nor a version lists it."""
    also = record.native.also
    listed = bool(record.run) and "output" not in also
    subject = work.snapshot.record(work.snapshot.subject)
    return "lifecycle_stage" in also and not listed and not isinstance(subject, ModelVersion)


def find_logged_models(work: Work, origin: str, experiment: str) -> list[MlflowLoggedModel]:
    """The logged models of an experiment that came from an origin, by its very name first."""
    found = work.connection.pages(
        work.connection.tracking.search_logged_models,
        experiment_ids=[experiment],
        filter_string=where_from(work.connection, origin),
    )
    return own_first(found, origin, lambda model: model.tags)


def _find(work: Work, record: LoggedModel, origin: str, experiment: str) -> list[MlflowLoggedModel]:
    if known := work.known.get(record.key):
        with contextlib.suppress(NotFoundError), speaking(work.connection.uri):
            return [work.connection.tracking.get_logged_model(known)]
    return find_logged_models(work, origin, experiment) if experiment else []


def _experiment(work: Work, record: LoggedModel) -> str:
    """The key of the experiment that a logged model belongs to: its run's, else the only one."""
    if record.run:
        run = work.snapshot.record(record.run)
        return str(getattr(run, "experiment", ""))
    return next((r.key for r in work.snapshot.records if isinstance(r, Experiment)), "")


def _create(work: Work, record: LoggedModel, origin: str) -> None:
    tags = {marks.ORIGIN: origin, **record.tags}
    with once():
        model = work.connection.tracking.create_logged_model(
            experiment_id=experiment_made(work, _experiment(work, record)),
            name=record.name,
            source_run_id=work.ids[record.run] if record.run else None,
            tags=[LoggedModelTag(name, value) for name, value in tags.items()],
            params=[LoggedModelParameter(name, value) for name, value in record.params.items()],
            model_type=record.model_type or None,
        )
    work.ids[record.key] = model.model_id


def _complete(work: Work, record: LoggedModel, *, settled: bool) -> None:
    """Bring everything a logged model lacks, check it, and mark it whole."""
    store = work.connection.tracking
    model_id = work.ids[record.key]
    model = store.get_logged_model(model_id)
    held = dict(model.params or {})
    store.log_logged_model_params(
        model_id,
        [LoggedModelParameter(n, v) for n, v in record.params.items() if n not in held],
    )
    # What another tool wrote has no origin yet; what was whole before, people may have labelled.
    own = {} if settled else record.tags
    origin = marks.origin_of(record, work.snapshot)
    _set_tags(work, model_id, {**origin_mark(model.tags or {}, origin), **own})
    folder = artifact_folder(work.connection, model.artifact_location)
    streams = work.snapshot.streams_of(record.key)
    renamed = fill(work, called(record), folder, streams, settled=settled)
    if record.run:
        with active(work, work.ids[record.run]):
            _log_metrics(work, record, model)
            if "output" not in record.native.also:
                _link(work, record)
    if record.status in _FINAL:
        store.finalize_logged_model(model_id, LoggedModelStatus(record.status))
    _check(work, record)
    given = {} if settled else mark_of(said(record.tags))
    _set_tags(work, model_id, {marks.RECORD: marks.record_digest(record), **given, **renamed})


def _set_tags(work: Work, model_id: str, tags: Tags) -> None:
    every = [LoggedModelTag(name, value) for name, value in tags.items()]
    if every:
        work.connection.tracking.set_logged_model_tags(model_id, every)


@contextlib.contextmanager
def active(work: Work, run_id: str) -> Iterator[None]:
    """Let a deleted run take what belongs to it, for as long as the block lasts."""
    store = work.connection.tracking
    deleted = run_of(work.connection, run_id).info.lifecycle_stage == "deleted"
    if not deleted:
        yield
        return
    with once():
        store.restore_run(run_id)
    try:
        yield
    finally:
        with once():
            store.delete_run(run_id)


def _link(work: Work, record: LoggedModel) -> None:
    """Make the model one of its run's outputs, once."""
    run_id, model_id = work.ids[record.run], work.ids[record.key]
    run = run_of(work.connection, run_id)
    outputs = (run.outputs.model_outputs or []) if run.outputs else []
    if all(output.model_id != model_id for output in outputs):
        with once():
            work.connection.tracking.log_outputs(run_id, [LoggedModelOutput(model_id, record.step)])


def _log_metrics(work: Work, record: LoggedModel, model: MlflowLoggedModel) -> None:
    """Log the model's points, which are points of its run too, with the model's id."""
    run_id = work.ids[record.run]
    present = points_by_series(model)

    def unlogged() -> Iterator[Point]:
        for series, stream in series_streams(work.snapshot.streams_of(record.key)):
            wanted = _points_of_run(work, record, series, stream)
            held = as_stored_for_model(columns_of(present.get((series.key, series.dataset), [])))
            name, _, digest = series.dataset.rpartition("@")
            lacking = as_logged(work, record.run, series.key, missing(wanted, held))
            for point in points(series.key, lacking):
                yield msgspec.structs.replace(
                    point, model_id=model.model_id, dataset_name=name, dataset_digest=digest
                )

    log(work.connection, run_id, points=unlogged())


def _points_of_run(
    work: Work, record: LoggedModel, series: MetricSeries, stream: Stream
) -> Columns:
    """Those of a model's points that its run has too, as stored for a model."""
    wanted = as_stored_for_model(read_columns(stream.open()))
    run_points = as_stored_for_model(_run_points(work, record.run, series.key))
    return missing(wanted, missing(wanted, run_points))


def as_logged(work: Work, run: str, key: str, lacking: Columns) -> Columns:
    """A model's points as a run, by its record's key, has them: 0 may stand for a NaN there."""
    nans = missing(lacking, as_stored(_run_points(work, run, key)))
    plain = missing(lacking, nans)
    return (
        np.concatenate([plain[0], nans[0]]),
        np.concatenate([plain[1], nans[1]]),
        np.concatenate([plain[2], np.full(len(nans[2]), np.nan)]),
    )


def _run_points(work: Work, run: str, key: str) -> Columns:
    """The points of a run under a key."""
    for own, stream in series_streams(work.snapshot.streams_of(run)):
        if own.key == key:
            return read_columns(stream.open())
    return columns_of([])


def _may_lack_points(work: Work, record: LoggedModel) -> bool:
    """Whether runs that bring points of a version's logged model may come after it."""
    subject = work.snapshot.record(work.snapshot.subject)
    return isinstance(subject, ModelVersion) and "points" in record.native.also


def _list_lost_points(work: Work, record: LoggedModel, model_id: str) -> None:
    """List the points that other runs logged for the model; MLflow takes points by run only.

    Args:
        work: Gets the losses.
        record: The model.
        model_id: The target's; "" if it is not there.
    """
    awaits = _may_lack_points(work, record)
    model = work.connection.tracking.get_logged_model(model_id) if awaits and model_id else None
    present = points_by_series(model) if model else {}
    for series, stream in series_streams(work.snapshot.streams_of(record.key)):
        wanted = as_stored_for_model(read_columns(stream.open()))
        kept = _points_of_run(work, record, series, stream) if record.run else columns_of([])
        lost = len(wanted[0]) - len(kept[0])
        there = as_stored_for_model(columns_of(present.get((series.key, series.dataset), [])))
        lacking = len(missing(missing(wanted, kept), there)[0])
        if lost and awaits and lacking:
            why = f"{lacking} of {len(wanted[0])} points were logged by runs that are not there yet"
            work.await_other(called(record), f"metric {series.key}", why)
        elif lost and "points" in record.native.also:
            why = f"{lost} points were logged by runs, which bring them"
            work.change(called(record), f"metric {series.key}", why)
        elif lost:
            why = f"{lost} of {len(wanted[0])} points were logged by runs that are not carried"
            work.lose(called(record), f"metric {series.key}", why)


def _check(work: Work, record: LoggedModel) -> None:
    """Compare what the target holds with what was wanted.

    Raises:
        RemoteError: Something is not as it was sent.
    """
    model = work.connection.tracking.get_logged_model(work.ids[record.key])
    status = record.status if record.status in _FINAL else str(model.status)
    sides = {
        "params": (record.params, dict(model.params or {})),
        "status": (status, str(model.status)),
        "type": (record.model_type, model.model_type or ""),
    }
    for field, (wanted, held) in sides.items():
        if wanted != held:
            raise RemoteError(
                f"{field} of {called(record)} at {work.connection.uri} is {held!r}, not"
                f" {wanted!r} as sent",
                hint="it was changed there while it was written; run the same command again",
            )
    present = points_by_series(model)
    for series, stream in series_streams(work.snapshot.streams_of(record.key)):
        sent = _points_of_run(work, record, series, stream) if record.run else columns_of([])
        there = as_stored_for_model(columns_of(present.get((series.key, series.dataset), [])))
        if len(missing(sent, there)[0]):
            raise RemoteError(
                f"metric {series.key!r} of {called(record)} at {work.connection.uri} lacks points"
                " that were sent",
                hint="run the same command again",
            )


def _plan_labels(work: Work, record: LoggedModel, model: MlflowLoggedModel, before: int) -> None:
    """Plan the labels of a logged model that is there; `before` is where its steps begin."""
    what, model_id, held = called(record), model.model_id, dict(model.tags or {})
    work.ids[record.key] = model_id
    if lacking := origin_mark(held, marks.origin_of(record, work.snapshot)):
        work.step(
            "update",
            f"origin of {what}",
            "it has another name now",
            lambda: _set_tags(work, model_id, lacking),
        )
    first = len(work.steps)
    plan_tags(
        work,
        what,
        record.tags,
        marks.logged_model_tags(held),
        put=lambda name, value: _set_tags(work, model_id, {name: value}),
        drop=lambda name: work.connection.tracking.delete_logged_model_tag(model_id, name),
        before=base_of(work.policy, held),
    )
    say = partial(_set_tags, work, model_id)
    plan_given(work, what, held, said(record.tags), first, say)
    if len(work.steps) == before:
        work.step("keep", what, "same content and labels")
