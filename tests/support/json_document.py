"""Reads `spec/json.md` and says where a real document differs from it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "spec" / "json.md"

_PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "fact": (str, int),
}
_ROW = re.compile(r"^\| `(\w+)` \| ([a-z ]+) \|", re.MULTILINE)


@cache
def shapes() -> Mapping[str, Mapping[str, str]]:
    """Each object of the page by its heading: the types of its fields."""
    found = {}
    for section in PATH.read_text(encoding="utf-8").split("\n### ")[1:]:
        heading, _, body = section.partition("\n")
        found[heading.replace("`", "")] = dict(_ROW.findall(body.partition("\n## ")[0]))
    return found


def differences(document: Any, shape: str, where: str = "") -> Iterator[str]:  # noqa: ANN401  (any JSON)
    """What in a document is not as the page says.

    Args:
        document: One line, decoded.
        shape: The heading that describes it.
        where: The path that leads to it, for the answer.
    """
    fields = shapes()[shape]
    if not isinstance(document, dict) or document.keys() != fields.keys():
        yield f"{where or shape}: {sorted(document)} instead of {sorted(fields)}"
        return
    for name, kind in fields.items():
        yield from _unfit(document[name], kind, f"{where or shape}.{name}")


def differences_of_run(line: dict[str, Any]) -> Iterator[str]:
    """What in a line of `mlarchived run` is not as the page says."""
    more = shapes()["lines of run"].keys()
    yield from differences({name: line.get(name) for name in more}, "lines of run")
    rest = {name: value for name, value in line.items() if name not in more}
    yield from differences(rest, f"event {line['event']}")


def _unfit(value: Any, kind: str, where: str) -> Iterator[str]:  # noqa: ANN401  (any JSON)
    holder, _, inner = kind.partition(" of ")
    if inner:
        items = value if isinstance(value, list) else list(value.values())
        if not isinstance(value, {"list": list, "map": dict}[holder]):
            yield f"{where}: {value!r} is no {kind}"
        for item in items:
            yield from _unfit(item, inner, f"{where}[]")
        return
    kinds = kind.split(" or ")
    named = [name for name in kinds if name not in _PLAIN]
    if isinstance(value, dict) and named:
        yield from differences(value, named[0], where)
        return
    plain = {kind for name in kinds for kind in _PLAIN.get(name, ())}
    if type(value) not in plain:
        yield f"{where}: {value!r} is no {kind}"
