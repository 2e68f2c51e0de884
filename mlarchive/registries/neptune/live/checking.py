"""Whether a run has what was written to it, as far as the server tells without its bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlarchive.errors import RemoteError
from mlarchive.records import Field, File
from mlarchive.registries.neptune.live import operations
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.remembering import Told
from mlarchive.registries.neptune.live.series import OPERATIONS
from mlarchive.registries.neptune.live.values import TYPES, properties, single
from mlarchive.registries.neptune.live.work import Work


def check(connection: Connection, run_id: str, work: Work, refused: Sequence[str]) -> Told:
    """Compare types, values, sizes of files, and numbers of points; returns what is told of all.

    Args:
        connection: To the server.
        run_id: The server's own.
        work: What was written.
        refused: What the server said against some of it, in case it is missed.

    Raises:
        RemoteError: Something is not there, or is not what was written.
    """
    try:
        return _check(connection, run_id, work)
    except RemoteError as error:
        if not refused:
            raise
        raise RemoteError(f"{error.message}; it said: {refused[0]}", hint=error.hint) from error


def attributes_told(connection: Connection, run_id: str) -> Told:
    """What a server tells of all attributes of a run, by path."""
    answer = connection.ask("getExperimentAttributes", experimentId=run_id)
    return {one["name"]: one for one in answer["attributes"]}


def _check(connection: Connection, run_id: str, work: Work) -> Told:
    told = attributes_told(connection, run_id)
    series = []
    for field in work.values:
        if field.type in operations.SERIES:
            wanted = len(operations.points_of(work, field).kept)
            series += [(field, wanted)] if wanted else []
        else:
            _compare(work, field, told.get(field.path))
    counts = connection.in_parallel(lambda one: _count(connection, run_id, one[0]), series)
    for (field, wanted), found in zip(series, counts, strict=True):
        if found != wanted:
            raise _missing(field, f"it has {found} points, not {wanted}")
    return told


def _compare(work: Work, field: Field, told: Mapping[str, Any] | None) -> None:
    expected = _expected(work, field)
    if expected is None:
        return
    if told is None or (TYPES.get(told["type"]) != field.type and field.type != "object_state"):
        raise _missing(field, "it is not there" if told is None else f"it is a {told['type']}")
    found = _found(field, told)
    if found != expected:
        raise _missing(field, f"it is {found!r:.100} there, not {expected!r:.100}")


def _expected(work: Work, field: Field) -> object:
    if field.type in operations.UPLOADED:
        entries = [work.streams[file.path].entry for file in field.files]
        return sum(entry.size for entry in entries if isinstance(entry, File))
    if field.type == "artifact":
        return True if field.files else None
    if operations.assign(field, field.path) is None:
        return None
    return list(field.values) if field.type == "string_set" else field.value


def _found(field: Field, told: Mapping[str, Any]) -> object:
    if field.type in operations.UPLOADED:
        return properties(told).get("size")
    if field.type == "artifact":
        return bool(properties(told).get("hash"))
    found = single(told)
    return list(found.values) if field.type == "string_set" else found.value


def _count(connection: Connection, run_id: str, field: Field) -> int:
    answer = connection.ask(
        OPERATIONS[field.type], experimentId=run_id, attribute=field.path, limit=1, offset=0
    )
    return int(answer["totalItemCount"])


def _missing(field: Field, what: str) -> RemoteError:
    return RemoteError(
        f"the server took {field.path!r} and does not have it: {what}",
        hint="run the same command again",
    )
