"""Projects and their objects seen from afar: tables of the server, a page for a hundred objects."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from mlarchive.errors import DamageError, NotFoundError, RemoteError
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.values import Told, single
from mlarchive.registries.neptune.objects import Attribute, Kind, NeptuneObject

MARKS: Final = "mlarchive/"
"""Where a target notes what it holds."""

ORIGIN: Final = f"{MARKS}origin"
CONTENT_ID: Final = f"{MARKS}content_id"
STATE_ID: Final = f"{MARKS}state_id"
PATH: Final = f"{MARKS}path"
WRITTEN: Final = f"{MARKS}written/"
_NOTED: Final = frozenset({ORIGIN, CONTENT_ID, STATE_ID, PATH})

_COLUMNS: Final = (
    *(
        f"sys/{name}"
        for name in (
            "id",
            "name",
            "description",
            "creation_time",
            "modification_time",
            "ping_time",
            "size",
            "state",
            "failed",
            "trashed",
            "tags",
            "group_tags",
            "stage",
            "model_id",
            "owner",
            "custom_run_id",
        )
    ),
    ORIGIN,
    PATH,
)
_TYPES: Mapping[Kind, str] = {"model": "model", "model-version": "modelVersion", "run": "run"}
_ID: Final = "sys/id"
_SORTING: Final = {
    "dir": "ascending",
    "aggregationMode": "none",
    "sortBy": {"name": _ID, "type": "string"},
}
_PAGE = 100
_FARTHEST = 10_000
"""The offset from which on servers give nothing."""


def is_mark(path: str) -> bool:
    """Whether a target notes something there, which is never part of what is read."""
    return path in _NOTED or path.startswith(WRITTEN)


class Project(Struct, frozen=True, kw_only=True):
    """A project.

    Attributes:
        id: The server's own.
        path: `WORKSPACE/PROJECT`.
        key: What ids in it begin with.
    """

    id: str
    path: str
    key: str


class Row(Struct, frozen=True, kw_only=True):
    """An object as a table shows it.

    Attributes:
        id: The server's own.
        project: It is in.
        head: With its `sys/` as far as it matters from afar.
        marks: What a target noted on it, by name.
    """

    id: str
    project: Project
    head: NeptuneObject
    marks: Mapping[str, str] = {}


def projects(connection: Connection, pattern: str) -> list[Project]:
    """The projects that `WORKSPACE/PROJECT` means; in PROJECT, `*` and `?` are wild.

    Raises:
        NotFoundError: One is named exactly, and is not there.
    """
    workspace, _, name = pattern.partition("/")
    if not {"*", "?"} & set(name):
        try:
            return [_project(connection.ask_backend("getProject", projectIdentifier=pattern))]
        except NotFoundError as error:
            raise _no_project(connection, pattern) from error
    found = [one for one in _listed(connection, workspace) if _fits(one, pattern)]
    if not found:
        raise _no_project(connection, pattern)
    return found


def _no_project(connection: Connection, pattern: str) -> NotFoundError:
    return NotFoundError(
        f"{connection.place} has no project {pattern}, or its token does not open it"
    )


def _listed(connection: Connection, workspace: str) -> Iterator[Project]:
    offset, total = 0, 1
    while offset < total:
        page = connection.ask_backend(
            "listProjects",
            organizationIdentifier=workspace,
            userRelation="viewerOrHigher",
            sortBy=["name"],
            sortDirection=["ascending"],
            limit=_PAGE,
            offset=offset,
        )
        yield from map(_project, page["entries"])
        offset, total = offset + _PAGE, page["matchingItemCount"]


def _fits(project: Project, pattern: str) -> bool:
    return fnmatchcase(project.path, pattern.replace("[", "[[]"))


def _project(told: Mapping[str, str]) -> Project:
    return Project(
        id=told["id"],
        path=f"{told['organizationName']}/{told['name']}",
        key=told["projectKey"],
    )


def rows(connection: Connection, project: Project, kind: Kind) -> Iterator[Row]:
    """All objects of a kind, trashed ones too.

    Raises:
        MlarchiveError: The server does not answer, or tells of more objects than it gives.
    """
    for entry in _entries(connection, project, _TYPES[kind]):
        try:
            yield _row(project, kind, entry["experimentId"], entry["attributes"])
        except KeyError as error:
            raise RemoteError(
                f"{connection.place} tells of a {kind} in {project.path} without its sys/id"
            ) from error


def itself(connection: Connection, project: Project) -> Row | None:
    """A project as an object; None if nothing was logged to it.

    Raises:
        MlarchiveError: The server does not answer.
    """
    try:
        answer = connection.ask("getExperimentAttributes", experimentId=project.id)
    except NotFoundError:
        return None
    except RemoteError as error:
        head = NeptuneObject(kind="project", project=project.path, id=project.key, attributes=())
        why = f"what was logged to the project is not given: {error.message}"
        return Row(id=project.id, project=project, head=head.with_changes([("", why)], ()))
    told = answer["attributes"]
    if all(one["name"].startswith("sys/") or is_mark(one["name"]) for one in told):
        return None
    shown = [one for one in told if one["name"] in _COLUMNS]
    return _row(project, "project", project.id, shown)


def _row(project: Project, kind: Kind, object_id: str, shown: Iterable[Told]) -> Row:
    found = list(_readable(shown))
    told = {one.path: one for one in found}
    model = told.get("sys/model_id")
    head = NeptuneObject(
        kind=kind,
        project=project.path,
        id=told[_ID].value if kind != "project" else project.key,
        attributes=tuple(one for one in found if not is_mark(one.path)),
        model=model.value if model else "",
    )
    marks = {one.path: one.value for one in found if is_mark(one.path)}
    return Row(id=object_id, project=project, head=head, marks=marks)


def _readable(told: Iterable[Told]) -> Iterator[Attribute]:
    """Attributes of a row; reading the object says what is wrong with one that is left out."""
    for one in told:
        with contextlib.suppress(DamageError):
            yield single(one)


def _entries(connection: Connection, project: Project, kind: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a table as the server tells them, in the order of their ids."""
    last, offset, given, total = "", 0, 0, 0
    while True:
        page = connection.ask(
            "searchLeaderboardEntries",
            projectIdentifier=project.id,
            type=[kind],
            params={
                "sorting": _SORTING,
                "attributeFilters": [{"path": path} for path in _COLUMNS],
                "query": {"query": f"(`{_ID}`:string > {json.dumps(last)})" if last else ""},
                "pagination": {"limit": _PAGE, "offset": offset},
            },
        )
        entries = page["entries"]
        total = total or page.get("matchingItemCount", 0)
        yield from entries
        given += len(entries)
        if not entries:
            break
        offset += _PAGE
        if offset == _FARTHEST:
            offset = 0
            (last,) = [single(one).value for one in entries[-1]["attributes"] if one["name"] == _ID]
    if given < total:
        raise RemoteError(
            f"{connection.place} tells of {total} objects in {project.path} and gives {given}",
            hint="something was deleted meanwhile, or the server is not well; run it again",
        )
