"""Changes to a package that keep its digests whole, so that they are seen by the last check.

Digests and check sums would stop a blind change at the door. Here a package is taken apart, some
of its parts are changed, and it is sealed again (`tests.compat.plainwriter`).
"""

import contextlib
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from mlarchive.errors import FormatError
from mlarchive.package.codec import decode
from mlarchive.package.frames import Effort, encode_frame
from mlarchive.testing import corpus_beside_source
from tests.compat.plainwriter import (
    ABSENT,
    CHECKPOINT,
    CHUNK,
    CONTENT,
    EVIDENCE,
    PLANES,
    ROTATED_PLANES,
    STATE,
    STORED,
    ZSTD,
    Recipe,
    Record,
    checkpoint,
    delta,
    frame,
    hash_of,
    planes,
)
from tests.fuzz.documentmutating import changed_document
from tests.fuzz.harness import Mutate
from tests.fuzz.parts import RAW_MAX, numbered_anew, refitted, taken_apart

NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 96, 127, 128, 129, 255)
"""Numbers at which something changes; so do the powers of two and what is next to them."""

ELEMENTS = (0, 1, 2, 3, 4, 8, 16)

LONG = 4096
"""Bytes from which on the writer by hand takes too long."""

REFITTED = 0.6
"""How often names and sizes follow a change, so that it is no contradiction at once."""

Change = Callable[[Recipe, random.Random, Mutate], object]


def changed_package(data: bytes, rng: random.Random, mutate: Mutate) -> bytes:
    """A package with a few changes, sealed again; one that cannot be sealed is changed blindly.

    Half of the time it is another package that is changed, one that is as it should be: changes
    to one that is refused are seldom seen.
    """
    blindly = rng.random() < 0.02
    if rng.randrange(2):
        data = rng.choice(whole_packages())
    try:
        recipe = taken_apart(data)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
            rng.choice(CHANGES)(recipe, rng, mutate)
        if rng.random() < REFITTED:
            with contextlib.suppress(LookupError, TypeError, ValueError, AttributeError):
                refitted(recipe)
        data = recipe.build()
    except Exception:  # noqa: BLE001  (whatever is wrong with what may be anything)
        blindly = True
    return bytes(mutate(data, len(data) + 8)) if blindly else data


@cache
def whole_packages() -> Sequence[bytes]:
    """The packages of the corpus that a reader must read."""
    paths = sorted(corpus_beside_source().glob("valid/*.mlpkg"))
    return [path.read_bytes() for path in paths]


def number(rng: random.Random, now: int, bits: int = 64) -> int:
    """Another number, that may be near to the one that is there."""
    choices = (now + rng.choice((-64, -1, 1, 64)), rng.choice(NUMBERS), 1 << rng.randrange(bits))
    return (rng.choice(choices) - rng.randrange(2)) % (1 << bits)


def _record(recipe: Recipe, rng: random.Random, *kinds: int) -> Record:
    """A record of one of the kinds, of each as often as it is said, or of any kind."""
    kind = rng.choice(kinds) if kinds else None
    found = [record for record in recipe.records if record.kind == kind]
    return rng.choice(found or recipe.records)


def _encoded(record: Record, raw: bytes, rng: random.Random) -> None:
    """Give a record other raw bytes, in the codec that it has or as they are."""
    record.raw, record.payload = raw, None
    record.changes, record.header, record.row = {}, {}, {}
    if record.codec == ZSTD and raw:
        by_hand = len(raw) <= LONG and rng.randrange(2)
        record.payload = frame(raw) if by_hand else encode_frame(raw, Effort.FAST)
    elif record.codec in {ROTATED_PLANES, PLANES} and record.elem:
        record.payload = planes(raw, record.elem, rotated=record.codec == ROTATED_PLANES)
    elif record.codec != STORED:
        record.codec, record.elem = STORED, 0


def _compressible(record: Record, rng: random.Random) -> bytes:
    """What a record stands for; of a chunk so often that a codec makes it shorter."""
    if record.kind != CHUNK:
        return record.raw
    length = rng.choice((255, 256, 257, 1000, LONG))
    return ((record.raw or b"x") * length)[:length]


