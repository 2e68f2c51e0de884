"""Whether two objects are one, though a configuration gives the place that they are in a name.

A mirror writes the name as the origin, a command the locator; both are remembered as names of the
place (`mlarchive.names`), so that one knows what the other wrote. A place has one locator.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from mlarchive.records import Tags
from mlarchive.records.places import are_one, is_place, located, place_among
from mlarchive.records.provenance import names_of
from mlarchive.registries.mlflow import marks


def is_same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two objects came from the same one, as their marks tell.

    A folder is the same whatever version it was registered as.
    """
    if _folder(_inside(one)) != _folder(_inside(other)):
        return False
    return are_one(names_of(one), names_of(other))


def is_from(tags: Mapping[str, str], names: Collection[str], origin: str) -> bool:
    """Whether an object came from another one.

    Args:
        tags: Its marks.
        names: Of the registry that the other one is in.
        origin: The mark of the other one, whatever name it has there.
    """
    return _inside(tags) == origin.partition("#")[2] and are_one(names_of(tags), names)


def names_mark(origin: str, names: Iterable[str]) -> Tags:
    """The mark of a registry's names; none if it has but the one that the origin has."""
    own = origin.partition("#")[0]
    others: list[str] = []
    for one in dict.fromkeys(names):
        # What marks of old have beside the first locator is another place.
        is_second = is_place(one) and place_among((own, *others))
        if not is_second and located(one) not in {located(own), *map(located, others)}:
            others.append(one)
    return {marks.NAMES: msgspec.json.encode(others).decode()} if others else {}


def kept_origin(there: Mapping[str, str], wanted: Tags) -> Tags:
    """Marks for what is there, whose origin keeps the name that it has if it is the same."""
    origin = there.get(marks.ORIGIN)
    if origin is None or not is_same(there, wanted):
        return wanted
    named = names_mark(origin, (*names_of(there), *names_of(wanted)))
    path = marks.PATH in there and origin != wanted[marks.ORIGIN]
    kept = {marks.PATH: there[marks.PATH]} if path else {}
    return {**wanted, marks.ORIGIN: origin, **named, **kept}


def origin_shown(there: Mapping[str, str]) -> str:
    """What something came from, for a person: a name of a configuration alone may mean another."""
    origin, place = there.get(marks.ORIGIN, ""), place_among(names_of(there))
    return origin if not place or is_place(origin) else f"{origin} ({place})"


def _inside(tags: Mapping[str, str]) -> str:
    return tags.get(marks.ORIGIN, "").partition("#")[2]


def _folder(inside: str) -> str:
    """An object without its version, if it is a folder."""
    kind, *rest = inside.split("/")
    return "/".join((kind, *rest[:1])) if kind == "folders" else inside
