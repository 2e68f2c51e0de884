"""Packages that a reader must refuse, each broken in one place, with the code of the refusal."""

import struct
from typing import Any

from tests.compat.corpus.changing import (
    Cases,
    Change,
    absent_chunks,
    changed,
    editing,
    in_planes,
    in_zstd,
    inserting,
    one_file,
    put,
    setting,
    two_files,
)
from tests.compat.corpus.documents import odd_documents
from tests.compat.corpus.invalid_records import broken_records
from tests.compat.corpus.parts import (
    as_planes,
    as_zstd,
    entry,
    find,
    folder,
    numbers,
    of_checkpoints,
    of_delta,
    of_files,
    small,
    whole,
)
from tests.compat.corpus.valid import RUNS, signatures
from tests.compat.plainwriter import (
    ABSENT,
    CHECKPOINT,
    CHUNK,
    CONTENT,
    DELTA,
    EVIDENCE,
    NO_BASE,
    PLANES,
    ROTATED_PLANES,
    STATE,
    TEXT,
    ZSTD,
    Recipe,
    Record,
    digest,
    frame,
    hash_of,
    recipe,
)

Case = tuple[str, bytes]
"""Code of the refusal, and the package."""


def cases() -> dict[str, Case]:
    """All of them by name."""
    found: dict[str, Case] = {}
    groups = (_preambles, _tails, _areas, _indexes, _rows, _bases, _covers)
    for group in (*groups, broken_records, odd_documents):
        for name, code, package in group():
            assert name not in found, name
            found[f"{code.lower()}-{name}"] = (code, package)
    return found


def base_of_another_length() -> tuple[Recipe, Recipe]:
    """A thin package, and a base that has its absent chunk with another length (E040)."""
    thin = of_files({"f": [b"elsewhere"]}, absent=[b"elsewhere"])
    other = of_files({"f": [bytes(60)]})
    chunk = as_zstd(find(other, CHUNK))
    chunk.changes = {"raw_hash": hash_of(b"elsewhere")}
    return thin, other


def _preambles() -> Cases:
    package = one_file().build()
    yield "empty", "E001", b""
    yield "another-magic", "E001", b"PK\3\4" + package[4:]
    yield "magic-changed-in-its-first-byte-and-its-fourth", "E001", b"\x8aMLQ" + package[4:]
    yield "magic-carriage-return-lost", "E002", package.replace(b"\r\n", b"\n", 1)
    yield "magic-carriage-return-added", "E002", package.replace(b"\x1a\n", b"\x1a\r\n", 1)
    yield "magic-without-eighth-bit", "E002", b"\x09" + package[1:]
    for name, code, values in (
        ("major-2", "E003", {"major": 2}),
        ("major-0", "E003", {"major": 0}),
        ("major-before-features", "E003", {"major": 2, "incompatible": 1}),
        ("incompatible-feature", "E004", {"incompatible": 1}),
        ("incompatible-feature-31", "E004", {"incompatible": 1 << 31}),
        ("features-before-reserved", "E004", {"incompatible": 1, "reserved": b"\1"}),
        ("reserved", "E005", {"reserved": b"\1"}),
        ("reserved-last", "E005", {"reserved": bytes(39) + b"\1"}),
        ("crc", "E005", {"crc": 0}),
        ("crc-before-major", "E005", {"crc": 0, "major": 2}),
    ):
        yield f"preamble-{name}", code, changed(one_file, setting(preamble=values))
    yield "volume", "E043", bytes.fromhex("8C4D4C560D0A1A0A") + package[8:]


