"""Reads an exported run with its experiment, histories, inputs and artifacts (clause 2.2).

Gives what `registries.mlflow` would give of the same run at its server, as far as the export has
it.
"""

import io
import json
import re
from collections.abc import Mapping
from functools import partial

import msgspec
import numpy as np
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_USER

from mlarchive.errors import DamageError
from mlarchive.package.columns import encode_columns
from mlarchive.records import DatasetInput, Experiment, MetricSeries, Native, Run
from mlarchive.registries.jsondocuments import Table, read_document, wrong
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.environments import environments
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.mlflow.notebooks import gather_marked_notebooks
from mlarchive.registries.mlflow.reading_run import lifecycle
from mlarchive.registries.mlflowexport.artifacts import ExportedFolder
from mlarchive.registries.mlflowexport.layout import RUN, UNREAD, RunPlace, part
from mlarchive.registries.mlflowexport.written import MEMBER, mark_of
from mlarchive.registries.redaction import redacted, without_credentials
from mlarchive.snapshot import Stream

SOURCE_TAGS = "mlflow_export_import."
"""Of tags that the tool, before 1.2, added to what it exported: `metadata.*`, `run_info.*` and
`mlflow.*`."""

_EXPERIMENT_NAME = f"{SOURCE_TAGS}metadata.experiment_name"
_KNOWN = {"info", "params", "metrics", "tags", "inputs", "export_info", MEMBER}
_WITH_DATASETS = (2, 4)
"""The version of MLflow that brought datasets."""


class ExportedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was gathered.

    Attributes:
        id: The run's.
        location: Where its server had the artifacts.
        folder: Where they are.
        listed: What lies there.
    """

    id: str
    location: str
    folder: ExportedFolder
    listed: tuple[Listed, ...]


def read_run(
    place: RunPlace, run_id: str, gathering: Gathering, *, experiment_name: str = ""
) -> ExportedRun:
    """Gather an exported run.

    Args:
        place: Where it is.
        run_id: Its id.
        gathering: Gets the records, the streams, and what the export lacks as losses.
        experiment_name: What the experiment is called, where the export has nothing else of it.

    Raises:
        NotFoundError: The export names the run, and has it not.
        DamageError: Its document is malformed.
    """
    document = read_document(place.folder / RUN)
    stated = part(document)
    info, tags = stated.table("info"), stated.tags("tags")
    if info.text("run_id") not in {"", run_id}:
        raise DamageError(f"{document.where} is of run {info.text('run_id')}, not of {run_id}")
    called = experiment_name or tags.get(_EXPERIMENT_NAME, "")
    experiment = read_experiment(place, info.text("experiment_id"), called, gathering)
    gathering.records.append(_record(document, run_id, experiment))
    gathering.streams.extend(_series(stated.table("metrics"), run_key(run_id)))
    _list_lacks(document, stated, run_id, place, gathering)
    folder = ExportedFolder(place.folder)
    listed = gather_files(folder, run_key(run_id), f"run {run_id}", gathering)
    gathering.records.extend(environments(folder, listed, run_key(run_id)))
    told = mark_of(document).tags("notebooks")
    gather_marked_notebooks(run_key(run_id), told.values(), gathering)
    return ExportedRun(id=run_id, location=info.text("artifact_uri"), folder=folder, listed=listed)


def read_experiment(place: RunPlace, experiment_id: str, called: str, gathering: Gathering) -> str:
    """Gather the experiment of a run once; returns its key."""
    key = f"experiment/{experiment_id}"
    if any(record.key == key for record in gathering.records):
        return key
    if place.experiment is None:
        name = called or f"experiment {experiment_id}"
        lost = "tags" if called else f"name and tags; it is called {name!r} here"
        why = "the export has no document of it; export-experiment would have made one"
        gathering.lose(f"experiment {experiment_id}", lost, why)
        native = Native(id=experiment_id)
        gathering.records.append(Experiment(key=key, native=native, name=name))
        return key
    gathering.records.append(experiment_of(read_document(place.experiment), key))
    return key


def experiment_of(document: Table, key: str = "experiment") -> Experiment:
    """The experiment that a document is of."""
    stated = part(document).table("experiment")
    return Experiment(
        key=key,
        native=Native(
            id=stated.text("experiment_id"),
            created=stated.number("creation_time"),
            updated=stated.number("last_update_time"),
            location=without_credentials(stated.text("artifact_location")),
            verbatim=verbatim(stated.members),
        ),
        name=stated.text("name"),
        tags=marks.state_tags(stated.tags("tags")),
        lifecycle=lifecycle(stated.text("lifecycle_stage") or None),
    )


def run_of(stated: Table) -> tuple[str, str]:
    """A run's display name, and who ran it."""
    info, tags = stated.table("info"), stated.tags("tags")
    name = info.text("run_name") or info.text("name") or tags.get("mlflow.runName", "")
    return name, info.text("user_id") or tags.get(MLFLOW_USER, "")


