"""Fields as tags of the run that carries them, where no field of MLflow's says the same.

What was logged is params, metrics and artifacts of the run. Labels and what the source's server
says of the object have no place in MLflow but tags, named `neptune.PATH`; what a record's own tags,
name or description say already is left out (clause 3 of `spec/mapping-neptune.md`).
"""

import json
from pathlib import PurePosixPath

from mlarchive.records import Field, Fields, MetricSeries, Run, Tags
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.snapshot import Snapshot

_PREFIX = "neptune."
_SAID = frozenset({"sys/name", "sys/description"})
"""What is a run's, a version's or a model's own name or description."""


def field_tags(snapshot: Snapshot, record: Run) -> Tags:
    """The tags that a run has at the target beside its own."""
    found: Tags = {}
    for fields in snapshot.records:
        if not isinstance(fields, Fields) or fields.carrier != record.key:
            continue
        tags = getattr(snapshot.by_key.get(fields.record), "tags", {})
        for field in (*fields.labels, *fields.facts):
            label = f"{_PREFIX}{field.path.removeprefix('sys/')}"
            if field.path not in _SAID and label not in tags:
                found[f"{_PREFIX}{field.path}"] = _text(field)
    return found


def list_changed_fields(work: Work, record: Run) -> None:
    """List what was logged to a run and its params, metrics and artifacts do not tell.

    Args:
        work: Gets losses and transformations.
        record: The run.
    """
    what = called(record)
    entries = [stream.entry for stream in work.snapshot.streams_of(record.key)]
    points = {one.key for one in entries if isinstance(one, MetricSeries) and one.points}
    for fields in work.snapshot.records:
        if not isinstance(fields, Fields) or fields.carrier != record.key:
            continue
        for field in fields.values:
            holds = field.files or field.value or field.path in points
            if field.type in _HOLDING and not holds:
                work.lose(what, field.path, f"it is an empty {field.type}, and has no place there")
            if untold := _untold(field):
                why = f"what is said of its files has no place there: {', '.join(untold)}"
                work.lose(what, field.path, why)
        if typed := sum(field.type in _TYPED for field in fields.values):
            work.change(what, "types", f"{typed} of its params are no texts but are held as such")


_HOLDING = frozenset(
    {"float_series", "file_set", "file_series", "string_series", "histogram_series"}
)
_TYPED = frozenset({"bool", "int", "float", "datetime", "string_set"})


def _untold(field: Field) -> list[str]:
    """What is said of the items of a series of files, and their paths do not say."""
    if field.type != "file_series":
        return []
    said = {
        "steps": any(file.step not in {"", PurePosixPath(file.path).stem} for file in field.files),
        "times": any(file.time for file in field.files),
        "names": any(file.name not in {"", PurePosixPath(file.path).name} for file in field.files),
        "descriptions": any(file.description for file in field.files),
    }
    return [what for what, is_said in said.items() if is_said]


def _text(field: Field) -> str:
    return json.dumps(field.values) if field.type == "string_set" else field.value
