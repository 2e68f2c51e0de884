"""What the operations of a 3.x client say (`operation.proto` of neptune-scale), done one by one."""

import mimetypes
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from mlarchive.registries.neptune.objects import text_of, time_text
from mlarchive.registries.neptune.offline import wire
from mlarchive.registries.neptune.offline.locating import Located, Whereabouts
from mlarchive.registries.neptune.offline.state import Item, State

_UPDATE, _CREATE = 0, 1
"""Kinds of operations (`operation_type`)."""
_FIELDS = {
    _UPDATE: frozenset({1, 2, 4, 5, 8, 9, 10, 11, 12}),
    _CREATE: frozenset({*range(1, 10), 11, 12}),
}
"""What each kind of operation can have."""
_ADD, _REMOVE = 1, 2
_FLOAT, _INT, _BOOL, _STRING, _TIME, _SET, _FILE, _HISTOGRAM = 1, 3, 5, 6, 8, 12, 13, 14
"""Fields of a `Value`."""


class Doing(Struct):
    """A run while its operations are done.

    Attributes:
        state: Of the run so far; changed.
        whereabouts: Finds the files.
        uploads: Paths of files that were still to be uploaded, and their sizes in bytes, None if
            unknown, by where they were to go.
        project: Of the run.
    """

    state: State
    whereabouts: Whereabouts
    uploads: Mapping[str, tuple[str, int | None]]
    project: str = ""


