"""Names of params and metrics as MLflow takes them, for those that other trackers allow."""

import hashlib
import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH

from mlarchive.records import MetricSeries, Run
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.snapshot import Stream

_REFUSED = re.compile(r"[^\w./\- :]")
_KEPT = 200


def allowed(name: str) -> str:
    """The name itself, or one that MLflow takes: `_` for what it refuses, and a digest of all."""
    plain = _REFUSED.sub("_", name)
    path = posixpath.normpath(f"/{plain}").lstrip("/")
    if name and name == plain == path and len(name) <= MAX_ENTITY_KEY_LENGTH:
        return name
    return f"{path[:_KEPT] or '_'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def params_of(record: Run) -> dict[str, str]:
    """A run's params under names that MLflow takes."""
    return {allowed(name): value for name, value in record.params.items()}


def streams_of(work: Work, record: Run) -> tuple[Stream, ...]:
    """A run's streams, metrics under names that MLflow takes."""
    return tuple(map(_taken, work.snapshot.streams_of(record.key)))


def list_changed_names(work: Work, record: Run, streams: Sequence[Stream]) -> None:
    """List the params and metrics that the target calls otherwise, and steps with fractions.

    Args:
        work: Gets the transformations.
        record: The run.
        streams: As its source names them.
    """
    what = called(record)
    series = [s.entry for s in streams if isinstance(s.entry, MetricSeries)]
    for kind, names in (("param", record.params), ("metric", [one.key for one in series])):
        for name in names:
            if allowed(name) != name:
                why = f"MLflow takes no such name, and calls it {allowed(name)!r}"
                work.change(what, f"{kind} {name}", why)
    for one in series:
        if one.step_decimals:
            why = f"MLflow's steps are whole: they are written times {10**one.step_decimals}"
            work.change(what, f"metric {one.key}", why)


def decimals_of(streams: Sequence[Stream]) -> str:
    """The decimals of the steps of a run's metrics by name, as JSON; "" if none has any."""
    found = {
        s.entry.key: s.entry.step_decimals
        for s in streams
        if isinstance(s.entry, MetricSeries) and s.entry.step_decimals
    }
    return msgspec.json.encode(found, order="sorted").decode() if found else ""


def _taken(stream: Stream) -> Stream:
    entry = stream.entry
    if not isinstance(entry, MetricSeries) or allowed(entry.key) == entry.key:
        return stream
    return replace(stream, entry=msgspec.structs.replace(entry, key=allowed(entry.key)))
