"""A package taken apart into a recipe, which builds it again with fitting digests.

What is odd about a package that was changed before stays so: a field that does not follow from the
others is kept as one that was changed.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlarchive.errors import FormatError
from mlarchive.package.codec import decode
from mlarchive.package.layout import PREAMBLE_SIZE, TRAILER_SIZE
from mlarchive.package.record import HEADER_SIZE, record_size
from tests.compat.plainwriter import (
    ABSENT,
    CHECKPOINT,
    CHUNK,
    CONTENT,
    DELTA,
    NO_BASE,
    PREAMBLE,
    STORED,
    Numbered,
    Recipe,
    Record,
    canonical,
)
from tests.support.packages import Forgery

RAW_MAX = 1 << 20
"""Chunks that would be longer are not decoded here."""

_CELLS = {
    "kind": "type",
    "codec": "codec",
    "elem": "elem",
    "flags": "flags",
    "stored": "stored_len",
    "raw": "raw_len",
    "base": "base",
}


def taken_apart(data: bytes) -> Recipe:
    """The recipe of a package that is sealed.

    Raises:
        Exception: It is not, or not so that its records can be found.
    """
    forgery = Forgery(data)
    recipe = Recipe([])
    for number in range(len(forgery.rows)):
        recipe.records.append(_record(forgery, number, recipe.records))
    at = 0
    objects = []
    for count in forgery.objects["extents"].tolist():
        objects.append([(r, o, n) for r, o, n in forgery.extents[at : at + count].tolist()])
        at += count
    recipe.objects = objects
    names = ("magic", "major", "minor", "incompatible", "compatible", "reserved")
    recipe.preamble = dict(zip(names, PREAMBLE.unpack_from(data), strict=True))
    trailer = forgery.trailer
    end = trailer.index_offset + record_size(trailer.index_length)
    signatures = len(data) - TRAILER_SIZE - trailer.signature_length
    if end < PREAMBLE_SIZE or not end <= signatures <= len(data):
        raise ValueError("the parts do not lie side by side")
    recipe.parity = data[end:signatures]
    recipe.signatures = data[signatures : len(data) - TRAILER_SIZE]
    return recipe


def _record(forgery: Forgery, number: int, before: list[Record]) -> Record:
    row = forgery.rows[number]
    stated: dict[str, Any] = {name: int(row[column]) for name, column in _CELLS.items()}
    stated |= {
        "raw_hash": row["raw_hash"].tobytes(),
        "stored_hash": row["stored_hash"].tobytes(),
    }
    if stated["codec"] == ABSENT:
        changes = {name: stated[name] for name in ("raw", "raw_hash")}
        return Record(stated["kind"], b"", ABSENT, changes=changes)
    begin = int(row["offset"]) + HEADER_SIZE
    if begin + stated["stored"] > len(forgery.data):
        raise ValueError("a record is longer than the file")
    payload = bytes(forgery.data[begin : begin + stated["stored"]])
    base = before[stated["base"]].raw if stated["base"] < len(before) else None
    raw = _decoded(payload, stated, base)
    codec, elem = stated["codec"], stated["elem"]
    record = Record(stated["kind"], raw, codec, payload, elem, stated["base"])
    computed = record.cells()
    odd = {name: value for name, value in stated.items() if computed[name] != value}
    record.changes = {name: value for name, value in odd.items() if name in record.fields()}
    record.row = {name: value for name, value in odd.items() if name not in record.changes}
    if stated["base"] != NO_BASE and stated["base"] < len(forgery.rows):
        record.header = {"base_hash": forgery.rows["raw_hash"][stated["base"]].tobytes()}
    return record


def _decoded(payload: bytes, stated: dict[str, Any], base: bytes | None) -> bytes:
    """What a record stands for; its payload if that cannot be said."""
    codec, length = stated["codec"], stated["raw"]
    if codec == STORED or length > RAW_MAX or (codec == DELTA and not base):
        return payload
    try:
        return bytes(decode(payload, codec=codec, elem=stated["elem"], raw_len=length, base=base))
    except (FormatError, ValueError, ZeroDivisionError, TypeError):
        return payload


def numbered_anew(recipe: Recipe, numbers: dict[int, int]) -> None:
    """Follow records that were moved, in bases and extents."""
    for record in recipe.records:
        record.base = numbers.get(record.base, record.base)
    recipe.objects = [
        [(numbers.get(row, row), offset, length) for row, offset, length in extents]
        for extents in recipe.objects
    ]


def refitted(recipe: Recipe) -> None:
    """Make the rest fit what chunks and extents were changed to.

    A chunk of a single extent is in it whole; content names the objects by what they are made of
    now, with their sizes; checkpoints state their extents.

    Raises:
        LookupError, TypeError, ValueError: Content is no content, or extents name no chunks.
    """
    _cover(recipe)
    made = [_object(recipe, extents) for extents in recipe.objects]
    extents: dict[str, Any] = {}
    for record in recipe.records:
        if record.kind == CONTENT:
            content = json.loads(record.raw)
            for name, number in _rename(content, made):
                extents[name] = recipe.objects[number]
            _replace(record, content)
    for record in recipe.records:
        if record.kind == CHECKPOINT:
            stated = json.loads(record.raw)
            _restate(stated, extents, recipe.records)
            _replace(record, stated)


def _restate(stated: Any, extents: Mapping[str, Any], records: Sequence[Record]) -> None:  # noqa: ANN401
    """Let a checkpoint state the extents of its entries, and list their chunks."""
    hashes = [record.fields()["raw_hash"].hex() for record in records]
    chunks: dict[str, int] = {}
    for entry in stated["entries"]:
        if entry["name"] in extents:
            parts = [(hashes[row], *rest) for row, *rest in extents[entry["name"]]]
        else:
            parts = [(stated["chunks"][place], *rest) for place, *rest in entry["extents"]]
        entry["extents"] = [
            [chunks.setdefault(chunk, len(chunks)), *rest] for chunk, *rest in parts
        ]
    stated["chunks"] = list(chunks)


def _replace(record: Record, document: Any) -> None:  # noqa: ANN401  (any JSON)
    """Give a record another document, stored as it is, if it is another one."""
    raw = canonical(document)
    if raw != record.raw:
        record.raw, record.payload, record.codec = raw, None, STORED
        record.row, record.header, record.changes = {}, {}, {}


def _cover(recipe: Recipe) -> None:
    uses = Counter(row for extents in recipe.objects for row, _, _ in extents)
    whole = {
        number: len(record.raw)
        for number, record in enumerate(recipe.records)
        if record.kind == CHUNK
        and record.codec != ABSENT
        and uses[number] == 1
        and "raw" not in record.changes
    }
    recipe.objects = [
        [(row, 0, whole[row]) if row in whole else (row, at, length) for row, at, length in extents]
        for extents in recipe.objects
    ]


def _object(recipe: Recipe, extents: Sequence[Numbered]) -> bytes:
    parts = [recipe.records[row].raw[offset : offset + length] for row, offset, length in extents]
    return b"".join(parts)


def _rename(content: Any, made: list[bytes]) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    """Name the objects anew; gives path or key of each entry with the number of its object."""
    numbers: dict[str, int] = {}
    for _, record in sorted(content["records"].items()):
        for entry in [*record.get("files", ()), *record.get("metrics", ())]:
            number = numbers.setdefault(entry["sha256"], len(numbers))
            data = made[number]
            yield entry.get("path", entry.get("key")), number
            if len(data) == entry.get("size", 24 * entry.get("points", 0)) and (
                hashlib.sha256(data).hexdigest() == entry["sha256"]
            ):
                continue
            entry["sha256"] = hashlib.sha256(data).hexdigest()
            if "points" in entry:
                entry["points"] = len(data) // 24
            else:
                entry["size"] = len(data)