MALFORMED = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What Python raises over an operation that is none."""


def do(kind: Any, raw: Any, doing: Doing) -> None:  # noqa: ANN401  (of any database)
    """Do one operation.

    Raises:
        ValueError: It is none, or says more than is known; as do the other `MALFORMED` ones.
    """
    if not isinstance(raw, bytes):
        raise TypeError("no bytes")
    if kind not in _FIELDS:
        raise ValueError(f"its kind {kind!r} is not known")
    found = wire.message(raw)
    if kind == _UPDATE:
        _update(found, doing)
    else:
        _create(found, doing)
    if unknown := found.keys() - _FIELDS[kind]:
        raise ValueError(f"a field of it, {min(unknown)}, is not known, and left out")


def _create(run: wire.Message, doing: Doing) -> None:
    state = doing.state
    if 3 in run:  # noqa: PLR2004  (creation_time)
        state.assign("sys/creation_time", "datetime", time_text(wire.milliseconds(run[3][-1])))
    for number, path in _TEXTS.items():
        if number in run:
            state.assign(path, "string", wire.text(run[number][-1]))
    if 6 in run:  # noqa: PLR2004  (owner)
        for owner in wire.inner(run[6][-1]).values():
            state.assign("sys/owner", "string", wire.text(owner[-1]))
    if 2 in run:  # noqa: PLR2004  (fork_point)
        _fork(wire.inner(run[2][-1]), doing)


_TEXTS = {
    1: "sys/custom_run_id",
    5: "sys/name",
    4: "sys/family",
    8: "sys/diagnostics/tracker_client",
}
"""Fields of a `Run` that are texts; what a request is called (7) is no part of the run."""


def _fork(fork: wire.Message, doing: Doing) -> None:
    if 2 in fork:  # noqa: PLR2004  (parent_run_id)
        doing.state.assign("sys/forking/parent", "string", wire.text(fork[2][-1]))
    if 4 in fork:  # noqa: PLR2004  (step)
        doing.state.assign("sys/forking/step", "float", text_of(float(_step(fork[4][-1]))))
    project = wire.text(fork[1][-1]) if 1 in fork else ""
    if project not in {"", doing.project}:
        why = f"the run that it was forked of is in the project {project}, which has no place"
        doing.state.lose("sys/forking/parent", why)


def _update(snapshot: wire.Message, doing: Doing) -> None:
    step = _step(snapshot[1][-1]) if 1 in snapshot else None
    time = wire.milliseconds(snapshot[2][-1]) if 2 in snapshot else 0  # noqa: PLR2004  (timestamp)
    for path, value in wire.entries(snapshot.get(4, [])):
        _assign(path, wire.inner(value), doing)
    for path, value in wire.entries(snapshot.get(5, [])):
        _modify(path, wire.inner(value), doing.state)
    if 10 in snapshot and wire.inner(snapshot[10][-1]).get(1, [0])[-1]:  # noqa: PLR2004  (preview)
        for path, _ in wire.entries(snapshot.get(8, [])):
            doing.state.lose(path, "a point of it was a preview, which is left out")
        return
    for path, value in wire.entries(snapshot.get(8, [])):
        _append(path, wire.inner(value), step, time, doing)


def _step(value: Any) -> Decimal:  # noqa: ANN401  (of a message)
    step = wire.inner(value)
    whole, micro = (step.get(number, [0])[-1] for number in (1, 2))
    return Decimal(whole) + Decimal(micro).scaleb(-6)


def _assign(path: str, value: wire.Message, doing: Doing) -> None:
    state = doing.state
    match next(iter(value), 0):
        case 0:
            state.lose(path, "a value that is none was assigned")
        case n if n == _FLOAT:
            state.assign(path, "float", text_of(wire.double(value[n][-1])))
        case n if n == _INT:
            state.assign(path, "int", str(wire.signed(value[n][-1])))
        case n if n == _BOOL:
            state.assign(path, "bool", text_of(bool(value[n][-1])))
        case n if n == _STRING:
            state.assign(path, "string", wire.text(value[n][-1]))
        case n if n == _TIME:
            state.assign(path, "datetime", time_text(wire.milliseconds(value[n][-1])))
        case n if n == _SET:
            slot = state.slot(path, "string_set")
            slot.values = {wire.text(one) for one in wire.inner(value[n][-1]).get(1, [])}
        case n if n == _FILE:
            located, suffix = _located(value[n][-1], path, doing)
            state.put(path, located, suffix)
        case n:
            state.lose(path, f"a value of the unknown kind {n}")


def _modify(path: str, value: wire.Message, state: State) -> None:
    values = state.slot(path, "string_set").values
    for one, how in wire.entries(wire.inner(value.get(1, [b""])[-1]).get(1, [])):
        if how == _ADD:
            values.add(one)
        elif how == _REMOVE:
            values.discard(one)


def _append(path: str, value: wire.Message, step: Decimal | None, time: int, doing: Doing) -> None:
    state = doing.state
    match next(iter(value), 0):
        case 0:
            state.lose(path, "a point of it has no value")
        case n if n == _FLOAT:
            point = wire.double(value[n][-1])
            state.append(path, "float_series", Item(step=0, time=time, value=point), step=step)
        case n if n == _INT:
            point = float(wire.signed(value[n][-1]))
            state.append(path, "float_series", Item(step=0, time=time, value=point), step=step)
        case n if n == _STRING:
            line = Item(step=0, time=time, value=wire.text(value[n][-1]))
            state.append(path, "string_series", line, step=step)
        case n if n == _HISTOGRAM:
            item = Item(step=0, time=time, value=_histogram(wire.inner(value[n][-1])))
            state.append(path, "histogram_series", item, step=step)
        case n if n == _FILE:
            located, suffix = _located(value[n][-1], path, doing)
            if isinstance(located, str):
                state.lose(path, located)
                return
            state.located += 1
            size = located.file.size
            file = Item(
                step=0,
                time=time,
                open=located.opener,
                size=size,
                suffix=suffix,
                located=located,
            )
            state.append(path, "file_series", file, step=step)
        case n:
            state.lose(path, f"a point of the unknown kind {n}")


def _histogram(value: wire.Message) -> dict[str, Any]:
    counted = 4 in value  # noqa: PLR2004  (counts)
    if not counted and 5 not in value:  # noqa: PLR2004  (densities)
        raise ValueError("a histogram that has neither counts nor densities")
    held = wire.inner(value[4 if counted else 5][-1]).get(1, [])
    return {
        "type": "COUNTING" if counted else "DENSITY",
        "edges": wire.doubles(value.get(1, [])),
        "values": [float(n) for n in wire.integers(held)] if counted else wire.doubles(held),
    }


def _located(value: Any, path: str, doing: Doing) -> tuple[Located | str, str]:  # noqa: ANN401  (of a message)
    """The file that a reference means, and its extension."""
    reference = wire.inner(value)
    destination, media_type = (wire.text(reference.get(n, [b""])[-1]) for n in (1, 3))
    upload = doing.uploads.get(destination)
    name = destination.rpartition("/")[2]
    suffix = name.rpartition(".")[2] if "." in name else ""
    if upload is None:
        return f"it was uploaded to {destination}, and is not here any more", suffix
    if media_type not in {"", "application/octet-stream", mimetypes.guess_type(name)[0]}:
        doing.state.lose(path, f"its media type, {media_type}, is not told by its extension")
    return doing.whereabouts.file(*upload), suffix
