"""An object of an export, from its rows to its attributes (`spec/mapping-neptune.md`, 2).

What the rows name and is not there, what cannot be read, and what the exporter never writes is
each a loss; everything else arrives. Every part is decoded and every archive unpacked once before
the snapshot is given, so that damage is known by then.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from mlarchive.errors import MlarchiveError
from mlarchive.registries.neptune.export.clock import suspicion
from mlarchive.registries.neptune.export.gathering import Reader, Reading
from mlarchive.registries.neptune.export.layout import Exported
from mlarchive.registries.neptune.export.parts import Slice
from mlarchive.registries.neptune.export.reading_files import (
    artifact,
    file,
    file_series,
    file_set,
    list_unnamed,
)
from mlarchive.registries.neptune.export.reading_series import float_series, text_series
from mlarchive.registries.neptune.export.reading_values import AMBIGUOUS, is_empty, single
from mlarchive.registries.neptune.objects import Attribute, NeptuneObject
from mlarchive.registries.neptune.snapshots import time_of

_MOST_NAMES = 20
_Maker = Callable[[Reading, str, str, Sequence[Slice]], Attribute | None]


def read_object(exported: Exported, reader: Reader, *, only: str = "") -> NeptuneObject:
    """An object with all that its parts and files still give.

    Args:
        exported: Where it is.
        reader: What reading shares.
        only: Leave out the attributes whose paths do not begin so.

    Raises:
        DamageError: None of its parts can be read.
    """
    reading = Reading(reader, exported)
    for problem in exported.problems:
        reading.lose("table", problem)
    reading.index(only)
    for (path, kind), slices in sorted(reading.slices.items()):
        try:
            _read_attribute(reading, path, kind, slices)
        except MlarchiveError as error:
            reading.lose(path, error.message)
    if not only:
        _list_failures(reading)
        list_unnamed(reading)
        _list_unwritten(reading)
        _list_empty(reading)
        _look_at_the_clock(reading)
    return _made(reading)


def _read_attribute(reading: Reading, path: str, kind: str, slices: Sequence[Slice]) -> None:
    if reading.is_three and is_empty(reading, kind, slices):
        if kind in AMBIGUOUS:
            reading.empty.append(path)
    elif path in reading.attributes:
        reading.lose(path, f"it is there a second time, as {kind}")
    elif made := _MAKERS.get(kind, single)(reading, path, kind, slices):
        reading.attributes[path] = made


_MAKERS: Mapping[str, _Maker] = {
    "float_series": float_series,
    "string_series": text_series,
    "histogram_series": text_series,
    "file": file,
    "file_series": file_series,
    "artifact": artifact,
    "file_set": file_set,
}
"""How the attributes that are no single value are made, by type."""


def _list_unwritten(reading: Reading) -> None:
    """List what the exporter never writes."""
    if reading.exported.kind == "run":
        reading.lose_as_ever("sys/state", "the exporter never writes it")
    if not reading.is_three:
        reading.lose_as_ever(
            "references to git and notebooks",
            "the exporter never writes them, nor says whether there were any",
        )


def _list_empty(reading: Reading) -> None:
    """Say which rows without a value were taken for those of other runs."""
    if reading.empty:
        names = ", ".join(reading.empty[:_MOST_NAMES])
        more = len(reading.empty) - _MOST_NAMES
        reading.change(
            "rows without a value",
            "the exporter writes them for what other runs of its batch have, and so they are taken;"
            " a NaN, or a file that was never uploaded, would look the same: "
            + (f"{names} and {more} more" if more > 0 else names),
        )


def _list_failures(reading: Reading) -> None:
    log = reading.reader.log
    for failure in log.failures.get(reading.identity, ()):
        path = failure.attribute_path or "attributes"
        why = f"the exporter failed to write it: {failure.exception}"
        if path in reading.attributes:
            why += "; some of it is here, and nothing tells whether that is all"
        reading.lose(path, why)
    if log.unread:
        why = f"{log.unread} of its lines cannot be read, and may speak of this object"
        reading.lose("the exporter's error log", why)


def _look_at_the_clock(reading: Reading) -> None:
    if not reading.times or reading.is_three:
        return
    if reading.reader.clock.name:
        why = "the exporting machine's clock was not taken for UTC, as --export-timezone says"
        reading.change("times of points", why)
        return
    why = suspicion(
        min(reading.times),
        max(reading.times),
        time_of(reading.attributes, "creation_time"),
        max(time_of(reading.attributes, name) for name in ("ping_time", "modification_time")),
    )
    if why:
        reading.lose("times of points", why)


def _made(reading: Reading) -> NeptuneObject:
    exported = reading.exported
    project, run_id = reading.identity
    model = reading.attributes.get("sys/model_id")
    if exported.kind == "model-version" and not model:
        reading.lose("sys/model_id", "it is not there; the version's own id tells its model")
    found = NeptuneObject(
        kind=exported.kind,
        project=project or exported.project,
        id=run_id or exported.name,
        attributes=tuple(reading.attributes.values()),
        model=(model.value if model else run_id.rpartition("-")[0])
        if exported.kind == "model-version"
        else "",
        location=exported.folder,
        verbatim=_verbatim(exported),
    )
    return found.with_changes((*reading.losses, *reading.routine), reading.changes)


def _verbatim(exported: Exported) -> str:
    """What the export has of the object: names and sizes of its parts."""
    parts = {part.name: part.lstat().st_size for part in exported.parts}
    return json.dumps({"parts": parts}, sort_keys=True)
