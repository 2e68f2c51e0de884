"""A stranded object: its operations done, what it then is, and what was never there."""

import contextlib
import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from mlarchive.errors import DamageError, MlarchiveError
from mlarchive.registries.folderfiles import FolderFile, open_watched
from mlarchive.registries.neptune.finding import find
from mlarchive.registries.neptune.objects import Attribute, NeptuneObject, text_of, time_text
from mlarchive.registries.neptune.offline import store
from mlarchive.registries.neptune.offline.layout import Stranded, logs_in
from mlarchive.registries.neptune.offline.locating import Whereabouts
from mlarchive.registries.neptune.offline.operations import (
    Operation,
    Problem,
    operations_in,
    version_in,
)
from mlarchive.registries.neptune.offline.replay import Replay
from mlarchive.registries.neptune.offline.state import State

_LONGEST = 1 << 20
_CREATED = "sys/creation_time"


def read_stranded(found: Stranded, whereabouts: Whereabouts) -> NeptuneObject:
    """A stranded object with all that its operations make of it.

    Args:
        found: Where it is.
        whereabouts: Finds the files.

    Raises:
        DamageError: Nothing of it can be read.
    """
    state = State()
    if found.mode == "store":
        known = store.identity(found.folders[0])
        for folder in sorted(found.folders, key=store.begun):
            store.replay(folder, state, whereabouts)
        return _made(found, state, project=known.project, own_id=known.run_id, verbatim="")
    notes = {folder: _metadata(folder, state) for folder in found.folders}
    begun = _in_time(notes, state)
    metadata: dict[str, Any] = {}
    for folder in begun:
        metadata = notes[folder] | metadata
    _replay(found, begun, state, whereabouts)
    if not state.slots and not state.losses:
        raise DamageError(f"the logs of {found.id} hold no operation")
    _take_creation(metadata, state)
    verbatim = json.dumps(metadata, sort_keys=True) if metadata else ""
    return _made(found, state, project="", own_id=found.id, verbatim=verbatim)


def _replay(
    found: Stranded, begun: Mapping[Path, float], state: State, whereabouts: Whereabouts
) -> None:
    """Do the operations of all processes in the order of their times, as they reached a server."""
    replay = Replay(state, whereabouts, found.id)
    first_at = 0.0
    timed = [_timed(folder, began) for folder, began in begun.items()]
    for _, operation in heapq.merge(*timed, key=itemgetter(0)):
        if isinstance(operation, Problem):
            state.lose(operation.what, operation.why)
        else:
            replay.do(operation)
            first_at = first_at or operation.at
    if first_at and _CREATED not in state.slots:
        state.assign(_CREATED, "datetime", time_text(int(first_at * 1000)))
    for folder in begun:
        taken = version_in(folder, "last_ack_version")
        if taken and "async" in folder.parts[-3:]:
            why = f"operations up to {taken} went to the server; what it made of them is not here"
            state.lose("what the server has", why)


def _timed(folder: Path, began: float) -> Iterator[tuple[float, Operation | Problem]]:
    """What a process wrote, each with a time that never runs backwards."""
    last = 0.0
    for operation in operations_in(folder):
        if isinstance(operation, Operation):
            last = max(last, operation.at)
        yield last or began, operation


def _in_time(notes: Mapping[Path, Mapping[str, Any]], state: State) -> dict[Path, float]:
    """The folders of an object by when their processes began, in that order."""
    begun = {folder: _begun(folder, note) for folder, note in notes.items()}
    unknown = [folder.name for folder, began in begun.items() if not began]
    if len(begun) > 1:
        for name in unknown:
            why = "nothing in it tells when it was written; what it says is done before all else"
            state.lose(name, why)
    return dict(sorted(begun.items(), key=itemgetter(1)))


