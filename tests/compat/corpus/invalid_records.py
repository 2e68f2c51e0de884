"""Packages whose index adds up, and whose records or objects are not what it says."""

import itertools
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from tests.compat.corpus.changing import (
    Cases,
    Change,
    changed,
    editing,
    in_planes,
    in_zstd,
    inserting,
    one_file,
    two_files,
)
from tests.compat.corpus.parts import (
    POINTS,
    as_planes,
    as_zstd,
    entry,
    find,
    folder,
    of_checkpoints,
    of_delta,
    of_files,
    place,
    run,
    series,
    small,
    whole,
)
from tests.compat.corpus.valid import RUNS
from tests.compat.plainwriter import (
    CHECKPOINT,
    CHUNK,
    CONTENT,
    EVIDENCE,
    PLANES,
    STATE,
    TEXT,
    ZSTD,
    Recipe,
    Record,
    canonical,
    digest,
    frame,
    hash_of,
    recipe,
)


def broken_records() -> Cases:
    """All of them."""
    for group in (_records, _frames, _decoded, _checkpoints, _objects):
        yield from group()


def _records() -> Cases:
    """Headers, padding and payloads that are not what the index says."""
    for name, values in {
        "magic": {"magic": bytes(8)},
        "type": {"kind": 129},
        "codec": {"codec": ZSTD},
        "elem": {"elem": 1},
        "flags": {"flags": 1},
        "crc": {"crc": 0},
        "stored-length": {"stored": 8},
        "raw-length": {"raw": 8},
        "raw-hash": {"raw_hash": bytes(32)},
        "base": {"base_hash": hash_of(b"another")},
    }.items():
        yield f"header-of-a-chunk-{name}", "E023", changed(one_file, editing(CHUNK, header=values))
    for name, kind in {"text": TEXT, "content": CONTENT, "evidence": EVIDENCE}.items():
        yield f"header-of-{name}", "E023", changed(one_file, editing(kind, header={"flags": 1}))
    header = {"base_hash": bytes(32)}
    yield "header-of-a-delta-base", "E023", changed(of_delta, editing(CHUNK, 1, header=header))
    thin = changed(lambda: of_delta(thin=True), editing(CHUNK, header=header))
    yield "header-of-a-thin-delta-base", "E023", thin
    for name, kind in {
        "text": TEXT,
        "chunk": CHUNK,
        "state": STATE,
        "checkpoint": CHECKPOINT,
    }.items():
        record = find(of_checkpoints(), kind)
        room = -(96 + len(record.raw)) % 64
        change = editing(kind, padding=bytes(room - 1) + b"\1")
        yield f"padding-after-{name}", "E024", changed(of_checkpoints, change)
    for name, kind in {
        "text": TEXT,
        "chunk": CHUNK,
        "content": CONTENT,
        "checkpoint": CHECKPOINT,
    }.items():
        yield f"payload-of-{name}", "E025", _with_damage(of_checkpoints(), kind)
    yield "payload-of-zstd", "E025", _with_damage(in_zstd(), CHUNK)
    yield "payload-of-planes", "E025", _with_damage(in_planes(), CHUNK)
    yield "payload-of-a-delta", "E025", _with_damage(of_delta(), CHUNK, 1)
    yield "payload-of-a-thin-delta", "E025", _with_damage(of_delta(thin=True), CHUNK)
    thin_file = of_files({"f": [b"what is here", b"elsewhere"]}, absent=[b"elsewhere"])
    yield "payload-of-a-part-of-a-thin-file", "E025", _with_damage(thin_file, CHUNK)
    skipped = one_file()
    skipped.records.insert(3, Record(200, b"to be skipped"))
    yield "payload-of-a-skipped-record", "E025", _with_damage(skipped, 200)


def _with_damage(made: Recipe, kind: int, nth: int = 0) -> bytes:
    """The package with a byte of a payload changed."""
    package, payload = bytearray(made.build()), find(made, kind, nth).stored
    at = package.index(payload) + len(payload) // 2
    package[at] ^= 1
    return bytes(package)


