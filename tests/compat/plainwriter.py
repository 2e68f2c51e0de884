"""A writer that compresses nothing and checks nothing, for packages that mlarchive never writes.

Written from `spec/mlpkg-1.md`, as `spec/reader.py` is: one chunk an object, every record stored.
"""

import hashlib
import struct
import zlib
from collections.abc import Sequence

TEXT, CHUNK, CONTENT, STATE, EVIDENCE, INDEX = 1, 2, 3, 4, 5, 6
ABSENT = 255
PREAMBLE = bytes.fromhex("894D4C500D0A1A0A") + struct.pack("<HHII40s", 1, 0, 0, 0, b"")
CANONICAL_ORDER = (TEXT, CHUNK, CONTENT, STATE, EVIDENCE)

Extent = tuple[bytes, int, int]
"""Chunk (its raw bytes), offset within it, length."""


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def plain_package(
    documents: tuple[bytes, bytes, bytes],
    objects: Sequence[Sequence[Extent]] = (),
    *,
    absent: Sequence[bytes] = (),
    order: Sequence[int] = CANONICAL_ORDER,
) -> bytes:
    """A package.

    Args:
        documents: Content, state and evidence, as they are to stand in it.
        objects: The extents of each.
        absent: The chunks that it states and does not hold.
        order: Of the records, by their types.
    """
    chunks = sorted({chunk for extents in objects for chunk, _, _ in extents}, key=digest)
    payloads = {
        TEXT: [b"A package.\n"],
        CHUNK: [chunk for chunk in chunks if chunk not in absent],
        **{kind: [raw] for kind, raw in zip((CONTENT, STATE, EVIDENCE), documents, strict=True)},
    }
    package = bytearray(PREAMBLE + struct.pack("<I", zlib.crc32(PREAMBLE)))
    rows: list[bytes] = []
    numbers: dict[bytes, int] = {}
    for kind in order:
        for raw in payloads.get(kind, [b"skipped"]):
            if kind == CHUNK:
                numbers[raw] = len(rows)
            rows.append(_row(len(package), kind, 0, raw))
            package += _record(kind, raw)
    for chunk in sorted(absent, key=digest):
        numbers[chunk] = len(rows)
        rows.append(_row(0, CHUNK, ABSENT, chunk))
    index = _index(rows, objects, numbers)
    trailer = struct.pack("<QQ32s", len(package), len(index), digest(index))
    package += _record(INDEX, index) + bytes(4096)
    trailer += struct.pack("<QQQQ", len(package) + 192, 4096, 0, 0)
    trailer += digest(documents[0]) + digest(documents[1])
    trailer += digest(b"mlpkg-package-v1\0" + package[:64] + trailer)
    return bytes(package + trailer + struct.pack("<II", zlib.crc32(trailer), 0)) + b"\x8aMLPEND\n"


def _row(offset: int, kind: int, codec: int, raw: bytes) -> bytes:
    stored = b"" if codec == ABSENT else raw
    lengths = struct.pack("<QQQ", offset, len(stored), len(raw))
    stored_digest = bytes(32) if codec == ABSENT else digest(raw)
    return (
        lengths + struct.pack("<BBBBI", kind, codec, 0, 0, 2**32 - 1) + digest(raw) + stored_digest
    )


def _record(kind: int, raw: bytes) -> bytes:
    def header(crc: int) -> bytes:
        fields = struct.pack("<BBBBIQQ", kind, 0, 0, 0, crc, len(raw), len(raw))
        return bytes.fromhex("8D4D4C520D0A1A0A") + fields + digest(raw) + bytes(32)

    record = header(zlib.crc32(header(0))) + raw
    return record + bytes(-len(record) % 64)


def _index(
    rows: list[bytes], objects: Sequence[Sequence[Extent]], numbers: dict[bytes, int]
) -> bytes:
    table: list[bytes] = []
    extents: list[bytes] = []
    named = {
        digest(b"".join(chunk[at : at + size] for chunk, at, size in parts)): parts
        for parts in objects
    }
    for name, parts in sorted(named.items()):
        size = sum(length for _, _, length in parts)
        table.append(name + struct.pack("<QII", size, len(extents), len(parts)))
        extents += [struct.pack("<III", numbers[chunk], at, size) for chunk, at, size in parts]
    counts = struct.pack("<IIII40s", len(rows), len(table), len(extents), 0, b"")
    head = bytes.fromhex("8E4D4C490D0A1A0A") + counts
    return head + b"".join(rows) + b"".join(table) + b"".join(extents)
