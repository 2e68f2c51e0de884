"""The SQLite store of a 3.x client (neptune-scale): which run it is of, and its operations."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from mlarchive.errors import DamageError, MlarchiveError
from mlarchive.registries.folderfiles import open_watched
from mlarchive.registries.neptune.finding import find
from mlarchive.registries.neptune.offline.layout import STORE
from mlarchive.registries.neptune.offline.locating import Whereabouts
from mlarchive.registries.neptune.offline.state import State
from mlarchive.registries.neptune.offline.updates import MALFORMED, Doing, do

_OPERATIONS = "SELECT sequence_id, operation_type, operation FROM run_operations"
_HEAD = 19
"""Bytes of a store up to that which says whether it has a write-ahead log."""
_LAST = (
    "SELECT max(sequence_id) FROM run_operations",
    "SELECT seq FROM sqlite_sequence WHERE name = 'run_operations'",
)
"""What tells the number of the last operation."""
_MOST_BEYOND = 1 << 22
"""Operations that are asked for one by one."""
_COLUMNS = "PRAGMA table_info(file_upload_requests)"
_KNOWN = ("v1", "v2", "v3", "v4", "v5")


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
    first = None
    with _opened(folder) as store, contextlib.suppress(_DamagedError), _telling():
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
        (project,) = store.execute("SELECT project FROM metadata").fetchone()
        doing = Doing(state, whereabouts, _uploads(store, state), project)
        _look_at(store, state)
        last = 0
        for number, kind, raw in _operations(store, state):
            if isinstance(number, int):
                if last and number > last + 1:
                    state.lose("store", f"operations {last + 1} to {number - 1} are not in it")
                last = number
            try:
                do(kind, raw, doing)
            except MALFORMED as error:
                state.lose(f"operation {number}", f"it is malformed: {error}")


def _operations(store: sqlite3.Connection, state: State) -> Iterator[tuple[Any, Any, Any]]:
    """All operations that can be read: number, kind, message."""
    last: Any = 0
    try:
        with _telling():
            for row in store.execute(f"{_OPERATIONS} ORDER BY 1"):
                last = row[0]
                yield row
    except _DamagedError as error:
        state.lose("store", f"some of its operations cannot be read: {error}")
        if isinstance(last, int):
            yield from _beyond(store, state, last)


def _beyond(store: sqlite3.Connection, state: State, last: int) -> Iterator[tuple[Any, Any, Any]]:
    """The operations after one behind which something is damaged, each asked for by itself."""
    highest = _highest(store)
    for number in range(last + 1, min(highest, last + _MOST_BEYOND) + 1):
        with contextlib.suppress(sqlite3.DatabaseError):
            for row in store.execute(f"{_OPERATIONS} WHERE sequence_id = ?", (number,)):
                last = number
                yield row
    if last < highest:
        state.lose("store", f"operations {last + 1} to {highest} are not in it")


def _highest(store: sqlite3.Connection) -> int:
    """The number of the last operation, as far as anything tells it; else 0."""
    for question in _LAST:
        with contextlib.suppress(sqlite3.DatabaseError):
            for (number,) in store.execute(question):
                if isinstance(number, int):
                    return number
    return 0


def _uploads(store: sqlite3.Connection, state: State) -> Mapping[str, tuple[str, int | None]]:
    """The files that were still to be uploaded, and their sizes, by where they were to go."""
    found: dict[str, tuple[str, int | None]] = {}
    try:
        with _telling():
            columns = [one[1] for one in store.execute(_COLUMNS)]
            for row in store.execute("SELECT * FROM file_upload_requests"):
                one = dict(zip(columns, row, strict=True))
                size = one.get("size_bytes")
                source = str(one["source_path"])
                known = isinstance(size, int) and size >= 0
                found[str(one["destination"])] = source, size if known else None
    except KeyError as error:
        state.lose("files", f"the store's list of them has no column {error}")
    except sqlite3.OperationalError:
        state.lose("files", "the store has no list of them")
    except _DamagedError as error:
        state.lose("files", f"the store's list of them is damaged: {error}")
    return found


def _look_at(store: sqlite3.Connection, state: State) -> None:
    """List what the store says of itself that a person must know."""
    for (version,) in store.execute("SELECT version FROM metadata"):
        if version not in _KNOWN:
            why = f"its version {version!r} is not known; it may say more than was read"
            state.lose("store", why)
    for look in (_look_at_numbers, _look_at_errors):
        try:
            with _telling():
                look(store, state)
        except _DamagedError as error:
            state.lose("store", f"a part of it is damaged: {error}")


def _look_at_numbers(store: sqlite3.Connection, state: State) -> None:
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


def _look_at_errors(store: sqlite3.Connection, state: State) -> None:
    if store.execute("SELECT 1 FROM sqlite_master WHERE name = 'operation_errors'").fetchone():
        errors = store.execute("SELECT error_type, error_details FROM operation_errors")
        for kind, details in errors:
            state.lose("store", f"the server had refused an operation: {kind}: {details}")


class _DamagedError(Exception):
    """A part of a store that cannot be read; others may be."""


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """Tell a part of a store that is damaged from one that is not what it should be."""
    try:
        yield
    except sqlite3.OperationalError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _DamagedError(_words(error)) from error


def _words(error: Exception) -> str:
    """What SQLite says; where its words have bytes of a damaged store, Python cannot tell them."""
    return "it is damaged" if isinstance(error, UnicodeDecodeError) else str(error)


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
    except (sqlite3.Error, UnicodeDecodeError) as error:
        why = _words(error)
        raise DamageError(f"{path} cannot be read as a store of Neptune: {why}") from error


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