def _frames() -> Cases:
    size, other = struct.pack("<I", len(RUNS)), struct.pack("<I", len(RUNS) - 1)
    for name, head in {
        "with-a-check-sum": b"\xa4" + size,
        "with-a-reserved-bit": b"\xa8" + size,
        "with-a-dictionary": b"\xa1\x07" + size,
        "with-a-dictionary-of-4-bytes": b"\xa3\0\0\0\1" + size,
        "without-a-content-size": b"\x00\x58",
        "with-another-content-size": b"\xa0" + other,
        "with-a-window-above-8-mib": b"\x80\x69" + size,
        "with-a-window-of-2-gib": b"\x80\xa8" + size,
    }.items():
        payload = frame(RUNS, head)
        if "sum" in name:
            payload += bytes(4)
        yield f"frame-{name}", "E026", changed(in_zstd, editing(CHUNK, payload=payload))
    for name, payload in {
        "that-may-be-skipped": bytes.fromhex("502A4D18") + struct.pack("<I", 3) + b"abc",
        "of-another-kind": b"\x1f\x8b" + frame(RUNS)[2:],
    }.items():
        yield f"frame-{name}", "E026", changed(in_zstd, editing(CHUNK, payload=payload))
    document = changed(in_zstd, editing(STATE, codec=ZSTD, payload=b"no frame"))
    yield "frame-of-a-document", "E026", document
    blocks = frame(RUNS)
    for name, payload in {
        "a-byte-after-it": blocks + b"\0",
        "a-frame-after-it": blocks + blocks,
        "a-skippable-frame-after-it": blocks + bytes.fromhex("502A4D1800000000"),
        "cut-off": blocks[:-1],
        "without-blocks": blocks[:9],
        "of-less-than-it-states": frame(RUNS[:-1], b"\xa0" + size),
        "of-more-than-it-states": frame(RUNS + b"\3", b"\xa0" + size),
        "of-a-reserved-block": blocks[:9] + b"\x07\0\0",
    }.items():
        yield f"frame-{name}", "E027", changed(in_zstd, editing(CHUNK, payload=payload))


def _decoded() -> Cases:
    good = find(in_planes(), CHUNK).stored
    lengths = struct.unpack("<4I", good[:16])
    for name, payload in {
        "table-cut-off": good[:15],
        "a-byte-less": good[:-1],
        "a-byte-more": good + b"\0",
        "plane-longer-than-n": struct.pack("<4I", 61, *lengths[1:]) + b"\0" + good[16:],
        "lengths-that-overflow": struct.pack("<4I", 2**32 - 1, 61, 0, 0) + bytes(60),
    }.items():
        yield f"planes-{name}", "E027", changed(in_planes, editing(CHUNK, payload=payload))
    planes = good[16:76]
    empty = struct.pack("<4I", 60, 0, 0, 0) + planes
    yield "planes-of-no-length", "E026", changed(in_planes, editing(CHUNK, payload=empty))
    tiny = as_planes(Record(CHUNK, b"1234567"), PLANES, 8)
    tiny.payload = b"123456"
    made = of_files({"f": [b"1234567"]})
    made.records[1] = tiny
    yield "planes-of-less-than-an-element", "E027", made.build()
    mixed = struct.pack("<4I", 60, *(len(FEW),) * 3) + planes + FEW * 3
    change = editing(CHUNK, payload=mixed)
    yield "planes-with-a-frame-of-another-length", "E026", changed(in_planes, change)
    delta = find(of_delta(), CHUNK, 1).stored
    for name, start, nth, payload in (
        ("zstd", in_zstd, 0, frame(RUNS.replace(b"zeros", b"zeroz"))),
        ("planes", in_planes, 0, good[:16] + bytes([good[16] ^ 1]) + good[17:]),
        ("a-delta", of_delta, 1, delta[:-1] + bytes([delta[-1] ^ 1])),
    ):
        change = editing(CHUNK, nth, payload=payload)
        yield f"raw-hash-of-{name}", "E028", changed(start, change)
    evidence = Record(
        EVIDENCE, find(one_file(), EVIDENCE).raw.replace(b'"n"', b'"%s"' % (b"n" * 99))
    )
    as_zstd(evidence)
    evidence.changes = {"raw_hash": hash_of(b"another")}
    made = one_file()
    made.records[place(made, EVIDENCE)] = evidence
    yield "raw-hash-of-a-document", "E028", made.build()