def _tails() -> Cases:
    package, zeros = one_file().build(), of_files({}).build()
    for name, cut in (
        ("within-the-preamble", package[:40]),
        ("after-the-preamble", package[:64]),
        ("shorter-than-preamble-and-trailer", package[:64] + package[-191:]),
        ("without-trailer", package[:-192]),
        ("last-byte-lost", package[:-1]),
        ("a-byte-more", package + b"\0"),
        ("a-line-more", package + b"\n"),
        ("trailer-magic", package[:-8] + b"\x8aMLPEND\r"),
    ):
        yield name, "E006", cut
    yield "trailer-byte", "E007", package[:-100] + b"\xff" + package[-99:]
    yield "two-packages", "E008", package + zeros
    yield "bytes-lost-within", "E008", package[:192] + package[256:]
    offset = len(package) - 192 - 1
    for name, code, values in (
        ("trailer-crc", "E007", {"crc": 0}),
        ("trailer-reserved", "E007", {"reserved": 1}),
        ("trailer-length-less", "E008", {"length": len(package) - 64}),
        ("trailer-length-more", "E008", {"length": len(package) + 64}),
        ("index-not-at-64", "E009", {"index_offset": offset - offset % 64 - 191}),
        ("index-elsewhere", "E009", {"index_offset": 64}),
        ("index-behind-the-end", "E009", {"index_offset": len(package) + 64}),
        ("index-shorter", "E009", {"index_length": 1}),
        ("signature-area-of-100", "E009", {"signatures": 100}),
        ("signature-area-too-long", "E009", {"signatures": 4096}),
        ("parity-without-length", "E009", {"parity_offset": len(package) - 192}),
        ("parity-without-offset", "E009", {"parity_length": 64}),
        ("package-id", "E010", {"package_id": bytes(32)}),
        ("content-id", "E019", {"content_id": digest(b"another")}),
        (
            "content-id-that-is-a-hash",
            "E019",
            {"content_id": hash_of(find(one_file(), CONTENT).raw)},
        ),
        ("state-id", "E019", {"state_id": digest(b"another")}),
        ("state-id-that-is-a-hash", "E019", {"state_id": hash_of(find(one_file(), STATE).raw)}),
    ):
        yield name, code, changed(one_file, setting(trailer=values))
    for name, start, values in (
        ("parity-elsewhere", bytes(128), {"parity_offset": 64}),
        ("parity-of-100", bytes(100), {}),
        ("parity-too-short", bytes(128), {"parity_length": 64}),
    ):
        yield name, "E009", changed(one_file, setting(parity=start, trailer=values))
    newer = bytearray(changed(one_file, setting(preamble={"minor": 1})))
    newer[:64] = package[:64]
    yield "preamble-of-another-package", "E010", bytes(newer)


def _areas() -> Cases:
    framed, empty = signatures(b"of a later version"), bytes(4096)
    for name, area in (
        ("first-byte", b"\1" + empty[1:]),
        ("last-byte", empty[:-1] + b"\1"),
        ("text-changed", framed.replace(b"later", b"older")),
        ("text-longer-than-the-area", framed[:8] + struct.pack("<I", 4081) + framed[12:]),
        ("behind-the-text", framed[:-1] + b"\1"),
        ("magic-cut-off", framed[:7] + bytes(4089)),
    ):
        yield f"signatures-{name}", "E011", changed(one_file, setting(signatures=area))


