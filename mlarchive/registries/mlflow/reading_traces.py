"""Reads the traces of a run, or those of an experiment that none of its runs made (clause 2.9).

What there is, is listed at once, without spans; pages are fetched while they are read.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import BinaryIO

from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import Run as MlflowRun
from mlflow.protos.service_pb2 import TraceInfoV3 as InfoMessage
from mlflow.tracing.constant import TraceMetadataKey, TraceTagKey

from mlarchive.errors import MlarchiveError, SourceChangedError
from mlarchive.made import made
from mlarchive.records import File, Native, Traces
from mlarchive.registries.mlflow.assessmentforms import Ids, foreign_run
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.mlflow.keys import experiment_key, logged_model_key, run_key
from mlarchive.registries.mlflow.selecting import quoted, runs_in
from mlarchive.registries.mlflow.tracefetching import (
    fetch_traces,
    search_infos,
)
from mlarchive.registries.mlflow.tracefiles import ATTACHED, Attachments, Places
from mlarchive.registries.mlflow.traceforms import trace_of
from mlarchive.registries.mlflow.tracemakers import Makers
from mlarchive.snapshot import Stream
from mlarchive.traces import encode_trace, paged, trace_place

_ASKED_AT_ONCE = 500
_NAMED = 3

Place = tuple[int, str]
"""Time and id of a trace, which traces are sorted by."""


@dataclass(slots=True)
class _Found:
    """What a listing says of the traces of one record.

    Attributes:
        places: Of each trace.
        kept: Where their artifacts are.
        runs: By a trace's id another run that made it.
        assessing: By an assessment's id another run that made it.
        models: By a trace's id the logged model that it names and that is not carried.
        prompts: How many name prompts.
    """

    places: list[Place] = field(default_factory=list)
    kept: Places = field(default_factory=Places)
    runs: dict[str, str] = field(default_factory=dict)
    assessing: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    prompts: int = 0


def gather_run_traces(
    connection: Connection, run: MlflowRun, carried_models: frozenset[str], gathering: Gathering
) -> None:
    """Gather the traces that a run made, or that were linked to it.

    Args:
        connection: To the server.
        run: The run.
        carried_models: Ids of the logged models that are gathered too.
        gathering: Gets a record for each carried model that made some, and one for the others.
    """
    run_id = run.info.run_id
    infos = _found_of_run(connection, run, gathering)
    for model, found in _grouped(infos, run_id, carried_models).items():
        ids = Ids(run=run_id, model=model)
        record = Traces(
            key=f"traces/{run_key(run_id)}/{model}",
            native=_native(model or run_id, found),
            run=run_key(run_id),
            logged_model=logged_model_key(model) if model else "",
            count=len(found.places),
        )
        _gather(connection, record, found, ids, gathering)
        _list_changes(found, f"traces of run {run_id}", gathering)


def gather_experiment_traces(
    connection: Connection,
    experiment: MlflowExperiment,
    carried_models: frozenset[str],
    gathering: Gathering,
) -> None:
    """Gather the traces of an experiment that none of its runs made.

    Args:
        connection: To the server.
        experiment: The experiment.
        carried_models: Ids of the logged models that are gathered too.
        gathering: Gets a record for each carried model that made some, and one for the others.
    """
    experiment_id = experiment.experiment_id
    made_by = cache(lambda: {run.info.run_id for run in runs_in(connection, [experiment_id])})

    def is_own(info: InfoMessage) -> bool:
        maker = info.trace_metadata.get(TraceMetadataKey.SOURCE_RUN)
        return not maker or maker not in made_by()

    infos = filter(is_own, search_infos(connection, [experiment_id]))
    for model, found in _grouped(infos, "", carried_models).items():
        record = Traces(
            key=f"traces/{experiment_key(experiment_id)}" + (f"/{model}" if model else ""),
            native=_native(model or experiment_id, found),
            experiment=experiment_key(experiment_id),
            logged_model=logged_model_key(model) if model else "",
            count=len(found.places),
        )
        _gather(connection, record, found, Ids(model=model), gathering)
        _list_changes(found, f"traces of experiment {experiment.name!r}", gathering)


def _found_of_run(
    connection: Connection, run: MlflowRun, gathering: Gathering
) -> Iterator[InfoMessage]:
    """The traces of a run; links to those of other experiments, which carry them, are listed."""
    own, linked = run.info.experiment_id, list[str]()
    every = [own, *(one for one in gathering.listed if one != own)]
    for start in range(0, len(every), _ASKED_AT_ONCE):
        where = f"attributes.run_id = {quoted(run.info.run_id)}"
        for info in search_infos(connection, every[start : start + _ASKED_AT_ONCE], where):
            if info.trace_location.mlflow_experiment.experiment_id in {"", own}:
                yield info
            else:
                linked.append(info.trace_id)
    if linked:
        more = ", …" if len(linked) > _NAMED else ""
        why = (
            f"to traces of other experiments, which carry them: {', '.join(linked[:_NAMED])}{more}"
        )
        gathering.lose(f"run {run.info.run_id}", "links", why)


def _grouped(
    infos: Iterator[InfoMessage], run_id: str, carried_models: frozenset[str]
) -> dict[str, _Found]:
    """What there is, by the carried logged model that made it."""
    groups: defaultdict[str, _Found] = defaultdict(_Found)
    seen: set[str] = set()
    for info in infos:
        # Pages overlap when something is added or removed meanwhile.
        if info.trace_id in seen:
            continue
        seen.add(info.trace_id)
        model = info.trace_metadata.get(TraceMetadataKey.MODEL_ID, "")
        _note(groups[model if model in carried_models else ""], info, run_id, carried_models)
    return dict(sorted(groups.items()))


def _note(found: _Found, info: InfoMessage, run_id: str, carried_models: frozenset[str]) -> None:
    found.places.append((info.request_time.ToMilliseconds(), info.trace_id))
    found.kept.note(info)
    maker = info.trace_metadata.get(TraceMetadataKey.SOURCE_RUN, "")
    if maker not in {"", run_id}:
        found.runs[info.trace_id] = maker
    for assessment in info.assessments:
        if other := foreign_run(assessment, Ids(run=run_id)):
            found.assessing[assessment.assessment_id] = other
    model = info.trace_metadata.get(TraceMetadataKey.MODEL_ID, "")
    if model and model not in carried_models:
        found.models[info.trace_id] = model
    found.prompts += TraceTagKey.LINKED_PROMPTS in info.tags


def _native(native_id: str, found: _Found) -> Native:
    makers = Makers(models=found.models, runs=found.runs, assessing=found.assessing)
    return Native(id=native_id, also=makers.told())


def _gather(
    connection: Connection, record: Traces, found: _Found, ids: Ids, gathering: Gathering
) -> None:
    gathering.records.append(record)
    attachments = Attachments(connection, found.kept)
    for path, places in paged(sorted(found.places)):
        entry = File(path=path, size=-1, sha256="")
        page = partial(_open_page, connection, places, ids, attachments)
        gathering.streams.append(Stream(owner=record.key, entry=entry, open=page))
    name = record.key.rstrip("/")
    gathering.found.append(partial(attachments.missing, name))
    try:
        gather_files(attachments, record.key, name, gathering)
        gathering.losses.extend(attachments.without_spans(name))
    except MlarchiveError as error:
        if error.retryable:
            raise
        why = f"what was attached to them cannot be listed: {error.message}"
        gathering.lose(name, ATTACHED, why)


def _list_changes(found: _Found, name: str, gathering: Gathering) -> None:
    runs = {*found.runs.values(), *found.assessing.values()}
    for what, ids in (("run", runs), ("logged model", set(found.models.values()))):
        if ids:
            why = f"which {what} made them is kept as evidence only: {', '.join(sorted(ids))}"
            gathering.change(name, f"{what}s that are not part of this object", why)
    if found.prompts:
        why = f"{found.prompts} name prompts; their tag is carried, the prompts are not"
        gathering.change(name, "prompts", why)


def _open_page(
    connection: Connection, places: Sequence[Place], ids: Ids, attachments: Attachments
) -> BinaryIO:
    return made(_lines(connection, places, ids, attachments))


def _lines(
    connection: Connection, places: Sequence[Place], ids: Ids, attachments: Attachments
) -> Iterator[bytes]:
    awaited = iter(places)
    for fetched in fetch_traces(connection, [trace_id for _, trace_id in places]):
        for trace in sorted((trace_of(m, ids) for m in fetched.values()), key=trace_place):
            if trace_place(trace) != next(awaited, None):
                raise _changed(connection)
            line = encode_trace(trace)
            attachments.look_at(trace.id, line)
            yield line
    if next(awaited, None) is not None:
        raise _changed(connection)


def _changed(connection: Connection) -> SourceChangedError:
    return SourceChangedError(
        f"traces at {connection.uri} came, went or got another time while they were read",
        hint="run the same command again",
    )
