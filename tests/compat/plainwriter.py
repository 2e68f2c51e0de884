"""A writer that checks nothing, for packages that mlarchive never writes, whole and broken ones.

Written from `spec/mlpkg-1.md`, as `spec/reader.py` is. What a package is to be is stated as a
`Recipe`; every field of every structure can be given another value, and all digests, hashes and
check sums that cover it still fit, unless they are changed themselves.
"""

import hashlib
import itertools
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blake3 import blake3

TEXT, CHUNK, CONTENT, STATE, EVIDENCE, INDEX, CHECKPOINT = 1, 2, 3, 4, 5, 6, 128
STORED, ZSTD, ROTATED_PLANES, PLANES, DELTA, ABSENT = 0, 1, 2, 3, 4, 255
NO_BASE = 2**32 - 1
BLOCK_MOST = 128 << 10
"""Bytes that a block may decode to."""

SHORT_RUN = 8
CANONICAL_ORDER = (TEXT, CHUNK, CONTENT, STATE, EVIDENCE)

Documents = tuple[bytes, bytes, bytes]
"""Content, state and evidence."""

Extent = tuple[bytes, int, int]
"""Chunk (its raw bytes), offset within it, length."""

Numbered = tuple[int, int, int]
"""Row, offset within the chunk, length."""

Changes = Mapping[str, Any]
"""Fields of a structure by their names, with the values that they get instead of the right ones."""

HEADER = struct.Struct("<8sBBBBIQQ32s32s")
PREAMBLE = struct.Struct("<8sHHII40s")
TRAILER = struct.Struct("<QQ32sQQQQ32s32s")


def digest(data: bytes) -> bytes:
    """SHA-256, of documents, objects, the index and packages."""
    return hashlib.sha256(data).digest()


def hash_of(data: bytes) -> bytes:
    """BLAKE3, of records and what is stored in them."""
    return blake3(data).digest()