def _indexes() -> Cases:
    for name, values in {
        "magic": {"magic": bytes(8)},
        "type": {"kind": 7},
        "codec": {"codec": ROTATED_PLANES},
        "elem": {"elem": 1},
        "flags": {"flags": 1},
        "crc": {"crc": 0},
        "stored-length": {"stored": 64},
        "raw-length": {"raw": 64},
        "base": {"base_hash": bytes(31) + b"\1"},
    }.items():
        yield f"index-header-{name}", "E012", changed(one_file, setting(index_header=values))
    values = {"raw": 64, "codec": ZSTD}
    yield "index-not-smaller", "E012", changed(one_file, setting(index_header=values))
    yield "index-of-no-length", "E012", changed(one_file, setting(compress=lambda _: b""))
    package = bytearray(one_file().build())
    for name, value in {"another": bytes(32), "its-digest": bytes(package[-176:-144])}.items():
        change = setting(index_header={"raw_hash": value})
        yield f"index-raw-hash-{name}", "E028", changed(one_file, change)
    for name, code, values in (
        ("index-raw-hash-compressed", "E028", {"raw_hash": bytes(32)}),
        ("index-raw-length", "E026", {"raw": 4000}),
    ):
        change = setting(index_header=values, compress=frame)
        yield name, code, changed(one_file, change)
    other = {"index_digest": digest(b"another")}
    yield "index-digest", "E013", changed(one_file, setting(trailer=other, compress=frame))
    yield "index-frame", "E026", changed(one_file, setting(compress=lambda raw: raw[:100]))
    yield (
        "index-cut-frame",
        "E027",
        changed(one_file, setting(compress=lambda raw: frame(raw)[:-9])),
    )
    package[-192 - 100] ^= 1
    yield "index-byte", "E013", bytes(package)
    package[-192 - 100] ^= 1
    assert not package[-193]
    package[-193] ^= 1
    yield "padding-of-the-index", "E024", bytes(package)
    for name, change in {
        "empty": lambda _: b"",
        "head-cut-off": lambda raw: raw[:63],
        "magic": lambda raw: bytes(8) + raw[8:],
        "flags": lambda raw: raw[:20] + b"\1" + raw[21:],
        "reserved": lambda raw: raw[:63] + b"\1" + raw[64:],
        "a-byte-less": lambda raw: raw[:-1],
        "a-byte-more": lambda raw: raw + b"\0",
        "a-row-more": lambda raw: raw[:8] + bytes([raw[8] + 1]) + raw[9:],
        "rows-beyond-memory": lambda raw: raw[:8] + b"\xff" * 4 + raw[12:],
        "an-object-more": lambda raw: raw[:12] + bytes([raw[12] + 1]) + raw[13:],
        "an-extent-less": lambda raw: raw[:16] + bytes([raw[16] - 1]) + raw[17:],
    }.items():
        yield f"index-{name}", "E014", changed(one_file, setting(index=change))


def _rows() -> Cases:
    """Rows, and headers that say the same, that do not fit together."""

    def both(which: int, **values: Any) -> bytes:  # noqa: ANN401
        return changed(two_files, editing(which, changes=values))

    for number in (0, 6, 7, 127):
        yield f"type-{number}", "E017", both(EVIDENCE, kind=number)
    for codec in (5, 6, 254):
        yield f"codec-{codec}", "E018", both(CHUNK, codec=codec)
    yield "flags", "E018", both(CHUNK, flags=1)
    yield "elem-of-a-stored-chunk", "E018", both(CHUNK, elem=1)
    yield "elem-of-zstd", "E018", changed(in_zstd, editing(CHUNK, elem=4))
    for elem in (0, 3, 16):
        yield f"elem-{elem}-of-planes", "E018", changed(in_planes, editing(CHUNK, elem=elem))
    yield "planes-in-a-document", "E018", both(CONTENT, codec=PLANES, elem=1, raw=9999)
    yield "document-absent", "E018", both(STATE, codec=ABSENT)
    text = as_zstd(Record(TEXT, bytes(200)))
    yield "text-compressed", "E018", changed(one_file, lambda made: put(made, 0, text))
    skipped = as_zstd(Record(129, bytes(200)))
    yield (
        "skipped-record-compressed",
        "E018",
        changed(one_file, lambda made: made.records.insert(4, skipped)),
    )
    yield "stored-longer-than-raw", "E018", both(CHUNK, raw=4)
    yield "stored-with-another-hash", "E018", both(CHUNK, raw_hash=hash_of(b"another"))
    noise = b"".join(digest(b"%d" % n) for n in range(3))
    made = of_files({"f": [noise]})
    as_zstd(find(made, CHUNK))
    yield "zstd-longer-than-raw", "E018", made.build()
    as_long = changed(in_zstd, editing(CHUNK, payload=frame(RUNS).ljust(len(RUNS))))
    yield "zstd-as-long-as-raw", "E018", as_long
    yield "zstd-of-no-length", "E018", changed(in_zstd, editing(CHUNK, payload=b""))
    yield "empty-chunk", "E018", changed(one_file, inserting(1, Record(CHUNK, b"")))
    yield "empty-checkpoint", "E018", changed(one_file, inserting(3, Record(CHECKPOINT, b"")))
    yield (
        "checkpoint-in-planes",
        "E018",
        changed(one_file, inserting(3, as_planes(Record(CHECKPOINT, numbers(4)), PLANES, 4))),
    )
    yield "chunk-twice", "E018", changed(_twice, lambda made: made)
    yield (
        "chunk-present-and-absent",
        "E018",
        changed(one_file, lambda made: made.records.append(Record(CHUNK, b"one file\n", ABSENT))),
    )
    yield (
        "absent-with-a-length",
        "E018",
        changed(absent_chunks, editing(CHUNK, changes={"stored": 1})),
    )
    yield (
        "absent-with-a-hash",
        "E018",
        changed(absent_chunks, editing(CHUNK, row={"stored_hash": hash_of(b"1")})),
    )
    yield "absent-with-a-base", "E018", changed(absent_chunks, editing(CHUNK, row={"base": 0}))
    yield (
        "absent-not-sorted",
        "E018",
        changed(absent_chunks, lambda made: made.records.append(made.records.pop(-3))),
    )
    yield "absent-before-present", "E016", changed(_half_absent, lambda made: made)
    huge = (64 << 20) + 1
    yield (
        "chunk-beyond-64-mib",
        "E015",
        changed(absent_chunks, editing(CHUNK, 1, changes={"raw": huge})),
    )
    yield "zstd-beyond-64-mib", "E015", changed(in_zstd, editing(CHUNK, changes={"raw": huge}))
    long = as_zstd(Record(CHECKPOINT, bytes(200), changes={"raw": huge}))
    yield "checkpoint-beyond-64-mib", "E015", changed(one_file, inserting(3, long))