def change_document(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Change members of a document or checkpoint."""
    record = _record(recipe, rng, CONTENT, CONTENT, STATE, EVIDENCE, CHECKPOINT)
    _encoded(record, changed_document(record.raw, rng, mutate), rng)


def change_raw(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Change what a record stands for."""
    record = _record(recipe, rng, CHUNK, CHUNK, CHUNK, STATE, rng.randrange(256))
    _encoded(record, bytes(mutate(record.raw, len(record.raw) + 9)), rng)


def change_payload(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Change the stored bytes of a record; what they stand for follows if it can."""
    packed = [record for record in recipe.records if record.codec not in {STORED, ABSENT}]
    if not packed or rng.randrange(4) == 0:
        packed = [change_codec(recipe, rng, mutate)]
    record = rng.choice(packed)
    record.payload = bytes(mutate(record.stored or b"\0", len(record.stored) + 9))
    with contextlib.suppress(FormatError, TypeError, ValueError, ZeroDivisionError):
        length = len(record.raw)
        raw = decode(record.payload, codec=record.codec, elem=record.elem, raw_len=length)
        record.raw = bytes(raw)


def change_codec(recipe: Recipe, rng: random.Random, mutate: Mutate) -> Record:
    """Encode a record in another way."""
    del mutate
    record = _record(recipe, rng, CHUNK, CHUNK, CHECKPOINT, CONTENT)
    codecs = (ZSTD, ZSTD, ROTATED_PLANES, PLANES) if record.kind == CHUNK else (ZSTD,)
    record.codec = rng.choice((STORED, *codecs))
    record.elem = rng.choice(ELEMENTS) if record.codec in {ROTATED_PLANES, PLANES} else 0
    _encoded(record, _compressible(record, rng), rng)
    if record.codec == ZSTD and rng.randrange(4) == 0:
        record.payload = frame(record.raw, rng.randbytes(rng.randrange(1, 10)))
    return record


def change_length(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Let a record stand for many more bytes than it takes."""
    del mutate
    record = _record(recipe, rng, CHUNK, CHECKPOINT, CONTENT, STATE, EVIDENCE)
    record.codec, record.elem = ZSTD, 0
    _encoded(record, (record.raw * (1 << rng.randrange(12)))[: RAW_MAX + 1], rng)


def change_base(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Make a chunk a delta to another one, mostly one before it."""
    chunks = [n for n, record in enumerate(recipe.records) if record.kind == CHUNK]
    at, base = rng.choice(chunks), rng.choice(chunks)
    if at == base and rng.randrange(8):
        _insert_chunk(recipe, base)
        at += 1
    if base > at and recipe.records[base].codec != ABSENT and rng.randrange(8):
        at, base = base, at
    other = recipe.records[base]
    if other.codec != ABSENT and rng.randrange(8):
        _encoded(other, _compressible(other, rng), rng)
    start = rng.randrange(len(other.raw) + 1)
    part = other.raw[start : start + 16]
    raw = other.raw[:start] + bytes(mutate(part or b"x", 16)) + other.raw[start + 16 :]
    raw = raw[: len(other.raw)].ljust(len(other.raw), b"\0")
    made = delta(raw, other.raw, rng.choice((1, 2, 4, 8)), base)
    if rng.randrange(4) == 0:
        made.payload = bytes(mutate(made.stored, len(made.stored) + 9))
    recipe.records[at] = made


def _insert_chunk(recipe: Recipe, at: int) -> None:
    """Add a chunk, which an object then ends with."""
    recipe.records.insert(at, Record(CHUNK, b"base"))
    numbered_anew(recipe, {number: number + 1 for number in range(at, len(recipe.records))})
    objects = [list(extents) for extents in recipe.objects] or [[]]
    objects[-1].append((at, 0, len(b"base")))
    recipe.objects = objects


def change_field(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Give a record, its header or its row another value."""
    del mutate
    record = _record(recipe, rng)
    values: Sequence[tuple[str, Any]] = (
        ("kind", rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 127, 128, 129, 255))),
        ("codec", rng.choice((0, 1, 2, 3, 4, 5, 6, 254, 255))),
        ("elem", rng.choice(ELEMENTS)),
        ("flags", rng.choice((1, 128))),
        ("stored", number(rng, len(record.stored))),
        ("raw", number(rng, len(record.raw))),
        ("raw_hash", rng.choice((bytes(32), hash_of(record.stored), rng.randbytes(32)))),
        ("base", number(rng, record.base, 32)),
    )
    name, value = rng.choice(values)
    where = rng.choice(("changes", "changes", "changes", "header", "row"))
    setattr(record, where, {**getattr(record, where), name: value})
    if name == "base":
        record.base = value


def change_extents(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Change what the objects are made of."""
    del mutate
    objects = [list(extents) for extents in recipe.objects] or [[]]
    recipe.objects = objects
    extents = rng.choice(objects)
    kind = rng.randrange(7)
    if kind == 0 or not extents:
        chunk = rng.randrange(len(recipe.records))
        extents.insert(rng.randrange(len(extents) + 1), (chunk, 0, number(rng, 64, 8)))
        return
    at = rng.randrange(len(extents))
    row, offset, length = extents[at]
    if kind == 1:
        cut = rng.randrange(length + 1)
        extents[at : at + 1] = [(row, offset, cut), (row, offset + cut, length - cut)]
    elif kind == 2:
        extents.insert(at, extents[at])
    elif kind == 3:
        del extents[at]
    elif kind == 4:
        rng.shuffle(extents)
    elif kind == 5:
        rng.shuffle(objects)
    else:
        values = [row, offset, length]
        which = rng.randrange(3)
        values[which] = number(rng, values[which], 32)
        extents[at] = (values[0], values[1], values[2])


def change_counts(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Let the index say other numbers of extents, or add objects of none."""
    del mutate
    if rng.randrange(2) or not recipe.objects:
        recipe.objects = [*recipe.objects, []]
    else:
        at = rng.randrange(len(recipe.objects))
        recipe.counts = {at: number(rng, len(recipe.objects[at]), 32)}


def change_records(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Add, repeat, take away or move a record; what names records follows, or does not."""
    records = recipe.records
    before = list(records)
    at, to = rng.randrange(len(records)), rng.randrange(len(records) + 1)
    kind = rng.randrange(6)
    if kind == 0:
        records.insert(to, Record(rng.randrange(129, 256), b"skipped"))
    elif kind == 1:
        records.insert(to, checkpoint())
    elif kind == 2:
        record = records[at]
        records.insert(to, Record(record.kind, bytes(mutate(record.raw, len(record.raw) + 1))))
    elif kind == 3:
        del records[at]
    elif kind == 4:
        records.insert(min(to, len(records) - 1), records.pop(at))
    else:
        raw = records[at].raw
        records[at] = Record(
            CHUNK, b"", ABSENT, changes={"raw": len(raw), "raw_hash": hash_of(raw)}
        )
        if rng.randrange(4):
            records.append(records.pop(at))
    if rng.randrange(5):
        places = {id(record): n for n, record in enumerate(records)}
        kept = {n: places[id(record)] for n, record in enumerate(before) if id(record) in places}
        if kind == 5:
            kept[at] = len(records) - 1
        numbered_anew(recipe, kept)


def change_index(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Change the index's own bytes, or how it is stored."""
    kind = rng.randrange(3)
    if kind == 0:
        recipe.index = lambda raw: bytes(mutate(raw, len(raw) + 9))
    elif kind == 1:
        recipe.compress = lambda raw: encode_frame(raw, Effort.TEXT)
    else:
        recipe.compress = frame


def change_ends(recipe: Recipe, rng: random.Random, mutate: Mutate) -> None:
    """Change preamble, parity section, signature area or trailer."""
    kind = rng.randrange(5)
    if kind == 0:
        name = rng.choice(("major", "minor", "incompatible", "compatible"))
        recipe.preamble = {**recipe.preamble, name: number(rng, 0, 16)}
    elif kind == 1:
        recipe.parity = bytes(64 * rng.randrange(3))
    elif kind == 2:
        recipe.signatures = bytes(mutate(recipe.signatures or b"\0", len(recipe.signatures) + 64))
    elif kind == 3:
        recipe.signatures = recipe.signatures[:32].ljust(4096 * rng.randrange(3), b"\0")
    else:
        name = rng.choice(("index_offset", "index_length", "length", "signatures", "parity_length"))
        recipe.trailer = {**recipe.trailer, name: number(rng, len(recipe.signatures))}


CHANGES: Sequence[Change] = (
    *[change_document] * 5,
    *[change_raw] * 2,
    *[change_payload] * 3,
    *[change_codec] * 2,
    change_length,
    *[change_base] * 2,
    *[change_field] * 2,
    *[change_extents] * 3,
    change_counts,
    *[change_records] * 3,
    change_index,
    change_ends,
)
"""Those that reach more are there several times."""
