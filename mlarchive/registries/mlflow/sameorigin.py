"""Finds what came from one run or logged model, whatever its server was called (3.2, 3.3).

A server has several addresses, and a configuration gives it a name. Ids that MLflow gives are
those of nothing else anywhere; ids of other tools are known with the name before them alone. Knows
nothing of records.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from mlarchive.records import Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.selecting import quoted

_ALONE = re.compile(r"#(?:runs/[0-9a-f]{32}|logged-models/m-[0-9a-f]{32}|traces/tr-[0-9a-f]{32})\Z")
"""The end of an address that is no other object's, whatever stands before it."""

_Found = TypeVar("_Found")


def is_same(mark: str, origin: str) -> bool:
    """Whether two marks are of one object, as far as they tell."""
    return mark == origin or (_end(origin) != "" and mark.endswith(_end(origin)))


def where_from(connection: Connection, origin: str) -> str:
    """A filter of searches for what came from an object.

    Args:
        connection: To the target.
        origin: The object's mark.
    """
    end = _end(origin) if connection.ends_found else ""
    if end:
        return f"tags.`{marks.ORIGIN}` LIKE {quoted(f'%{end}')}"
    return f"tags.`{marks.ORIGIN}` = {quoted(origin)}"


def own_first(
    found: Iterable[_Found], origin: str, tags: Callable[[_Found], Mapping[str, str] | None]
) -> list[_Found]:
    """What was found, in its order; what came by the very name before what came by another one."""
    return sorted(found, key=lambda one: (tags(one) or {}).get(marks.ORIGIN) != origin)


def named_otherwise(held: Mapping[str, str], origin: str) -> bool:
    """Whether something has the mark of the same object by another name."""
    mark = held.get(marks.ORIGIN, "")
    return mark != origin and is_same(mark, origin)


def origin_mark(held: Mapping[str, str], origin: str) -> Tags:
    """The mark of where something came from, unless that is there, by whatever name.

    Args:
        held: All tags that it has.
        origin: The mark of what is written.
    """
    return {} if is_same(held.get(marks.ORIGIN, ""), origin) else {marks.ORIGIN: origin}


def also_named(held: Mapping[str, str], origin: str, state_id: str) -> Tags:
    """The mark of the names of something that has the one of its first name, where it lacks one.

    Args:
        held: All tags that it has.
        origin: The mark of what is written.
        state_id: What it gives by that name; "" for nothing new.
    """
    places = marks.origins_in(held)
    said = places.pop(origin, None)
    if not named_otherwise(held, origin) or said == state_id or (said and not state_id):
        return {}
    return marks.also_mark({**places, origin: state_id}, held[marks.ORIGIN])


def _end(origin: str) -> str:
    found = _ALONE.search(origin)
    return found.group() if found else ""
