"""Operations in the SQLite store of a 3.x client (neptune-scale): what they make of a run."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from mlarchive.errors import DamageError, MlarchiveError
from mlarchive.registries.folderfiles import open_watched
from mlarchive.registries.neptune.finding import find
from mlarchive.registries.neptune.objects import text_of, time_text
from mlarchive.registries.neptune.offline import wire
from mlarchive.registries.neptune.offline.layout import STORE
from mlarchive.registries.neptune.offline.locating import Located, Whereabouts
from mlarchive.registries.neptune.offline.state import Item, State

_OPERATIONS = "SELECT sequence_id, operation_type, operation FROM run_operations"
_HEAD = 19
"""Bytes of a store up to that which says whether it has a write-ahead log."""
_UPDATE, _CREATE = 0, 1
"""Kinds of operations (`operation_type`)."""
_FIELDS = {
    _UPDATE: frozenset({1, 2, 4, 5, 8, 9, 10, 11, 12}),
    _CREATE: frozenset({*range(1, 10), 11, 12}),
}
"""What each kind of operation can have."""
_ADD, _REMOVE = 1, 2
_KNOWN = ("v1", "v2", "v3", "v4", "v5")
_FLOAT, _INT, _BOOL, _STRING, _TIME, _SET, _FILE, _HISTOGRAM = 1, 3, 5, 6, 8, 12, 13, 14
"""Fields of a `Value`."""


class Identity(Struct, frozen=True, kw_only=True):
    """What a store says of its run.

    Attributes:
        project: `WORKSPACE/PROJECT`.
        run_id: The run's own id.
    """

    project: str
    run_id: str


def identity(folder: Path) -> Identity:
    """Which run a store is of.

    Raises:
        DamageError: It does not say, or is no store.
    """
    with _opened(folder) as store:
        rows = store.execute("SELECT project, run_id FROM metadata").fetchall()
    if len(rows) != 1 or not all(isinstance(value, str) for value in rows[0]):
        raise DamageError(f"{folder / STORE} does not say which run it is of")
    return Identity(project=rows[0][0], run_id=rows[0][1])


def begun(folder: Path) -> int:
    """When the first operation of a store was logged, in ms since 1970 UTC; 0 if unknown.

    Raises:
        DamageError: It is no store.
    """
    with _opened(folder) as store:
        (first,) = store.execute("SELECT min(timestamp) FROM run_operations").fetchone()
    return first if isinstance(first, int) else 0


def troubles(folder: Path) -> list[tuple[str, str]]:
    """What is wrong with a store as far as a look at it tells: a field and a sentence each."""
    state = State()
    try:
        identity(folder)
        with _opened(folder) as store:
            _look_at(store, state)
            store.execute(f"{_OPERATIONS} LIMIT 1").fetchone()
    except MlarchiveError as error:
        state.lose("store", error.message)
    return state.losses


def replay(folder: Path, state: State, whereabouts: Whereabouts) -> None:
    """Do all operations of a store.

    Args:
        folder: Holds the store.
        state: Is changed.
        whereabouts: Finds the files.

    Raises:
        DamageError: It is no store.
    """
    with _opened(folder) as store:
        uploads = _uploads(store, state)
        _look_at(store, state)
        last = 0
        for number, kind, raw in store.execute(f"{_OPERATIONS} ORDER BY 1"):
            if isinstance(number, int):
                if last and number > last + 1:
                    state.lose("store", f"operations {last + 1} to {number - 1} are not in it")
                last = number
            try:
                _do(kind, raw, _Doing(state, whereabouts, uploads))
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
                state.lose(f"operation {number}", f"it is malformed: {error}")


class _Doing(Struct):
    state: State
    whereabouts: Whereabouts
    uploads: Mapping[str, str]


def _do(kind: Any, raw: Any, doing: _Doing) -> None:  # noqa: ANN401  (of any database)
    if not isinstance(raw, bytes):
        raise TypeError("no bytes")
    if kind not in _FIELDS:
        raise ValueError(f"its kind {kind!r} is not known")
    found = wire.message(raw)
    if kind == _UPDATE:
        _update(found, doing)
    else:
        _create(found, doing.state)
    if unknown := found.keys() - _FIELDS[kind]:
        raise ValueError(f"a field of it, {min(unknown)}, is not known, and left out")


def _create(run: wire.Message, state: State) -> None:
    if 3 in run:  # noqa: PLR2004  (creation_time)
        state.assign("sys/creation_time", "datetime", time_text(wire.milliseconds(run[3][-1])))
    for number, path in ((1, "sys/custom_run_id"), (5, "sys/name"), (4, "sys/family")):
        if number in run:
            state.assign(path, "string", wire.text(run[number][-1]))
    if 2 in run:  # noqa: PLR2004  (fork_point)
        fork = wire.inner(run[2][-1])
        if 2 in fork:  # noqa: PLR2004  (parent_run_id)
            state.assign("sys/forking/parent", "string", wire.text(fork[2][-1]))
        if 4 in fork:  # noqa: PLR2004  (step)
            state.assign("sys/forking/step", "float", text_of(float(_step(fork[4][-1]))))


def _update(snapshot: wire.Message, doing: _Doing) -> None:
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


def _assign(path: str, value: wire.Message, doing: _Doing) -> None:
    state = doing.state
    match next(iter(value), _FLOAT):
        case n if n == _FLOAT:
            state.assign(path, "float", text_of(wire.double(value.get(n, [bytes(8)])[-1])))
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
            located, suffix = _located(value[n][-1], doing)
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


def _append(path: str, value: wire.Message, step: Decimal | None, time: int, doing: _Doing) -> None:
    state = doing.state
    match next(iter(value), _FLOAT):
        case n if n == _FLOAT:
            point = wire.double(value.get(n, [bytes(8)])[-1])
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
            located, _ = _located(value[n][-1], doing)
            if isinstance(located, str):
                state.lose(path, located)
                return
            state.located += 1
            file = Item(step=0, time=time, open=located.opener, size=located.file.size)
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


def _located(value: Any, doing: _Doing) -> tuple[Located | str, str]:  # noqa: ANN401  (of a message)
    """The file that a reference means, and its extension."""
    destination = wire.text(wire.inner(value).get(1, [b""])[-1])
    source = doing.uploads.get(destination)
    name = destination.rpartition("/")[2]
    suffix = name.rpartition(".")[2] if "." in name else ""
    if source is None:
        return f"it was uploaded to {destination}, and is not here any more", suffix
    return doing.whereabouts.file(source), suffix


def _uploads(store: sqlite3.Connection, state: State) -> Mapping[str, str]:
    """The files that were still to be uploaded, by where they were to go."""
    try:
        rows = store.execute("SELECT destination, source_path FROM file_upload_requests")
        return {str(destination): str(source) for destination, source in rows}
    except sqlite3.OperationalError:
        state.lose("files", "the store has no list of them")
        return {}


def _look_at(store: sqlite3.Connection, state: State) -> None:
    """List what the store says of itself that a person must know."""
    for (version,) in store.execute("SELECT version FROM metadata"):
        if version not in _KNOWN:
            why = f"its version {version!r} is not known; it may say more than was read"
            state.lose("store", why)
    held, first, odd = store.execute(
        "SELECT count(*), min(sequence_id), total(typeof(sequence_id) <> 'integer')"
        " FROM run_operations"
    ).fetchone()
    if not held:
        state.lose("store", "it holds no operation: a server took all, or there never was one")
    if odd:
        state.lose("store", f"{odd:.0f} of its operations have no number that tells their order")
    if isinstance(first, int) and first > 1:
        why = f"operations 1 to {first - 1} went to the server before, and are not here any more"
        state.lose("store", why)
    if store.execute("SELECT 1 FROM sqlite_master WHERE name = 'operation_errors'").fetchone():
        errors = store.execute("SELECT error_type, error_details FROM operation_errors")
        for kind, details in errors:
            state.lose("store", f"the server had refused an operation: {kind}: {details}")


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The store, which is never written to.

    Raises:
        DamageError: It is none.
    """
    path = folder / STORE
    try:
        with _undisturbed(folder) as (place, mode):
            uri = f"file:{quote(str(place.absolute()))}?{mode}"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as store:
                store.execute("PRAGMA trusted_schema = OFF")
                store.text_factory = partial(str, encoding="utf-8", errors="replace")
                yield store
    except sqlite3.Error as error:
        raise DamageError(f"{path} cannot be read as a store of Neptune: {error}") from error


@contextlib.contextmanager
def _undisturbed(folder: Path) -> Iterator[tuple[Path, str]]:
    """Where a store can be opened, and how, so that nothing is made or changed beside it.

    What stands in a log beside it is still to be taken in, and SQLite would do that in its place.
    """
    logs = [name for end in ("-wal", "-journal") if (folder / (name := f"{STORE}{end}")).exists()]
    if not logs:
        with (folder / STORE).open("rb") as file:
            is_wal = file.read(_HEAD)[_HEAD - 1 :] == b"\2"
        yield folder / STORE, "mode=ro&immutable=1" if is_wal else "mode=ro"
        return
    with tempfile.TemporaryDirectory() as scratch:
        for name in (STORE, *logs):
            found = find(folder, name)
            if isinstance(found, str):
                raise DamageError(f"{folder / name}: {found}")
            with open_watched(folder, found) as file, (Path(scratch) / name).open("wb") as copy:
                shutil.copyfileobj(file, copy)
        yield Path(scratch) / STORE, "mode=rw"