def _half_absent() -> Recipe:
    """Two files, one of whose chunks is absent, and stands before the records behind it."""
    made = of_files({"a": [b"first"], "b": [b"other"]}, absent=[b"other"])
    made.records.insert(2, made.records.pop())
    made.objects = [[(1, 0, 5)], [(2, 0, 5)]]
    return made


def _twice() -> Recipe:
    """Two files of the same bytes, each with its chunk."""
    made = two_files()
    made.records[2] = Record(CHUNK, b"first")
    return made


def _bases() -> Cases:
    def based(**row: int) -> Change:
        return editing(CHUNK, 1, row=row)

    yield "base-of-a-stored-chunk", "E018", changed(two_files, based(base=1))
    yield "base-of-a-document", "E018", changed(one_file, editing(CONTENT, row={"base": 1}))
    yield "delta-without-base", "E018", changed(of_delta, based(base=NO_BASE))
    yield "delta-to-itself", "E018", changed(of_delta, based(base=2))
    yield "delta-to-no-row", "E018", changed(of_delta, based(base=99))
    yield "delta-to-text", "E018", changed(of_delta, based(base=0))
    yield "delta-to-a-document", "E018", changed(of_delta, based(base=3))
    yield (
        "delta-of-a-document",
        "E018",
        changed(
            of_delta,
            editing(CONTENT, changes={"codec": DELTA, "elem": 1, "raw": 9999}, row={"base": 1}),
        ),
    )
    yield "delta-without-elem", "E018", changed(of_delta, editing(CHUNK, 1, elem=0))
    made = of_delta()
    find(made, CHUNK).raw += b"more"
    made.objects = [[(1, 0, 124)], made.objects[1]]
    yield "delta-to-a-chunk-of-another-length", "E018", made.build()
    made = of_delta()
    made.records[1:3] = reversed(made.records[1:3])
    made.records[1].base = 2
    made.objects = [[(2, 0, 120)], [(1, 0, 120)]]
    yield "delta-to-a-later-chunk", "E018", made.build()
    made = of_delta()
    second = Record(CHUNK, bytes(120), DELTA, made.records[2].payload, 2, 2)
    made.records.insert(3, second)
    made.objects = [*made.objects, [(3, 0, 120)]]
    yield "delta-to-a-delta", "E018", made.build()
    made = of_delta()
    made.objects = [made.objects[1]]
    yield "present-base-that-no-object-has", "E022", made.build()


