"""What registries are called, and whether two of them are one.

A configuration may give a registry a name, and another one the same name to another registry: many
have a `lab`. A place of Azure ML has a locator that is the same from wherever one looks; so where
two registries have one each, these decide, and names do not. A folder on a disk is known by where
it is, however its locator is written.
"""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal
from urllib.parse import quote, unquote

_PLACE = "azureml://"
_SEGMENT = r"[^/?]+"
_FOLDERS = ("dir", "innereye", "mlflow-export", "neptune-export", "neptune-offline", "vault")
_RESOURCE = re.compile(
    rf"(?:azureml:/)?/(?:registries/(?P<named>{_SEGMENT})"
    rf"|(?P<group>subscriptions/{_SEGMENT}/resourcegroups/{_SEGMENT}/providers/{_SEGMENT})"
    rf"/(?:registries/(?P<registry>{_SEGMENT})|workspaces/(?P<workspace>{_SEGMENT})))/",
    re.IGNORECASE,
)


def azureml_origin(place: str) -> str:
    """The one name of a place of Azure ML, whose own names know no case.

    Args:
        place: What follows `azureml://`.
    """
    lower = re.sub(r"/providers/[^/]+(?=/workspaces/)", "", place.lower())
    return f"{_PLACE}{lower.replace('/resourcegroups/', '/resourceGroups/')}"


def azureml_origin_in(resource: str) -> str:
    """The name of the place of Azure ML that something is in; "" if it is in none.

    Args:
        resource: The id of the thing, as the service gives it.
    """
    match = _RESOURCE.match(resource)
    if match is None:
        return ""
    if registry := match["named"] or match["registry"]:
        return azureml_origin(f"registries/{registry}")
    return azureml_origin(f"{match['group']}/workspaces/{match['workspace']}")


def names_in(origin: str, resource: str) -> tuple[str, ...]:
    """What the registry that something was read from is called: first as it was asked for.

    Args:
        origin: What it is called there.
        resource: The id of the thing, as the registry gives it.
    """
    place = azureml_origin_in(resource)
    return (origin,) if place.casefold() in {"", origin.casefold()} else (origin, place)


def place_among(names: Iterable[str]) -> str:
    """The locator of Azure ML among the names of a registry, without case; "" if there is none."""
    return next((one.casefold() for one in names if is_place(one)), "")


def is_place(name: str) -> bool:
    """Whether a name is a locator of Azure ML."""
    return name.casefold().startswith(_PLACE)


def are_one(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two registries are one, as their names tell."""
    one, other = tuple(map(located, some)), tuple(map(located, others))
    here, there = place_among(one), place_among(other)
    return here == there if here and there else not set(one).isdisjoint(other)


def located(name: str) -> str:
    """The name of a registry; of a folder that of where it is, seen from the current folder."""
    scheme, _, folder = name.partition(":")
    if scheme not in _FOLDERS or not folder:
        return name
    return f"{scheme}:{quote(os.path.realpath(unquote(folder)))}"


def origin_names(origin: str, path: Sequence[str]) -> tuple[str, ...]:
    """What the registry is called that an object came from.

    Args:
        origin: Its first name.
        path: Names of all registries on the way; the locator of one follows its first name.
    """
    following = (b for a, b in pairwise(path) if a == origin and is_place(b))
    place = "" if is_place(origin) else next(following, "")
    return (origin, place) if place else (origin,)


def whence(
    names: Collection[str], origin: str, path: Sequence[str]
) -> Literal["from", "through", ""]:
    """How an object has to do with a registry: it came from there, or through it, or has not.

    Args:
        names: Of the registry.
        origin: The first name of the one that the object came from.
        path: Names of all registries on the way.
    """
    return _whence(tuple(map(located, names)), located(origin), tuple(map(located, path)))


def first_hop(path: Sequence[str]) -> tuple[str, ...]:
    """The names of the registry at which the way of an object began.

    Args:
        path: Names of all registries on the way.
    """
    return next(iter(_hops(path)), ())


# A registry's many objects have come by few ways.
@lru_cache(maxsize=1024)
def _whence(
    names: tuple[str, ...], origin: str, path: tuple[str, ...]
) -> Literal["from", "through", ""]:
    before = origin_names(origin, path)
    elsewhere = any(":" in one and not one.startswith("azureml:") for one in names)
    if are_one(names, before) and not (elsewhere and place_among(before)):
        return "from"
    hops = [hop for hop in _hops(path) if hop != before]
    return "through" if any(are_one(names, hop) for hop in hops) else ""


def _hops(path: Sequence[str]) -> list[tuple[str, ...]]:
    """The registries of a path, each with its names."""
    found: list[tuple[str, ...]] = []
    for name in path:
        if is_place(name) and found and not is_place(found[-1][-1]):
            found[-1] = (*found[-1], name)
        else:
            found.append((name,))
    return found