def verbatim(members: object) -> str:
    """What an export says of an object, as JSON, without secrets."""
    return json.dumps(redacted(members), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _record(document: Table, run_id: str, experiment: str) -> Run:
    stated, system = part(document), _system(document)
    origin = mark_of(document).text("origin")
    info, tags = stated.table("info"), stated.tags("tags")
    name, user = run_of(stated)
    own = {tag: value for tag, value in tags.items() if not tag.startswith(SOURCE_TAGS)}
    return Run(
        key=run_key(run_id),
        native=Native(
            id=run_id,
            user=info.text("user_id"),
            location=without_credentials(info.text("artifact_uri")),
            verbatim=verbatim({"info": info.members, "tags": tags, "system": system}),
            also=_also(tags, origin),
        ),
        experiment=experiment,
        name=name,
        status=info.text("status"),
        start=info.number("start_time"),
        end=info.number("end_time"),
        user=user,
        lifecycle=lifecycle(info.text("lifecycle_stage") or None),
        params=stated.tags("params"),
        tags=marks.run_tags(own, name=name, user=user),
        inputs=_inputs(stated),
    )


def _also(tags: Mapping[str, str], origin: str) -> dict[str, str]:
    kept = {marks.ORIGIN: origin} if origin else {}
    kept |= {n: v for n, v in tags.items() if n.startswith((marks.PREFIX, SOURCE_TAGS))}
    parent = tags.get(MLFLOW_PARENT_RUN_ID, "")
    return {"parent": parent, **kept} if parent else kept


def _system(document: Table) -> Mapping[str, object]:
    name = "system" if "system" in document.members else "export_info"
    return document.table(name).members


def _series(metrics: Table, owner: str) -> list[Stream]:
    streams = []
    for key in metrics.members:
        raw = _columns(metrics, key)
        entry = MetricSeries(key=key, points=len(raw) // 24, sha256="")
        streams.append(Stream(owner=owner, entry=entry, open=partial(io.BytesIO, raw)))
    return streams


def _columns(metrics: Table, key: str) -> bytes:
    """The history of a metric. There may be millions of points, so nothing is made for each."""
    points = metrics.items(key)
    steps = np.empty(len(points), dtype=np.int64)
    times = np.empty(len(points), dtype=np.int64)
    values = np.empty(len(points), dtype=np.float64)
    for number, point in enumerate(points):
        where = (metrics, key, number)
        if not isinstance(point, dict):
            raise wrong(_called(where), "an object")
        steps[number] = _integer(point.get("step", 0), "step", where)
        times[number] = _integer(point.get("timestamp"), "timestamp", where)
        values[number] = _real(point.get("value"), where)
    return encode_columns(steps, times, values)


_Where = tuple[Table, str, int]


def _called(where: _Where) -> str:
    metrics, key, number = where
    return f"point {number + 1} of metric {key!r} in {metrics.where}"


def _integer(value: object, name: str, where: _Where) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise wrong(f"{name!r} of {_called(where)}", "an integer of 64 bits")


def _real(value: object, where: _Where) -> float:
    if type(value) is float:
        return value
    try:
        if type(value) is int:
            return float(value)
    except OverflowError:
        pass
    raise wrong(f"'value' of {_called(where)}", "a number of 64 bits")


def _inputs(stated: Table) -> tuple[DatasetInput, ...]:
    found = []
    for item in stated.tables("inputs"):
        dataset = item.table("dataset")
        found.append(
            DatasetInput(
                name=dataset.text("name"),
                digest=dataset.text("digest"),
                source_type=dataset.text("source_type"),
                source=dataset.text("source"),
                schema=dataset.text("schema"),
                profile=dataset.text("profile"),
                tags=item.tags("tags"),
            )
        )
    return tuple(sorted(found, key=msgspec.json.encode))


def _list_lacks(
    document: Table, stated: Table, run_id: str, place: RunPlace, gathering: Gathering
) -> None:
    """List what the export does not have of a run, as far as anything tells."""
    name = f"run {run_id}"
    if "inputs" not in stated.members and _mlflow_version(document) >= _WITH_DATASETS:
        why = "the export has no place for them; if the run had any, they stayed behind"
        gathering.lose(name, "dataset inputs", why)
    if place.failed:
        why = "the tool reports that it failed to export this run; some may be missing"
        gathering.lose(name, "files", why)
    for member in sorted(stated.members.keys() - _KNOWN):
        if stated.members[member]:
            gathering.lose(name, member, "the export has it, and no record has a place for it")
    for folder in UNREAD if place.experiment else ():
        if place.experiment and (place.experiment.parent / folder).is_dir():
            why = "the export has some for the experiment, and they cannot be read yet"
            gathering.lose(name, folder, why)


def _mlflow_version(document: Table) -> tuple[int, ...]:
    text = str(_system(document).get("mlflow_version", ""))
    match = re.match(r"(\d{1,9})\.(\d{1,9})", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