FEW = frame(bytes(59))
"""A frame that decodes to one byte less than a plane of 60."""


def _objects() -> Cases:
    made = two_files()
    made.objects = [made.objects[1], made.objects[0]]
    yield "objects-exchanged", "E029", made.build()
    made = of_files({"f": [b"first", b"other"]})
    made.objects = [list(reversed(made.objects[0]))]
    yield "extents-exchanged", "E029", made.build()
    made = of_files({"f": [b"abc"], "g": [b"a"]})
    made.objects = [[(1, 0, 1), (1, 0, 1), (1, 2, 1)], [(2, 0, 1)]]
    made.objects = [made.objects[0], [(1, 1, 1)]]
    del made.records[2]
    yield "extents-of-other-places", "E029", made.build()
    yield "file-that-the-index-lacks", "E034", changed(one_file, _rename(entry("b", b"more")))
    made = two_files()
    made.records[place(made, CONTENT)].raw = folder(entry("a", b"first"))[0]
    yield "object-that-nobody-names", "E034", made.build()
    first, second = (0, 0, 1.5), (1, 0, 0.5)
    for name, code, points in (
        ("steps", "E041", (second, first)),
        ("times", "E041", ((0, 1, 1.5), (0, 0, 1.5))),
        ("values", "E041", ((0, 0, -1.0), (0, 0, 1.0))),
        ("zeros", "E041", ((0, 0, -0.0), (0, 0, 0.0))),
    ):
        raw = struct.pack("<2q2q2d", *itertools.chain(*zip(*points, strict=True)))
        made = small(recipe(run(series("m", raw)), [whole(raw)]))
        yield f"points-not-sorted-by-{name}", code, made.build()
    made = of_files({"a": [b"first"]})
    made.records[place(made, CONTENT)].raw = folder(entry("a", b"first") | {"size": 6})[0]
    yield "another-size", "E035", made.build()
    one = series("m", POINTS) | {"points": 3}
    yield "another-number-of-points", "E035", small(recipe(run(one), [whole(POINTS)])).build()
    two = folder(entry("a", b"first"), entry("b", b"first") | {"size": 6})
    yield "two-sizes-of-an-object", "E035", small(recipe(two, [whole(b"first")])).build()


def _rename(more: Mapping[str, Any]) -> Change:
    def change(made: Recipe) -> None:
        find(made, CONTENT).raw = folder(entry("a.txt", b"one file\n"), dict(more))[0]

    return change


FORMAT = "mlpkg-checkpoint-1"
FIRST, OTHER = (hash_of(chunk).hex() for chunk in (b"first", b"other"))


def _checkpoint(*entries: Any, chunks: Sequence[Any] = (FIRST,), **more: Any) -> bytes:  # noqa: ANN401
    return canonical({"chunks": chunks, "entries": entries, "format": FORMAT, **more})


def _checkpoints() -> Cases:
    """Checkpoints of `two_files` that say what is not so, or say it in another way."""
    for name, raw in {**_odd_texts(), **_odd_entries(), **_odd_chunks()}.items():
        package = changed(two_files, inserting(3, Record(CHECKPOINT, raw)))
        yield f"checkpoint-{name}", "E042", package
    # What it costs is known before it is read as JSON.
    costly = as_zstd(Record(CHECKPOINT, b"[" * ((2 << 20) + 1)))
    yield "checkpoint-that-costs-too-much", "E015", changed(two_files, inserting(3, costly))


STATED: dict[str, Any] = {"extents": [[0, 0, 5]], "name": "a", "owner": "n"}
STATED_TOO: dict[str, Any] = {"extents": [[1, 0, 5]], "name": "b", "owner": "n"}


def _odd_texts() -> dict[str, bytes]:
    plain = _checkpoint(STATED)
    return {
        "not-json": b"{",
        "not-utf-8": plain.replace(b'"n"', b'"\xff"'),
        "half-a-surrogate-pair": plain.replace(b'"n"', b'"\\ud800"'),
        "not-an-object": b"[]",
        "white-space": plain + b"\n",
        "another-format": plain.replace(b"checkpoint-1", b"checkpoint-2"),
        "a-member-more": _checkpoint(STATED, more=1),
        "without-format": canonical({"chunks": [FIRST], "entries": [STATED]}),
        "without-chunks": canonical({"entries": [], "format": FORMAT}),
        "without-entries": canonical({"chunks": [], "format": FORMAT}),
        "a-fraction": plain.replace(b",0,", b",0.0,"),
    }


