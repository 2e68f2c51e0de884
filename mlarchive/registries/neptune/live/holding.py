"""What a server already holds of an object: a run that remembers where it came from."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from mlarchive.records import Address
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.table import CONTENT_ID, ORIGIN, STATE_ID, Project
from mlarchive.registries.neptune.live.values import single

_SCHEME = "neptune://"
_COLUMNS = ("sys/id", "sys/custom_run_id", "sys/trashed", ORIGIN, CONTENT_ID, STATE_ID)


class Held(Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        id: The server's own.
        sys_id: Such as `MOD-7`.
        origin: The address of what it was made of; "" if it does not say so.
        content_id: As noted when it was complete; "" until then.
        state_id: Likewise.
        trashed: Whether somebody put it into the trash.
    """

    id: str
    sys_id: str
    origin: str = ""
    content_id: str = ""
    state_id: str = ""
    trashed: bool = False


def origin_mark(source: Address, project: str) -> str:
    """What a run notes of what it was made of: the object's address in its own project.

    The same whether that was read by itself or as one of several (`neptune://lab/*`).

    Args:
        source: The object's address, as it was read.
        project: `WORKSPACE/PROJECT` that it is in; "" if unknown.
    """
    if project and source.origin.startswith(_SCHEME) and {"*", "?"} & set(source.origin):
        name = source.name.removeprefix(f"{project}/")
        source = msgspec.structs.replace(source, origin=f"{_SCHEME}{project}", name=name)
    return str(source)


def find(connection: Connection, project: Project, origin: str, custom_id: str = "") -> Held | None:
    """The run that an object became; else one that has its custom id; else None."""
    query = _equal(ORIGIN, origin)
    if custom_id:
        query = f"({query} OR {_equal('sys/custom_run_id', custom_id)})"
    found = _search(connection, project, query)
    return next((one for one in found if one.origin == origin), found[0] if found else None)


def named(connection: Connection, project: Project, sys_id: str) -> Held | None:
    """The run that has an id of the server's, such as `MOD-7`."""
    found = _search(connection, project, _equal("sys/id", sys_id))
    return found[0] if found else None


def _search(connection: Connection, project: Project, query: str) -> list[Held]:
    answer = connection.ask(
        "searchLeaderboardEntries",
        projectIdentifier=project.id,
        type=["run"],
        params={
            "query": {"query": query},
            "attributeFilters": [{"path": path} for path in _COLUMNS],
            "pagination": {"limit": 10, "offset": 0},
        },
    )
    return [_held(entry) for entry in answer["entries"]]


def held_in(object_id: str, sys_id: str, attributes: Mapping[str, str]) -> Held:
    """A run of which all attributes are known, as texts."""
    return Held(
        id=object_id,
        sys_id=sys_id,
        origin=attributes.get(ORIGIN, ""),
        content_id=attributes.get(CONTENT_ID, ""),
        state_id=attributes.get(STATE_ID, ""),
        trashed=attributes.get("sys/trashed") == "true",
    )


def _held(entry: Mapping[str, Any]) -> Held:
    said = {one["name"]: single(one).value for one in entry["attributes"]}
    return held_in(entry["experimentId"], said.get("sys/id", ""), said)


def _equal(path: str, value: str) -> str:
    return f"(`{path}`:string = {json.dumps(value, ensure_ascii=False)})"
