"""What the corpus is made of: small documents, and recipes of small packages."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from tests.compat.plainwriter import (
    ABSENT,
    CHUNK,
    CONTENT,
    EVIDENCE,
    ROTATED_PLANES,
    STATE,
    TEXT,
    ZSTD,
    Documents,
    Extent,
    Recipe,
    Record,
    canonical,
    delta,
    digest,
    frame,
    planes,
    recipe,
    stating,
)

POINTS = struct.pack("<2q2q2d", 0, 1, 1000, 2000, 1.5, -0.0)
"""A metric series of two points."""

Members = dict[str, Any]


def numbers(elem: int, count: int = 60) -> bytes:
    """Numbers whose upper bytes are alike, but for three at the end; of one byte, runs of them."""
    top = 1 << 8 * elem
    values = [5 + 7 * (n if elem > 1 else n // 20) for n in range(count - 3)]
    values += [top - 1, top // 2, top // 2 + 1]
    return b"".join(value.to_bytes(elem, "little") for value in values)


def entry(path: str, raw: bytes, **more: str) -> Members:
    """A file of a content document."""
    return {"path": path, "sha256": digest(raw).hex(), "size": len(raw), **more}


def series(key: str, raw: bytes, **more: str) -> Members:
    """A metric series of a content document."""
    return {"key": key, "points": len(raw) // 24, "sha256": digest(raw).hex(), **more}


def documents(
    records: Mapping[str, Members],
    subject: str,
    state: Mapping[str, Members] | None = None,
    evidence: Mapping[str, Members] | None = None,
    **members: Any,  # noqa: ANN401 - of the evidence document
) -> Documents:
    """The three documents."""
    address = {"kind": "folders", "name": "n", "origin": "o"}
    return (
        canonical({"format": "mlpkg-content-1", "records": records, "subject": subject}),
        canonical({"format": "mlpkg-state-1", "records": state or {}}),
        canonical(
            {
                "address": address,
                "format": "mlpkg-evidence-1",
                "packed": {"time": 1, "tool": "t"},
                "records": evidence or {},
                **members,
            }
        ),
    )


def folder(*files: Members) -> Documents:
    """The documents of a folder with these files."""
    members = {"files": list(files)} if files else {}
    return documents({"folder-1": {"kind": "folder", **members}}, "folder-1")


def run(*metrics: Members, files: Sequence[Members] = ()) -> Documents:
    """The documents of a run with these series and files."""
    members: Members = {"kind": "run", "metrics": list(metrics)}
    if files:
        members["files"] = list(files)
    return documents({"run-1": members}, "run-1")


def whole(*chunks: bytes) -> list[Extent]:
    """The extents of an object that is these chunks."""
    return [(chunk, 0, len(chunk)) for chunk in chunks]


def small(made: Recipe) -> Recipe:
    """The recipe without a signature area."""
    made.signatures = b""
    return made


def of_files(files: Mapping[str, Sequence[bytes]], *, absent: Sequence[bytes] = ()) -> Recipe:
    """A folder; each file is its chunks, one after another."""
    raws = {path: b"".join(chunks) for path, chunks in files.items()}
    distinct = {raws[path]: whole(*chunks) for path, chunks in files.items()}
    return small(
        recipe(
            folder(*(entry(path, raw) for path, raw in raws.items())),
            list(distinct.values()),
            absent=absent,
        )
    )


def place(made: Recipe, kind: int, nth: int = 0) -> int:
    """The number of a record of a type."""
    return [n for n, record in enumerate(made.records) if record.kind == kind][nth]


def find(made: Recipe, kind: int, nth: int = 0) -> Record:
    """A record of a type."""
    return made.records[place(made, kind, nth)]


def as_zstd(record: Record) -> Record:
    """The record compressed."""
    record.codec, record.payload = ZSTD, frame(record.raw)
    return record


def as_planes(record: Record, codec: int, elem: int) -> Record:
    """The record in planes, rotated for codec 2."""
    record.codec, record.elem = codec, elem
    record.payload = planes(record.raw, elem, rotated=codec == ROTATED_PLANES)
    return record


def of_delta(elem: int = 2, rest: int = 0, *, thin: bool = False) -> Recipe:
    """Two files of which the second is a delta to the first, or to an absent chunk."""
    base = numbers(elem) + b"r" * rest
    raw = bytearray(base)
    raw[: 3 * elem] = bytes(elem) + b"\xff" * elem + bytes(elem - 1) + b"\x80"
    raw[20 * elem : 20 * elem + 1] = b"\0"
    raw[len(raw) - rest :] = b"s" * rest
    new = bytes(raw)
    if not thin:
        made = of_files({"base": [base], "new": [new]})
        number = place(made, CHUNK)
        made.records[number + 1] = delta(new, base, elem, number)
        return made
    made = of_files({"new": [new]})
    made.records.append(Record(CHUNK, base, ABSENT))
    number = place(made, CHUNK)
    made.records[number] = delta(new, base, elem, len(made.records) - 1)
    return made


def laid_out(
    documented: Documents,
    objects: Mapping[tuple[str, str], Sequence[Extent]],
    layout: Sequence[bytes | Sequence[tuple[str, str]]],
) -> Recipe:
    """A package with chunks and checkpoints in a certain order.

    Args:
        documented: Content, state and evidence.
        objects: The extents of each, by kind and name, in the order in which content names them.
        layout: Chunks, and checkpoints: lists of the objects that they state.
    """
    rows = {item: n for n, item in enumerate(layout, start=1) if isinstance(item, bytes)}
    numbered = [
        [(rows[chunk], at, length) for chunk, at, length in extents] for extents in objects.values()
    ]
    records = [Record(TEXT, b"A package.\n")]
    for item in layout:
        if isinstance(item, bytes):
            records.append(Record(CHUNK, item))
        else:
            records.append(stating({named: objects[named] for named in item}))
    kinds = (CONTENT, STATE, EVIDENCE)
    records += [Record(kind, raw) for kind, raw in zip(kinds, documented, strict=True)]
    return small(Recipe(records, numbered))


def of_checkpoints() -> Recipe:
    """A run with files of two chunks, of one, of a part of one and of none, and a metric series."""
    shared, first, second = b"alphabeta", b"first " * 9, b"second " * 8
    objects: dict[tuple[str, str], list[Extent]] = {
        ("file", "a.txt"): [(shared, 0, 5)],
        ("file", "b.txt"): [(shared, 5, 4)],
        ("file", "big"): whole(first, second),
        ("file", "empty"): [],
        ("metric", "loss"): whole(POINTS),
    }
    raws = {
        name: b"".join(chunk[at : at + length] for chunk, at, length in extents)
        for (_, name), extents in objects.items()
    }
    files = [entry(name, raws[name]) for kind, name in objects if kind == "file"]
    layout: list[bytes | list[tuple[str, str]]] = [
        first,
        [("file", "big"), ("file", "empty")],
        second,
        [("file", "a.txt"), ("file", "b.txt")],
        shared,
        [("metric", "loss")],
        POINTS,
    ]
    return laid_out(run(series("loss", POINTS), files=files), objects, layout)
