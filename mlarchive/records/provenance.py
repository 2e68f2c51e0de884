"""What an object brings along of the registries that it came through before.

Registries that remember it do so in tags, which are kept as evidence of each record.
"""

import contextlib
from collections.abc import Mapping

import msgspec

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
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(tags.get(PATH, ""), type=tuple[str, ...])
    return names_of(tags)


def names_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the registry that an object came from; the one that its origin has is first."""
    origin = tags.get(ORIGIN, "").partition("#")[0]
    if not origin:
        return ()
    with contextlib.suppress(msgspec.DecodeError):
        return (origin, *msgspec.json.decode(tags.get(NAMES, "[]"), type=tuple[str, ...]))
    return (origin,)
