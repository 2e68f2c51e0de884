"""What an object brings along of the registries that it came through before.

Registries that remember it do so in tags, which are kept as evidence of each record.
"""

import contextlib
from collections.abc import Mapping

import msgspec

from mlarchive.records.places import origin_names

PREFIX = "mlarchive."
ORIGIN = "mlarchive.origin"
"""The address at the source from which an object was mirrored into a registry."""
NAMES = "mlarchive.names"
"""Where the registry that the origin is in goes by other names as well: these, as JSON."""
PATH = "mlarchive.path"
"""On what came through several registries: their names, the first one first, as JSON."""
ADOPTED = "mlarchive.adopted"
"""On what was there before the same thing came from a source: each may be the other's origin."""


def path_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The registries that an object came through, as its marks tell, the first one first."""
    return _texts(tags, PATH) or names_of(tags)


def names_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the registry that an object came from; the one that its origin has is first."""
    origin = tags.get(ORIGIN, "").partition("#")[0]
    if not origin:
        return ()
    others = _texts(tags, NAMES)
    return (origin, *others) if others else origin_names(origin, _texts(tags, PATH))


def _texts(tags: Mapping[str, str], mark: str) -> tuple[str, ...]:
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(tags.get(mark, "[]"), type=tuple[str, ...])
    return ()