def canonical(value: object) -> bytes:
    """Canonical JSON (6.1)."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


@dataclass
class Record:
    """A record, or with codec 255 the row of an absent chunk.

    Attributes:
        kind: Its type.
        raw: What it decodes to.
        codec: How it is encoded; `payload` is then given.
        payload: The stored bytes; None for `raw`.
        elem: Element size.
        base: The row of its base.
        changes: Other values for fields of both header and row: `kind`, `codec`, `elem`, `flags`,
            `stored`, `raw`, `raw_hash`.
        header: Other values in the header alone; `magic`, `crc` and `base_hash` too.
        row: Other values in the row alone; `base` and `stored_hash` too.
        padding: What follows the payload; None for zeros.
    """

    kind: int
    raw: bytes
    codec: int = STORED
    payload: bytes | None = None
    elem: int = 0
    base: int = NO_BASE
    changes: Changes = field(default_factory=dict)
    header: Changes = field(default_factory=dict)
    row: Changes = field(default_factory=dict)
    padding: bytes | None = None

    @property
    def stored(self) -> bytes:
        """The payload."""
        if self.codec == ABSENT:
            return b""
        return self.raw if self.payload is None else self.payload

    def fields(self) -> dict[str, Any]:
        """What header and row have in common."""
        return {
            "kind": self.kind,
            "codec": self.codec,
            "elem": self.elem,
            "flags": 0,
            "stored": len(self.stored),
            "raw": len(self.raw),
            "raw_hash": hash_of(self.raw),
            **self.changes,
        }

    def encoded(self, base_hash: bytes) -> bytes:
        """Header, payload and padding."""
        header = {
            "magic": bytes.fromhex("8D4D4C520D0A1A0A"),
            **self.fields(),
            "base_hash": base_hash,
            **self.header,
        }
        names = ("magic", "kind", "codec", "elem", "flags", "crc", "stored", "raw", "raw_hash")
        order = [*names, "base_hash"]
        plain = HEADER.pack(*(0 if name == "crc" else header[name] for name in order))
        header.setdefault("crc", zlib.crc32(plain))
        record = HEADER.pack(*(header[name] for name in order)) + self.stored
        return record + (bytes(-len(record) % 64) if self.padding is None else self.padding)

    def cells(self) -> dict[str, Any]:
        """The row of the index."""
        stored_hash = bytes(32) if self.codec == ABSENT else hash_of(self.stored)
        return {**self.fields(), "base": self.base, "stored_hash": stored_hash, **self.row}


@dataclass
class Recipe:
    """A package.

    Attributes:
        records: All before the index, in their order; then the rows of absent chunks.
        objects: The extents of each, in the order of the content document.
        counts: Other numbers of extents than the objects have, by the objects' place.
        index: What is made of the raw index before it is written.
        index_codec: 0, or 1 with what compresses it.
        index_header: Other values in the header of the index record.
        preamble: Other values: `magic`, `major`, `minor`, `incompatible`, `compatible`, `reserved`,
            `crc`.
        parity: The parity section.
        signatures: The signature area.
        trailer: Other values: `index_offset`, `index_length`, `index_digest`, `length`,
            `signatures`, `parity_offset`, `parity_length`, `content_id`, `state_id`, `package_id`,
            `crc`, `reserved`, `magic`.
    """

    records: list[Record]
    objects: Sequence[Sequence[Numbered]] = ()
    counts: Mapping[int, int] = field(default_factory=dict)
    index: Callable[[bytes], bytes] = bytes
    compress: Callable[[bytes], bytes] | None = None
    index_header: Changes = field(default_factory=dict)
    preamble: Changes = field(default_factory=dict)
    parity: bytes = b""
    signatures: bytes = bytes(4096)
    trailer: Changes = field(default_factory=dict)

    def build(self) -> bytes:
        """The bytes of the package."""
        package = bytearray(self._preamble())
        for record in self.records:
            if record.codec != ABSENT:
                package += record.encoded(self._base_hash(record))
        raw = self.index(self._index())
        index = Record(INDEX, raw, header=self.index_header)
        if self.compress is not None:
            index.codec, index.payload = ZSTD, self.compress(raw)
        offset = len(package)
        package += index.encoded(bytes(32)) + self.parity
        end = len(package)
        package += self.signatures
        first = {kind: r.raw for kind in (CONTENT, STATE) for r in self.records if r.kind == kind}
        trailer = {
            "index_offset": offset,
            "index_length": len(index.stored),
            "index_digest": digest(index.stored),
            "length": len(package) + 192,
            "signatures": len(self.signatures),
            "parity_offset": end - len(self.parity) if self.parity else 0,
            "parity_length": len(self.parity),
            "content_id": digest(first.get(CONTENT, b"")),
            "state_id": digest(first.get(STATE, b"")),
            "reserved": 0,
            "magic": bytes.fromhex("8A4D4C50454E440A"),
            **self.trailer,
        }
        covered = TRAILER.pack(*list(trailer.values())[:9])
        named = digest(b"mlpkg-package-v1\0" + package[:64] + covered)
        body = covered + trailer.get("package_id", named)
        crc = trailer.get("crc", zlib.crc32(body))
        return (
            bytes(package + body)
            + struct.pack("<II", crc, trailer["reserved"])
            + bytes(trailer["magic"])
        )

    def _preamble(self) -> bytes:
        values = {
            "magic": bytes.fromhex("894D4C500D0A1A0A"),
            "major": 1,
            "minor": 0,
            "incompatible": 0,
            "compatible": 0,
            "reserved": bytes(40),
            **self.preamble,
        }
        body = PREAMBLE.pack(*list(values.values())[:6])
        return body + struct.pack("<I", values.get("crc", zlib.crc32(body)))

    def _base_hash(self, record: Record) -> bytes:
        known = record.base < len(self.records)
        return hash_of(self.records[record.base].raw) if known else bytes(32)

    def _index(self) -> bytes:
        rows = [record.cells() for record in self.records]
        extents = [extent for parts in self.objects for extent in parts]
        counts = [self.counts.get(n, len(parts)) for n, parts in enumerate(self.objects)]
        sizes = (len(rows), len(counts), len(extents))
        index = bytes.fromhex("8E4D4C490D0A1A0A") + struct.pack("<IIII40s", *sizes, 0, b"")
        for name, kind in (("stored", "Q"), ("raw", "Q"), ("base", "I")):
            index += struct.pack(f"<{len(rows)}{kind}", *(row[name] for row in rows))
        for name in ("kind", "codec", "elem", "flags"):
            index += bytes(row[name] for row in rows)
        for name in ("raw_hash", "stored_hash"):
            index += b"".join(row[name] for row in rows)
        for column in (counts, *([extent[place] for extent in extents] for place in range(3))):
            index += struct.pack(f"<{len(column)}I", *column)
        return index


def recipe(
    documents: Documents,
    objects: Sequence[Sequence[Extent]] = (),
    *,
    absent: Sequence[bytes] = (),
    order: Sequence[int] = CANONICAL_ORDER,
) -> Recipe:
    """A package of which every record is stored.

    Args:
        documents: Content, state and evidence, as they are to stand in it.
        objects: The extents of each, in the order in which content names them.
        absent: The chunks that it states and does not hold.
        order: Of the records, by their types; all chunks stand together.
    """
    chunks = dict.fromkeys(chunk for extents in objects for chunk, _, _ in extents)
    payloads = {
        TEXT: [b"A package.\n"],
        CHUNK: [chunk for chunk in chunks if chunk not in absent],
        CHECKPOINT: [checkpoint().raw],
        **{kind: [raw] for kind, raw in zip((CONTENT, STATE, EVIDENCE), documents, strict=True)},
    }
    records = [Record(kind, raw) for kind in order for raw in payloads.get(kind, [b"skipped"])]
    records += [Record(CHUNK, chunk, ABSENT) for chunk in sorted(absent, key=hash_of)]
    numbers = {record.raw: n for n, record in enumerate(records) if record.kind == CHUNK}
    numbered = [[(numbers[chunk], at, size) for chunk, at, size in parts] for parts in objects]
    return Recipe(records, numbered)


def plain_package(
    documents: Documents,
    objects: Sequence[Sequence[Extent]] = (),
    *,
    absent: Sequence[bytes] = (),
    order: Sequence[int] = CANONICAL_ORDER,
) -> bytes:
    """The bytes of `recipe`."""
    return recipe(documents, objects, absent=absent, order=order).build()


def checkpoint(*entries: Changes, chunks: Sequence[bytes] = ()) -> Record:
    """A checkpoint (4.6) of entries as they are written, with the chunks that they name."""
    listed = [hash_of(chunk).hex() for chunk in chunks]
    stated = {"chunks": listed, "entries": entries, "format": "mlpkg-checkpoint-1"}
    return Record(CHECKPOINT, canonical(stated))


def stating(objects: Mapping[tuple[str, str], Sequence[Extent]]) -> Record:
    """The checkpoint that states some objects by kind and name (4.6)."""
    chunks = list(dict.fromkeys(chunk for parts in objects.values() for chunk, _, _ in parts))
    entries: list[dict[str, Any]] = []
    for (kind, name), parts in objects.items():
        extents = [(chunks.index(chunk), at, length) for chunk, at, length in parts]
        entries.append({"extents": extents, "name": name, "owner": "n"})
        if kind == "metric":
            entries[-1]["kind"] = kind
    return checkpoint(*entries, chunks=chunks)


def frame(raw: bytes, head: bytes | None = None) -> bytes:
    """One Zstandard frame (RFC 8878, 3.1.1), made by hand: runs, and all else as it is.

    What libzstd makes of bytes changes with its version; this does not.

    Args:
        raw: What it decodes to.
        head: Other bytes between magic and blocks than a descriptor and the content size.
    """
    if head is None:
        head = b"\xa0" + struct.pack("<I", len(raw))
    runs = [(value, len(list(same))) for value, same in itertools.groupby(raw)]
    blocks: list[tuple[int, int, bytes]] = []
    for long, group in itertools.groupby(runs, key=lambda run: run[1] > SHORT_RUN):
        if long:
            blocks += [
                (1, min(BLOCK_MOST, length - at), bytes([value]))
                for value, length in group
                for at in range(0, length, BLOCK_MOST)
            ]
        else:
            plain = b"".join(bytes([value]) * length for value, length in group)
            blocks.append((0, len(plain), plain))
    out = bytes.fromhex("28B52FFD") + head
    for number, (kind, length, content) in enumerate(blocks):
        last = number == len(blocks) - 1
        out += (last | kind << 1 | length << 3).to_bytes(3, "little") + content
    return out


def planes(raw: bytes, elem: int, *, rotated: bool) -> bytes:
    """The payload of a chunk in planes (5.3)."""
    whole = len(raw) // elem * elem
    elements = [int.from_bytes(raw[at : at + elem], "little") for at in range(0, whole, elem)]
    if rotated:
        top = 8 * elem - 1
        elements = [(element << 1 | element >> top) & (1 << 8 * elem) - 1 for element in elements]
    stored = [bytes(element >> 8 * k & 255 for element in elements) for k in range(elem)]
    parts = [min(plane, frame(plane), key=len) for plane in stored]
    lengths = struct.pack(f"<{elem}I", *map(len, parts))
    return lengths + b"".join(parts) + raw[whole:]


def folded(raw: bytes, base: bytes, elem: int) -> bytes:
    """The folded differences of the elements of two chunks, then the rest of the first (5.4)."""
    whole = len(raw) // elem * elem
    out = b""
    for at in range(0, whole, elem):
        one, other = (int.from_bytes(data[at : at + elem], "little") for data in (raw, base))
        d = (one - other) % (1 << 8 * elem)
        d -= (1 << 8 * elem) if d >> 8 * elem - 1 else 0
        out += (2 * d if d >= 0 else -2 * d - 1).to_bytes(elem, "little")
    return out + raw[whole:]


def delta(raw: bytes, base: bytes, elem: int, row: int) -> Record:
    """A chunk that states its differences to another one, whose row is given (5.4)."""
    payload = planes(folded(raw, base, elem), elem, rotated=False)
    return Record(CHUNK, raw, DELTA, payload, elem, row)
