"""What a run remembers of what was written to it (`spec/mapping-neptune-live.md`, 9).

So what people added to it, or changed, is told apart from what may be replaced.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec
from msgspec import Struct

from mlarchive.registries.neptune.live.operations import Operation, assign_text
from mlarchive.registries.neptune.live.table import WRITTEN
from mlarchive.registries.neptune.live.values import properties

Told = Mapping[str, Mapping[str, Any]]
"""Attributes as a server tells them, by path."""

_TOGETHER: Final = 100
"""Paths in one text: servers take no text of any length."""


class Written(Struct, frozen=True, kw_only=True):
    """What was written to a run.

    Attributes:
        values: By path, the digest of what the server told of it then; "" while not known.
        sets: What was put into sets of labels, by path.
        is_known: Whether the run remembers anything.
    """

    values: Mapping[str, str] = {}
    sets: Mapping[str, Collection[str]] = {}
    is_known: bool = False


class _Part(Struct, frozen=True):
    values: dict[str, str] = {}
    sets: dict[str, tuple[str, ...]] = {}


def remembered(told: Told) -> Written:
    """What a run says was written to it; what is no such text says nothing."""
    values: dict[str, str] = {}
    sets: dict[str, tuple[str, ...]] = {}
    texts = [str(properties(one).get("value")) for one in _places(told).values()]
    for text in texts:
        try:
            part = msgspec.json.decode(text, type=_Part)
        except msgspec.DecodeError:
            continue
        values |= part.values
        sets |= part.sets
    return Written(values=values, sets=sets, is_known=bool(texts))


def remember(written: Written, told: Told) -> Iterator[Operation]:
    """What makes a run remember this, and nothing from before."""
    parts = [_Part(sets={path: tuple(sorted(held)) for path, held in written.sets.items()})]
    values = sorted(written.values.items())
    parts += [
        _Part(values=dict(values[at : at + _TOGETHER])) for at in range(0, len(values), _TOGETHER)
    ]
    texts = {f"{WRITTEN}{at}": msgspec.json.encode(part).decode() for at, part in enumerate(parts)}
    yield from (assign_text(path, text) for path, text in texts.items())
    yield from ({"path": path, "deleteAttribute": {}} for path in _places(told).keys() - texts)


def digests(told: Told, paths: AbstractSet[str]) -> dict[str, str]:
    """What a server tells of attributes, in short: values, last values, sizes, hashes."""
    return {path: _digest(told[path]) for path in sorted(paths & told.keys())}


def changed(told: Told, written: Written, paths: AbstractSet[str]) -> Sequence[str]:
    """Which attributes are not what was written there, or were not written by us at all."""
    now = digests(told, paths)
    return [path for path in now if written.values.get(path, "no") not in {"", now[path]}]


def _digest(told: Mapping[str, Any]) -> str:
    text = msgspec.json.encode(properties(told), order="deterministic")
    return hashlib.sha256(text).hexdigest()[:12]


def _places(told: Told) -> Told:
    return {
        path: one
        for path, one in told.items()
        if path.startswith(WRITTEN) and one["type"] == "string"
    }
