"""Decode plain data into Structs so strictly that every fault has a place and a sentence.

`msgspec` refuses the same things, but it elides the keys of mappings and stops short of the
nearest known name. Knows nothing of TOML: `configfile` turns a place into a line.
"""

import difflib
import re
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from mlarchived.toml_lines import Path

StructType = TypeVar("StructType", bound=Struct)


class Fault(Exception):  # noqa: N818  (its name says what it is; people never see it)
    """Something at a place is wrong.

    Attributes:
        place: Path of the key.
        sentence: What is wrong, without the place.
    """

    def __init__(self, place: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.place = place
        self.sentence = sentence


def decode(data: Mapping[str, Any], kind: type[StructType]) -> StructType:
    """The Struct that plain data describes.

    Raises:
        Fault: An unknown, missing or wrong key; the first in the order of the data.
    """
    _check_struct(data, kind, ())
    return msgspec.convert(data, type=kind)


def _check(value: Any, hint: Any, place: Path) -> None:  # noqa: ANN401
    plain = _given(_unannotated(hint))
    if isinstance(plain, type) and issubclass(plain, Struct):
        _check_struct(value, plain, place)
    elif get_origin(plain) is dict and isinstance(value, dict):
        names, inner = get_args(plain)
        for name, item in value.items():
            _check_leaf(name, names, (*place, name))
            _check(item, inner, (*place, name))
    elif get_origin(plain) is tuple and isinstance(value, list):
        for number, item in enumerate(value):
            _check(item, get_args(plain)[0], (*place, number))
    _check_leaf(value, hint, place)


def _check_struct(value: Any, kind: type[Struct], place: Path) -> None:  # noqa: ANN401
    if not isinstance(value, dict):
        raise Fault(place, f"expected a table, found {_described(value)}")
    hints = get_type_hints(kind, include_extras=True)
    for name, item in value.items():
        if name not in hints:
            raise Fault((*place, name), f"unknown key `{name}`{_nearest(name, hints)}")
        _check(item, hints[name], (*place, name))
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in value:
            raise Fault(place, f"the key `{field.name}` is missing")


def _check_leaf(value: Any, hint: Any, place: Path) -> None:  # noqa: ANN401
    plain = _unannotated(hint)
    if get_origin(plain) is Literal and value not in get_args(plain):
        choices = ", ".join(f'"{choice}"' for choice in get_args(plain))
        raise Fault(place, f"{_described(value)} is none of {choices}")
    try:
        msgspec.convert(value, type=hint)
    except msgspec.ValidationError as error:
        raise Fault(place, _plainly(str(error), value)) from error


def _plainly(message: str, value: Any) -> str:  # noqa: ANN401
    """What msgspec says, in words for someone who has never heard of it."""
    rules = [
        (
            r"Expected `str` matching regex '\^\(?\[1-9\].*",
            "write a number above 0 and a unit, such as 90s, 15m, 6h or 1d",
        ),
        (
            r"Expected `str` matching regex '.*name.*",
            "write a path with {name}, and {version} if it says one, such as {name}/{version}",
        ),
        (r"Expected `str` matching regex .*", "only letters, digits, `.`, `_` and `-` may be used"),
        (r"Expected `array` of length >= (\d+).*", r"at least \1 item is needed"),
        (r"Expected `str` of length >= 1.*", "it must not be empty"),
        (r"Expected `(?:str|int)` (?:of length )?([<>]=) (\d+).*", r"it must be \1 \2"),
    ]
    for pattern, plain in rules:
        if re.fullmatch(pattern, message):
            return re.sub(pattern, plain, message)
    names = {
        "str": "a string",
        "int": "an integer",
        "bool": "true or false",
        "array": "an array",
        "object": "a table",
    }
    expected = re.match(r"Expected `(\w+)`, got", message)
    if expected:
        wanted = names.get(expected.group(1), expected.group(1))
        if wanted == "a string" and isinstance(value, int | float) and not isinstance(value, bool):
            return f'expected a string, found {value}: write it in quotes, "{value}"'
        return f"expected {wanted}, found {_described(value)}"
    return message


def _given(hint: Any) -> Any:  # noqa: ANN401
    """The type of a key that may be left out; TOML cannot say that it is nothing."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return kinds[0] if isinstance(hint, UnionType) and len(kinds) == 1 else hint


def _described(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; the nearest known key is `{near[0]}`"
    return f"; known keys are {', '.join(f'`{key}`' for key in known)}"


def _unannotated(hint: Any) -> Any:  # noqa: ANN401
    return hint.__origin__ if hasattr(hint, "__metadata__") else hint
