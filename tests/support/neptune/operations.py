"""What the client asks to be changed in an object: `executeOperations`, strictly."""

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Final

from tests.support.neptune.store import Attribute, Json, Object, Point, RefusedError, moment

Said = Mapping[str, Json]

_READ_ONLY: Final = frozenset(
    f"sys/{name}"
    for name in (
        "id",
        "owner",
        "creation_time",
        "modification_time",
        "ping_time",
        "running_time",
        "monitoring_time",
        "size",
        "state",
        "trashed",
        "custom_run_id",
        "model_id",
    )
)
_STAGES: Final = {"none", "staging", "production", "archived"}


class InconsistentError(Exception):
    """An operation that does not fit its attribute; the others of the request are still done."""


def execute(target: Object, operations: list[dict[str, Json]]) -> list[dict[str, str]]:
    """Do operations in their order.

    Returns:
        What could not be done.

    Raises:
        RefusedError: An operation is not one of the interface.
    """
    errors = []
    for said in operations:
        rest = dict(said)
        path = rest.pop("path", "")
        if len(rest) != 1 or not path:
            raise RefusedError(400, f"not one operation with a path: {sorted(said)}")
        ((name, given),) = rest.items()
        if name not in _OPERATIONS:
            raise RefusedError(400, f"no operation {name}")
        try:
            if path in _READ_ONLY:
                raise InconsistentError(f"{path} is read-only")  # noqa: TRY301
            _OPERATIONS[name](target, path, given)
        except InconsistentError as error:
            errors.append({"errorDescription": str(error), "errorType": "metadata_inconsistency"})
    target.touched()
    return errors


def _place(target: Object, path: str, kind: str) -> Attribute:
    """The attribute of a type, made if it is not there."""
    found = target.attributes.get(path)
    if found is None:
        taken = [
            name
            for name in target.attributes
            if name.startswith(f"{path}/") or path.startswith(f"{name}/")
        ]
        if taken:
            raise InconsistentError(f"{path} cannot be beside {taken[0]}")
        found = target.attributes[path] = Attribute(kind, set() if kind == "stringSet" else None)
    if found.type != kind:
        raise InconsistentError(f"{path} is a {found.type}, not a {kind}")
    return found


def _fields(given: Json, needed: set[str], more: frozenset[str] | set[str] = frozenset()) -> Said:
    if not isinstance(given, dict) or not needed <= given.keys() <= needed | more:
        raise RefusedError(400, f"not {sorted(needed)}: {given!r:.200}")
    return given


def _assigning(kind: str, *python: type) -> Callable[[Object, str, Json], None]:
    def assign(target: Object, path: str, given: Json) -> None:
        value = _fields(given, {"value"})["value"]
        if type(value) not in python:
            raise RefusedError(400, f"{value!r:.100} is no {kind}")
        if path == "sys/stage" and value not in _STAGES:
            raise InconsistentError(f"{value} is no stage")
        if kind == "int" and path in target.attributes and target.attributes[path].type == "float":
            target.attributes[path].value = float(value)
            return
        _place(target, path, kind).value = value

    return assign


def _assign_datetime(target: Object, path: str, given: Json) -> None:
    time = _fields(given, {"valueMilliseconds"})["valueMilliseconds"]
    if type(time) is not int:
        raise RefusedError(400, f"{time!r} is no time")
    _place(target, path, "datetime").value = moment(time)


def _assign_artifact(target: Object, path: str, given: Json) -> None:
    _place(target, path, "artifact").value = _fields(given, {"hash"})["hash"]


def _log(target: Object, path: str, kind: str, given: Json, value: Callable[[Json], Point]) -> None:
    entries = _fields(given, {"entries"})["entries"]
    points = _place(target, path, kind).points
    for entry in entries:
        said = _fields(entry, {"value", "timestampMilliseconds"}, {"step"})
        point = value(said["value"])
        last = points[-1].step if points else -math.inf
        step = said.get("step")
        if step is None:
            step = last + 1 if points else 0.0
        if not math.isfinite(step) or step <= last:
            raise InconsistentError(f"step {step} of {path} does not come after step {last}")
        if type(said["timestampMilliseconds"]) is not int:
            raise RefusedError(400, "a timestamp is whole milliseconds")
        point.step, point.time = float(step), said["timestampMilliseconds"]
        points.append(point)


def _log_floats(target: Object, path: str, given: Json) -> None:
    def value(said: Json) -> Point:
        if type(said) not in {int, float} or not math.isfinite(said):
            raise InconsistentError(f"{said!r} of {path} is no finite number")
        return Point(0, 0, float(said))

    _log(target, path, "floatSeries", given, value)


def _log_strings(target: Object, path: str, given: Json) -> None:
    def value(said: Json) -> Point:
        if not isinstance(said, str):
            raise RefusedError(400, f"{said!r} is no text")
        return Point(0, 0, said)

    _log(target, path, "stringSeries", given, value)


def _log_images(target: Object, path: str, given: Json) -> None:
    def value(said: Json) -> Point:
        image = _fields(said, {"data"}, {"name", "description"})
        try:
            data = base64.b64decode(image["data"], validate=True)
        except (binascii.Error, TypeError) as error:
            raise RefusedError(400, f"no base64: {error}") from error
        return Point(0, 0, data, image.get("name") or "", image.get("description") or "")

    _log(target, path, "imageSeries", given, value)


def _clearing(kind: str) -> Callable[[Object, str, Json], None]:
    def clear(target: Object, path: str, given: Json) -> None:
        _fields(given, set())
        if path in target.attributes:
            _place(target, path, kind).points.clear()

    return clear


def _insert_strings(target: Object, path: str, given: Json) -> None:
    _place(target, path, "stringSet").value |= set(_fields(given, {"values"})["values"])


def _remove_strings(target: Object, path: str, given: Json) -> None:
    _place(target, path, "stringSet").value -= set(_fields(given, {"values"})["values"])


def _clear_strings(target: Object, path: str, given: Json) -> None:
    _fields(given, set())
    _place(target, path, "stringSet").value = set()


def _delete_attribute(target: Object, path: str, given: Json) -> None:
    _fields(given, set())
    target.attributes.pop(path, None)


def _delete_files(target: Object, path: str, given: Json) -> None:
    for name in _fields(given, {"filePaths"})["filePaths"]:
        _place(target, path, "fileSet").files.pop(name, None)


def _config_series(target: Object, path: str, given: Json) -> None:
    _fields(given, set(), {"min", "max", "unit"})
    _place(target, path, "floatSeries")


_OPERATIONS: Final[dict[str, Callable[[Object, str, Json], None]]] = {
    "assignFloat": _assigning("float", int, float),
    "assignInt": _assigning("int", int),
    "assignBool": _assigning("bool", bool),
    "assignString": _assigning("string", str),
    "assignDatetime": _assign_datetime,
    "assignArtifact": _assign_artifact,
    "logFloats": _log_floats,
    "logStrings": _log_strings,
    "logImages": _log_images,
    "clearFloatSeries": _clearing("floatSeries"),
    "clearStringSeries": _clearing("stringSeries"),
    "clearImageSeries": _clearing("imageSeries"),
    "configFloatSeries": _config_series,
    "insertStrings": _insert_strings,
    "removeStrings": _remove_strings,
    "clearStringSet": _clear_strings,
    "deleteAttribute": _delete_attribute,
    "deleteFiles": _delete_files,
}
