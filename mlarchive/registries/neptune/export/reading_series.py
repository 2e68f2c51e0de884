"""Series of an export: floats as columns, texts and histograms as lines of a file."""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from mlarchive.package.columns import encode_columns, step_text
from mlarchive.registries.neptune.export.clock import Clock, Times
from mlarchive.registries.neptune.export.gathering import Reader, Reading
from mlarchive.registries.neptune.export.parts import DECIMALS, Slice
from mlarchive.registries.neptune.export.rows import in_all
from mlarchive.registries.neptune.objects import Attribute, AttributeFile, FloatSeries, lines


def float_series(reading: Reading, path: str, kind: str, slices: Sequence[Slice]) -> Attribute:
    """A series of floats, whose points are read again when the columns are wanted."""
    rows, decimals = reading.reader.rows, 0
    _see_gaps(reading, path, slices)
    for one in slices:
        micros = rows.micros(one)
        while decimals < DECIMALS and np.any(micros % 10 ** (DECIMALS - decimals)):
            decimals += 1
        _see_times(reading, path, rows.times(one))
    series = FloatSeries(
        points=in_all(slices),
        decimals=decimals,
        open=partial(_columns, reading.reader, tuple(slices), decimals, reading.clock),
    )
    return Attribute(path=path, type=kind, series=series)


def _columns(reader: Reader, slices: Sequence[Slice], decimals: int, clock: Clock) -> BinaryIO:
    """The columns of a series, gathered from its row groups."""
    rows = reader.rows
    steps = np.concatenate([rows.micros(one) // 10 ** (DECIMALS - decimals) for one in slices])
    times, _ = clock.to_utc(np.concatenate([rows.times(one) for one in slices]))
    values = np.concatenate([rows.floats(one) for one in slices])
    return io.BytesIO(encode_columns(steps, times, values))


def text_series(reading: Reading, path: str, kind: str, slices: Sequence[Slice]) -> Attribute:
    """A series of texts or of histograms."""
    column = "histogram_value" if kind == "histogram_series" else "string_value"
    _see_gaps(reading, path, slices)
    empty = 0
    for one in slices:
        _see_times(reading, path, reading.reader.rows.times(one))
        empty += sum(not _is_whole(value) for value in reading.reader.rows.values(one, column))
    if empty:
        reading.lose(path, f"{empty} of its items have no value, and are left out")
    opener = partial(_lines, reading.reader, tuple(slices), column, reading.clock)
    file = AttributeFile(path=f"{path}.jsonl", open=opener)
    return Attribute(path=path, type=kind, files=(file,))


def _lines(reader: Reader, slices: Sequence[Slice], column: str, clock: Clock) -> BinaryIO:
    rows = reader.rows
    found: list[tuple[int, int, Any]] = []
    for one in slices:
        times, _ = clock.to_utc(rows.times(one))
        items = zip(
            rows.micros(one).tolist(), times.tolist(), rows.values(one, column), strict=True
        )
        found += [item for item in items if _is_whole(item[2])]
    found.sort(key=lambda item: item[:2])
    return io.BytesIO(lines((micro_text(micro), time, value) for micro, time, value in found))


def _is_whole(value: Any) -> bool:  # noqa: ANN401  (a text, or what should be a histogram)
    """Whether an item has its value, of a histogram all parts of it."""
    if not isinstance(value, dict):
        return value is not None
    parts = [value["type"], value["edges"], value["values"]]
    return None not in parts and None not in (*value["edges"], *value["values"])


def _see_gaps(reading: Reading, path: str, slices: Sequence[Slice]) -> None:
    """List points that do not say when they were logged."""
    rows = reading.reader.rows
    without_step = sum(rows.lacking(one, "step") for one in slices)
    without_time = sum(rows.lacking(one, "timestamp") for one in slices)
    if without_step:
        reading.lose(path, f"{without_step} of its points have no step: their places stand for it")
    if without_time:
        reading.lose(path, f"{without_time} of its points have no time")


def micro_text(micros: int) -> str:
    """A step in millionths as text."""
    return step_text(micros, DECIMALS)


def _see_times(reading: Reading, path: str, times: Times) -> None:
    known = times[times != 0]
    if known.size:
        reading.times += [int(known.min()), int(known.max())]
    _, twice = reading.clock.to_utc(times)
    if twice:
        why = f"the clock showed the hour of {twice} of its points twice; the first one is taken"
        reading.change(path, why)
