"""Attributes that are one value: the server's JSON as text of a field (`spec/fields.md`, 2)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlarchive.errors import DamageError
from mlarchive.registries.neptune.objects import Attribute, text_of

TYPES: Mapping[str, str] = {
    "float": "float",
    "int": "int",
    "bool": "bool",
    "string": "string",
    "datetime": "datetime",
    "stringSet": "string_set",
    "floatSeries": "float_series",
    "stringSeries": "string_series",
    "imageSeries": "file_series",
    "file": "file",
    "fileSet": "file_set",
    "artifact": "artifact",
    "experimentState": "object_state",
    "gitRef": "git_ref",
    "notebookRef": "notebook_ref",
}
"""What the interface's names of types are in fields."""

ODD = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
"""What Python raises over an answer that is not what the interface says."""

Told = Mapping[str, Any]
"""An attribute as the server tells it: `name`, `type`, and `…Properties`."""


def properties(told: Told) -> Mapping[str, Any]:
    """What is said of an attribute.

    Raises:
        DamageError: Nothing is.
    """
    found = told.get(f"{told['type']}Properties")
    if not isinstance(found, dict):
        raise DamageError("the server says nothing of it")
    return found


def single(told: Told) -> Attribute:
    """An attribute of one value, or of a type that is not known.

    Raises:
        DamageError: The value is not of its type.
    """
    kind, said = TYPES.get(told["type"], told["type"]), properties(told)
    try:
        return _made(told["name"], kind, told["type"] in TYPES, said)
    except ODD as error:
        raise DamageError(f"the server gives no {kind} for it") from error


def _made(path: str, kind: str, is_known: bool, said: Mapping[str, Any]) -> Attribute:  # noqa: FBT001
    if kind == "string_set":
        values = tuple(sorted(said["values"]))
        return Attribute(path=path, type=kind, values=tuple(map(whole_text, values)))
    if kind in {"git_ref", "notebook_ref"} or not is_known:
        own = {key: said[key] for key in said if not key.startswith("attribute")}
        text = json.dumps(own, sort_keys=True, ensure_ascii=False)
        return Attribute(path=path, type=kind, value=whole_text(text))
    return Attribute(path=path, type=kind, value=whole_text(_text(kind, said["value"])))


def whole_text(text: str) -> str:
    """A text, which half a pair of UTF-16 is not.

    Raises:
        ValueError: It is none.
    """
    text.encode()
    return text


def _text(kind: str, value: Any) -> str:  # noqa: ANN401 (the server's)
    match kind:
        case "float":
            return text_of(float(value))
        case "int":
            return text_of(int(value))
        case "bool":
            return text_of(bool(value))
        case "datetime":
            return text_of(datetime.fromisoformat(value))
        case _:
            return str(value)