def _covers() -> Cases:
    """Whether each byte of the file belongs to one part, and each byte of chunks to an object."""
    order = (TEXT, CHUNK, CONTENT, STATE, EVIDENCE)
    for name, swapped in (
        ("state-before-content", (TEXT, STATE, CONTENT, EVIDENCE)),
        ("evidence-before-state", (TEXT, CONTENT, EVIDENCE, STATE)),
    ):
        yield name, "E016", small(recipe(folder(), order=swapped)).build()
    late = small(
        recipe(
            folder(entry("f", b"x")), [whole(b"x")], order=(TEXT, CONTENT, CHUNK, STATE, EVIDENCE)
        )
    )
    yield "chunk-after-content", "E016", late.build()
    for missing in (TEXT, CONTENT, STATE, EVIDENCE):
        made = small(recipe(folder(), order=[kind for kind in order if kind != missing]))
        if missing in (CONTENT, STATE):
            named = {"content_id" if missing == CONTENT else "state_id": digest(b"")}
            made.trailer = named
        yield f"no-record-of-type-{missing}", "E019", made.build()
    for twice in (TEXT, CONTENT, STATE, EVIDENCE):
        kinds = sorted((*order, twice))
        yield f"two-records-of-type-{twice}", "E019", small(recipe(folder(), order=kinds)).build()
    yield "gap-before-the-index", "E016", changed(one_file, _gap_after(EVIDENCE))
    yield "gap-between-records", "E016", changed(one_file, _gap_after(CHUNK))
    yield "record-without-row", "E016", _without_row()
    yield (
        "record-that-overlaps-the-index",
        "E016",
        changed(one_file, editing(EVIDENCE, changes={"stored": 999, "raw": 999})),
    )
    yield (
        "record-longer-than-the-file",
        "E016",
        changed(one_file, inserting(5, Record(129, b"", changes={"stored": 2**63, "raw": 2**63}))),
    )
    yield "object-with-an-extent-less", "E020", changed(two_files, setting(counts={1: 0}))
    yield "object-with-an-extent-more", "E020", changed(two_files, setting(counts={1: 2}))
    yield (
        "object-with-extents-beyond-memory",
        "E020",
        changed(two_files, setting(counts={1: 2**32 - 1})),
    )
    for name, extent in {
        "of-no-row": (99, 0, 5),
        "of-a-document": (3, 0, 5),
        "of-the-text": (0, 0, 5),
        "of-no-length": (2, 5, 0),
        "beyond-its-chunk": (2, 1, 5),
        "far-beyond-its-chunk": (2, 2**32 - 1, 6),
    }.items():
        change = setting(objects=[[(1, 0, 5)], [(2, 0, 5), extent]])
        yield f"extent-{name}", "E021", changed(two_files, change)
    yield (
        "extent-of-a-checkpoint",
        "E021",
        changed(of_checkpoints, lambda made: _put_extent(made, (2, 0, 5))),
    )
    for name, extents in {
        "chunk-of-no-object": [],
        "end-of-a-chunk": [(2, 0, 4)],
        "beginning-of-a-chunk": [(2, 1, 4)],
        "middle-of-a-chunk": [(2, 0, 2), (2, 3, 2)],
    }.items():
        yield (
            f"{name}-in-no-object",
            "E022",
            changed(two_files, setting(objects=[[(1, 0, 5)], extents])),
        )
    yield (
        "absent-chunk-in-no-object",
        "E022",
        changed(one_file, lambda made: made.records.append(Record(CHUNK, b"nobody's", ABSENT))),
    )


def _gap_after(kind: int) -> Change:
    """Another 64 bytes of padding than there may be."""

    def change(made: Recipe) -> None:
        record = find(made, kind)
        record.padding = bytes(-(96 + len(record.raw)) % 64 + 64)

    return change


def _put_extent(made: Recipe, extent: tuple[int, int, int]) -> None:
    made.objects = [[*made.objects[0], extent], *made.objects[1:]]


def _without_row() -> bytes:
    """A record more than there are rows."""
    made = one_file()
    gap = Record(129, b"hidden").encoded(bytes(32))
    record = find(made, EVIDENCE)
    length = 96 + len(record.raw)
    record.padding = bytes(-length % 64) + gap
    return made.build()
