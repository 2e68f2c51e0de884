"""Changes to JSON that leave it JSON, and mostly canonical."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.fuzz.harness import Mutate

DEEP = 20_000
"""Levels, more than a decoder in C or in Python may go down."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 24, 1.5, -0.0, 1e400),
    *(1 << 31, 1 << 53, (1 << 63) - 1, 1 << 63, -(1 << 63), (1 << 64) - 1, 1 << 64, 10**400),
    *("", "*", "run-1", "folder-1", "a/b", "../a", "/a", "con", "\u00e9", "e\u0301", "\ud800"),
    *("\U0001f600", "\u2028", "0" * 64, "A" * 64, "x" * 256, "content", "http://host/?a=b", "\0"),
    *([], {}, [[]], {"": None}, {"kind": "run"}),
)
"""Values at which something changes."""


def changed_document(raw: bytes, rng: random.Random, mutate: Mutate) -> bytes:
    """A document with a few changes; what is no JSON is changed blindly."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return bytes(mutate(raw or b"{}", len(raw) + 9))
    if rng.randrange(400) == 0:
        return b"[" * DEEP + b"]" * DEEP
    for _ in range(rng.choice((1, 1, 2, 3))):
        _change(document, rng, mutate)
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    encoded = text.encode("utf-8", "surrogatepass")
    return bytes(mutate(encoded, len(encoded) + 4)) if rng.randrange(20) == 0 else encoded


def _containers(value: Any) -> Iterator[Any]:  # noqa: ANN401  (any JSON)
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            yield value
            waiting += value.values() if isinstance(value, dict) else value


def _change(document: Any, rng: random.Random, mutate: Mutate) -> None:  # noqa: ANN401
    places = list(_containers(document))
    if not places:
        return
    place = rng.choice(places)
    keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
    other = rng.choice(places)
    elsewhere = list(other.values()) if isinstance(other, dict) else other
    values = (*VALUES, *elsewhere, *elsewhere)
    value = copy.deepcopy(rng.choice(values))
    if not keys or rng.randrange(12) == 0:
        _put(place, value, rng)
        return
    key = rng.choice(keys)
    if rng.randrange(6):
        # Another type is refused at once.
        alike = [value for value in values if type(value) is type(place[key])]
        value = copy.deepcopy(rng.choice(alike or values))
    kind = rng.randrange(9)
    if kind == 0:
        del place[key]
    elif kind <= 3 and isinstance(place[key], str):
        place[key] = _spelled(place[key], rng, mutate)
    elif kind <= 3 and type(place[key]) is int:
        place[key] += rng.choice((-1, 1))
    elif kind == 4 and isinstance(place, dict):
        place[_spelled(str(key), rng, mutate)] = place.pop(key)
    elif kind <= 6 and isinstance(place, list):
        rng.shuffle(place)
    else:
        place[key] = value


def _put(place: Any, value: Any, rng: random.Random) -> None:  # noqa: ANN401
    if isinstance(place, list):
        place.insert(rng.randrange(len(place) + 1), value)
    else:
        place[rng.choice(("", "kind", "key", "files", "metrics", "tags", "x", "run", "time"))] = (
            value
        )


def _spelled(text: str, rng: random.Random, mutate: Mutate) -> str:
    kind = rng.randrange(4)
    if kind == 0:
        return text.swapcase()
    if kind == 1:
        return text + rng.choice(("/", ".", " ", "-1", "\u0301", "\0", text))
    encoded = text.encode("utf-8", "surrogatepass") or b"x"
    return bytes(mutate(encoded, len(encoded) + 4)).decode("utf-8", "replace")
