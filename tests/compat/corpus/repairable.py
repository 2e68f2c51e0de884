"""Damaged packages, and what who salvages them (clause 11.7) must find whole.

A package is here once, with a list of damages: it is cut off after so many bytes, or bytes of it
became zero. What is whole follows from the recipe: an object whose chunks are all whole, and which
a whole checkpoint states, or a whole content document names if it is one chunk or none.
"""

import json
from collections.abc import Iterator, Sequence

from tests.compat.corpus.parts import (
    POINTS,
    Members,
    entry,
    laid_out,
    numbers,
    of_checkpoints,
    of_files,
    run,
    series,
    whole,
)
from tests.compat.plainwriter import (
    ABSENT,
    CHECKPOINT,
    CHUNK,
    CONTENT,
    DELTA,
    STATE,
    Extent,
    Numbered,
    Recipe,
    delta,
    digest,
    hash_of,
)

Span = tuple[int, int]

Name = tuple[str, str]
"""Kind and name of a file or series."""


def cases() -> dict[str, Recipe]:
    """Packages by name."""
    return {
        "checkpoints": of_checkpoints(),
        "checkpoints-and-a-delta": _of_delta(),
        "one-chunk-a-file-and-no-checkpoints": of_files(
            {"a": [b"one"], "b": [], "c": [b"two" * 30]}
        ),
        "nothing": of_files({}),
    }


def expected(made: Recipe) -> list[Members]:
    """Damages, each with what is whole after it."""
    package = made.build()
    spans = _spans(made)
    return [
        {"damage": damage, "whole": _found(made, spans, _kept(damage, len(package)))}
        for damage in _damages(made, package, spans)
    ]


def _of_delta() -> Recipe:
    """A delta, a file that is a part of it, and a metric series."""
    base, new = numbers(2), bytearray(numbers(2))
    new[10:12] = b"\7\7"
    other = bytes(new)
    objects: dict[tuple[str, str], list[Extent]] = {
        ("file", "base"): whole(base),
        ("file", "new"): whole(other),
        ("file", "part"): [(other, 4, 20)],
        ("metric", "loss"): whole(POINTS),
    }
    files = [entry("base", base), entry("new", other), entry("part", other[4:24])]
    layout: list[bytes | list[tuple[str, str]]] = [
        [("file", "base")],
        base,
        [("file", "new"), ("file", "part")],
        other,
        [("metric", "loss")],
        POINTS,
    ]
    made = laid_out(run(series("loss", POINTS), files=files), objects, layout)
    made.records[4] = delta(other, base, 2, 2)
    return made


def _spans(made: Recipe) -> list[Span]:
    """Where each record begins, and where its payload ends; the index last."""
    spans, at = [], 64
    for record in made.records:
        length = 0 if record.codec == ABSENT else 96 + len(record.stored)
        spans.append((at, at + length))
        at += -(-length // 64) * 64
    return spans


def _damages(made: Recipe, package: bytes, spans: list[Span]) -> Iterator[Members]:
    trailer = len(package) - 192
    index = int.from_bytes(package[trailer : trailer + 8], "little")
    for start, end in spans:
        yield from ({"keep": keep} for keep in (start, start + 95, end - 1, end))
    yield {"keep": index}
    yield {"keep": index + 100}
    yield {"keep": trailer}
    yield {"keep": len(package) - 1}
    for start, end in (
        (0, 64),
        (trailer, len(package)),
        (index, index + 96),
        (index, len(package)),
    ):
        yield {"zero": [start, end - start]}
    for (start, end), record in zip(spans, made.records, strict=True):
        if record.kind in (CHUNK, CONTENT, STATE, CHECKPOINT):
            last = max(at for at in range(start, end) if package[at])
            yield {"zero": [start, 96]}
            yield {"zero": [last, 1]}


def _kept(damage: Members, length: int) -> list[Span]:
    """The parts of the file that are as they were."""
    if "keep" in damage:
        return [(0, damage["keep"])]
    start, count = damage["zero"]
    return [(0, start), (start + count, length)]


def _found(made: Recipe, spans: list[Span], kept: list[Span]) -> list[Members]:
    """What is whole: objects whose name and extents are known, and all of whose chunks are here."""

    def intact(start: int, end: int) -> bool:
        return any(a <= start and end <= b for a, b in kept)

    records = made.records
    whole_tail = intact(-(-spans[-1][1] // 64) * 64, len(made.build()))
    # Who has the index needs no header.
    skipped = 96 if whole_tail else 0
    here = {
        n
        for n, (start, end) in enumerate(spans)
        if intact(start + skipped, end) and records[n].codec != ABSENT
    }
    here -= {n for n in here if records[n].codec == DELTA and records[n].base not in here}
    stated = {
        name: extents
        for n in sorted(here)
        if records[n].kind == CHECKPOINT
        for name, extents in _stated(made, records[n].raw)
    }
    if CONTENT in {records[n].kind for n in here}:
        named: dict[Name, Sequence[Numbered]] = {
            name: extents
            for name, extents in _objects(made).items()
            if whole_tail or name in stated or _is_a_chunk(made, extents)
        }
    else:
        named = dict(stated)
    return [
        {"kind": kind, "name": name, "sha256": digest(raw).hex(), "size": len(raw)}
        for (kind, name), extents in sorted(named.items())
        if all(row in here for row, _, _ in extents)
        for raw in [b"".join(records[row].raw[at : at + size] for row, at, size in extents)]
    ]


def _stated(made: Recipe, raw: bytes) -> Iterator[tuple[Name, list[Numbered]]]:
    """What a checkpoint states: kind and name, and the extents by rows."""
    rows = {hash_of(r.raw).hex(): n for n, r in enumerate(made.records) if r.kind == CHUNK}
    checkpoint = json.loads(raw)
    chunks = [rows[chunk] for chunk in checkpoint["chunks"]]
    for one in checkpoint["entries"]:
        extents = [(chunks[place], at, length) for place, at, length in one["extents"]]
        yield (one.get("kind", "file"), one["name"]), extents


def _objects(made: Recipe) -> dict[Name, Sequence[Numbered]]:
    """The extents of what the content document names."""
    content = json.loads(next(r.raw for r in made.records if r.kind == CONTENT))
    named = [
        (kind, one[name], one["sha256"])
        for _, record in sorted(content["records"].items())
        for kind, name, members in (("file", "path", "files"), ("metric", "key", "metrics"))
        for one in record.get(members, [])
    ]
    places = {sha256: n for n, sha256 in enumerate(dict.fromkeys(one[2] for one in named))}
    return {(kind, name): made.objects[places[sha256]] for kind, name, sha256 in named}


def _is_a_chunk(made: Recipe, extents: Sequence[Numbered]) -> bool:
    """Whether an object is found by its digest: it is a whole chunk, or empty."""
    return all(
        len(extents) == 1 and at == 0 and length == len(made.records[row].raw)
        for row, at, length in extents
    )