def _odd_entries() -> dict[str, bytes]:
    def of(**changes: Any) -> bytes:  # noqa: ANN401
        return _checkpoint({**STATED, **changes})

    return {
        "an-entry-that-is-none": _checkpoint(1, chunks=[]),
        "a-member-of-an-entry-more": of(size=5),
        "without-owner": _checkpoint({"extents": [[0, 0, 5]], "name": "a"}),
        "a-stated-default": of(kind="file"),
        "an-unknown-kind": of(kind="folder"),
        "a-file-said-to-be-a-series": of(kind="metric"),
        "a-file-that-is-not-there": of(name="c"),
        "another-offset": of(extents=[[0, 1, 4]]),
        "another-length": of(extents=[[0, 0, 4]]),
        "an-extent-more": of(extents=[[0, 0, 5], [0, 0, 1]]),
        "no-extents": _checkpoint({**STATED, "extents": []}, chunks=[]),
        "an-extent-of-two-numbers": of(extents=[[0, 0]]),
        "an-extent-of-four-numbers": of(extents=[[0, 0, 5, 0]]),
        "one-of-two-entries": _checkpoint(STATED, {**STATED, "name": "c"}),
        "a-place-out-of-range": of(extents=[[1, 0, 5]]),
        "a-place-far-out-of-range": of(extents=[[2**63 - 1, 0, 5]]),
        "a-negative-place": of(extents=[[-1, 0, 5]]),
        "rows-for-places": _checkpoint({**STATED, "extents": [[1, 0, 5]]}, chunks=[OTHER, FIRST]),
    }


def _odd_chunks() -> dict[str, bytes]:
    """Lists of chunks that are not the raw hashes of the chunks named, each once, in order."""
    later_first = ({**STATED, "extents": [[1, 0, 5]]}, {**STATED_TOO, "extents": [[0, 0, 5]]})
    named_twice = (STATED, {**STATED, "extents": [[1, 0, 5]]})
    return {
        "chunk-of-another-file": _checkpoint(STATED, chunks=[OTHER]),
        "chunk-that-is-not-there": _checkpoint(STATED, chunks=[hash_of(b"none").hex()]),
        "chunk-by-its-digest": _checkpoint(STATED, chunks=[digest(b"first").hex()]),
        "document-for-a-chunk": _checkpoint(
            STATED, chunks=[hash_of(find(two_files(), CONTENT).raw).hex()]
        ),
        "chunk-listed-twice": _checkpoint(*named_twice, chunks=[FIRST, FIRST]),
        "chunk-listed-twice-and-named-once": _checkpoint(STATED, chunks=[FIRST, FIRST]),
        "chunks-in-another-order": _checkpoint(*later_first, chunks=[OTHER, FIRST]),
        "chunk-not-listed": _checkpoint(STATED, STATED_TOO),
        "no-chunk-listed": _checkpoint(STATED, chunks=[]),
        "chunk-that-no-entry-names": _checkpoint(STATED, chunks=[FIRST, OTHER]),
        "chunk-and-no-entries": _checkpoint(chunks=[FIRST]),
        "chunk-not-hexadecimal": _checkpoint(STATED, chunks=["g" * 64]),
        "chunk-in-capitals": _checkpoint(STATED, chunks=[FIRST.upper()]),
        "chunk-with-a-digit-less": _checkpoint(STATED, chunks=[FIRST[:-1]]),
        "chunk-with-a-byte-less": _checkpoint(STATED, chunks=[FIRST[:-2]]),
        "chunk-with-a-byte-more": _checkpoint(STATED, chunks=[FIRST + "00"]),
        "chunk-with-spaces": _checkpoint(STATED, chunks=[FIRST[:2] + " " + FIRST[2:]]),
        "chunk-that-is-empty": _checkpoint(STATED, chunks=[""]),
        "chunk-by-its-row": _checkpoint(STATED, chunks=[1]),
    }
