"""Attributes as operations of the interface (`executeOperations`), and what these cannot say."""

import base64
import json
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from mlarchive.package.columns import decode_columns
from mlarchive.records import Field, MetricSeries
from mlarchive.registries.neptune.live.work import Point, Points, Work
from mlarchive.registries.neptune.objects import milliseconds

Operation = dict[str, Any]
"""`path`, and one operation by its name."""

POINTS: Final = 1000
"""In one operation."""
_BATCH = 2 << 20
"""Bytes of a request, about."""

_ASSIGN: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "bool": ("assignBool", lambda text: text == "true"),
    "int": ("assignInt", int),
    "float": ("assignFloat", float),
    "string": ("assignString", str),
    "object_state": ("assignString", str),
}
SERIES: Final = {
    "float_series": ("logFloats", "FloatSeries"),
    "string_series": ("logStrings", "StringSeries"),
    "file_series": ("logImages", "ImageSeries"),
}
"""By type: the operation that adds points, and what the interface calls the type."""

UPLOADED: Final = frozenset({"file", "file_set"})


def assign(field: Field, path: str) -> Operation | None:
    """What gives an attribute its one value, or adds to its set; None if nothing does."""
    if field.type == "string_set":
        return {"path": path, "insertStrings": {"values": list(field.values)}}
    if field.type == "datetime":
        time = milliseconds(datetime.fromisoformat(field.value))
        return {"path": path, "assignDatetime": {"valueMilliseconds": time}}
    if field.type not in _ASSIGN:
        return None
    name, convert = _ASSIGN[field.type]
    value = convert(field.value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return {"path": path, name: {"value": value}}


def assign_text(path: str, value: str) -> Operation:
    """What gives an attribute a text."""
    return {"path": path, "assignString": {"value": value}}


def points_of(work: Work, field: Field) -> Points:
    """The points of a series; what is looked at again is not read again."""
    if field.path not in work.points:
        work.points[field.path] = _read(work, field)
    return work.points[field.path]


def _read(work: Work, field: Field) -> Points:
    match field.type:
        case "float_series":
            return _floats(work, field)
        case "string_series":
            lines = work.bytes_of(field.files[0].path).splitlines()
            said = [json.loads(line) for line in lines]
            return _rising(
                [Point(float(one["step"]), one["time"], partial(str, one["value"])) for one in said]
            )
        case _:
            return _rising(
                [
                    Point(
                        float(file.step) if file.step else None,
                        file.time,
                        partial(_image, work, file.path, file.name, file.description),
                    )
                    for file in field.files
                ]
            )


def _floats(work: Work, field: Field) -> Points:
    stream = work.streams[field.path]
    assert isinstance(stream.entry, MetricSeries)  # noqa: S101  (its key is the field's path)
    steps, times, values = decode_columns(work.bytes_of(field.path))
    real = (steps / 10.0**stream.entry.step_decimals).tolist()
    points = [
        Point(step, time, partial(float, value))
        for step, time, value in zip(real, times.tolist(), values.tolist(), strict=True)
        if math.isfinite(value)
    ]
    return _rising(points, not_finite=len(steps) - len(points))


def _rising(points: Sequence[Point], *, not_finite: int = 0) -> Points:
    kept: list[Point] = []
    last = -math.inf
    for point in points:
        if point.step is None or point.step > last:
            kept.append(point)
            last = last if point.step is None else point.step
    return Points(kept=kept, same_step=len(points) - len(kept), not_finite=not_finite)


def _image(work: Work, path: str, name: str, description: str) -> dict[str, str]:
    data = base64.b64encode(work.bytes_of(path)).decode()
    return {"data": data, "name": name, "description": description}


def log(work: Work, field: Field) -> Iterator[Operation]:
    """What adds the points of a series, in pieces that a request can hold."""
    name, _ = SERIES[field.type]
    entries: list[Operation] = []
    size = 0
    for point in points_of(work, field).kept:
        value = point.value()
        entry = {"value": value, "step": point.step, "timestampMilliseconds": point.time}
        entries.append(entry if point.step is not None else {**entry, "step": None})
        size += _size(value)
        if len(entries) == POINTS or size > _BATCH:
            yield {"path": field.path, name: {"entries": entries}}
            entries, size = [], 0
    if entries:
        yield {"path": field.path, name: {"entries": entries}}


def _size(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(len, value.values()))
    return len(value) if isinstance(value, str) else 0


def batches(operations: Iterator[Operation]) -> Iterator[list[Operation]]:
    """Operations in requests of a bearable size, in their order."""
    batch: list[Operation] = []
    size = 0
    for operation in operations:
        batch.append(operation)
        said = next(value for name, value in operation.items() if name != "path")
        size += 100 + sum(60 + _size(entry["value"]) for entry in said.get("entries", ()))
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