def _begun(folder: Path, note: Mapping[str, Any]) -> float:
    """When a process began, s since 1970 UTC, as it noted or as its folder or log has it."""
    with contextlib.suppress(TypeError, ValueError, OverflowError, KeyError):
        return datetime.fromisoformat(note["createdAt"]).timestamp()
    with contextlib.suppress(ValueError, OverflowError):
        _, _, named = folder.name.split("-", 2)
        return datetime.strptime(f"{named}+0000", "%Y-%m-%d_%H.%M.%S.%f%z").timestamp()
    return next((one.at for one in operations_in(folder) if isinstance(one, Operation)), 0.0)


def _metadata(folder: Path, state: State) -> dict[str, Any]:
    """What the client noted of itself; older ones noted nothing."""
    file = find(folder, "metadata.json")
    if not isinstance(file, FolderFile):
        return {}
    with open_watched(folder, file) as raw:
        try:
            value = json.loads(raw.read(_LONGEST))
        except (ValueError, RecursionError) as error:
            state.lose(f"{folder.name}/metadata.json", f"it is damaged: {error}")
            return {}
    return value if isinstance(value, dict) else {}


def _take_creation(metadata: dict[str, Any], state: State) -> None:
    """Say when the object was made by the client's clock: no server ever gave it a time."""
    created = metadata.get("createdAt")
    if isinstance(created, str):
        try:
            moment = datetime.fromisoformat(created)
            if moment.tzinfo is None:
                why = f"{created!r} does not say its zone, and is not taken for when it was created"
                state.lose("metadata.json", why)
            else:
                state.assign(_CREATED, "datetime", text_of(moment))
        except (ValueError, TypeError, OverflowError):
            state.lose("metadata.json", f"{created!r} is no time")
    if _CREATED in state.slots:
        state.changes.append((_CREATED, "it is when the client began, by the client's clock"))


_UNWRITTEN = tuple(
    (path, "what the client left does not name it")
    for path in ("project", "sys/id", "sys/custom_run_id")
)
"""What a 2.x client keeps to itself until there is a server."""


def _made(
    found: Stranded, state: State, *, project: str, own_id: str, verbatim: str
) -> NeptuneObject:
    attributes: tuple[Attribute, ...] = state.attributes()
    model = own_id.rpartition("-")[0] if found.kind == "model-version" else ""
    made = NeptuneObject(
        kind=found.kind,
        project=project,
        id=own_id,
        model=model,
        attributes=attributes,
        location=f"{found.mode}/{found.folders[0].name}",
        verbatim=verbatim,
    )
    unwritten = () if found.mode == "store" else _UNWRITTEN
    return made.with_changes((*state.losses, *unwritten), state.changes)


def joined(found: Iterable[tuple[Stranded, NeptuneObject]]) -> list[Stranded]:
    """Folders of one object as one: a client that begins anew leaves another one."""
    by_object: dict[tuple[str, str, str], Stranded] = {}
    for one, head in found:
        key = (head.kind, head.project, head.id)
        known = by_object.get(key)
        folders = (*known.folders, *one.folders) if known else one.folders
        by_object[key] = msgspec.structs.replace(known or one, folders=folders)
    return list(by_object.values())


def head_of(found: Stranded) -> NeptuneObject:
    """What is told of an object before its operations are done: what it is, and what is broken."""
    project, own_id = "", found.id
    broken = [("logs", f"{f.name} has none any more") for f in found.folders if not logs_in(f)]
    if found.mode == "store":
        broken = [trouble for folder in found.folders for trouble in store.troubles(folder)]
        with contextlib.suppress(MlarchiveError):
            known = store.identity(found.folders[0])
            project, own_id = known.project, known.run_id
    shown = Attribute(path="sys/name", type="string", value=f"left {found.mode}")
    model = own_id.rpartition("-")[0] if found.kind == "model-version" else ""
    head = NeptuneObject(
        kind=found.kind, project=project, id=own_id, model=model, attributes=(shown,)
    )
    return head.with_changes(broken, ())
