"""A second reader, written from the specification alone, reads what the first one's writer wrote.

It uses the standard library and a zstd binding, nothing of `mlarchive`.
"""

import hashlib
import json
import struct

import pytest
import zstandard

from mlarchive.package.readme import README
from tests.support.packages import packed
from tests.unit.package.test_writer import MIXED


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def planes(payload: bytes, elem: int, raw_len: int, *, rotated: bool) -> bytes:
    """Clause 5.3."""
    count = raw_len // elem
    lengths = struct.unpack_from(f"<{elem}I", payload)
    at = 4 * elem
    parts = []
    for length in lengths:
        part = payload[at : at + length]
        parts.append(part if length == count else zstandard.decompress(part))
        at += length
    bits = 8 * elem
    raw = bytearray()
    for element in zip(*parts, strict=True):
        word = int.from_bytes(bytes(element), "little")
        if rotated:
            word = (word >> 1) | ((word & 1) << (bits - 1))
        raw += word.to_bytes(elem, "little")
    return bytes(raw) + payload[at:]


def read(data: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """Files by path and the three ids, every digest checked (clauses 3, 4, 5, 9 and 10)."""
    assert data[:8] == bytes.fromhex("894d4c500d0a1a0a")
    trailer = data[-192:]
    assert trailer[184:] == bytes.fromhex("8a4d4c50454e440a")
    index_at, index_len = struct.unpack_from("<QQ", trailer)
    index = data[index_at + 96 : index_at + 96 + index_len]
    assert sha256(index) == trailer[16:48]
    assert trailer[144:176] == sha256(b"mlpkg-package-v1\0" + data[:64] + trailer[:144])
    n_rows, n_objects, n_extents = struct.unpack_from("<III", index, 8)
    raws: list[bytes] = []
    kinds: list[int] = []
    for number in range(n_rows):
        row = index[64 + 96 * number : 64 + 96 * (number + 1)]
        offset, stored_len, raw_len, kind, codec, elem = struct.unpack_from("<QQQBBB", row)
        payload = data[offset + 96 : offset + 96 + stored_len]
        assert sha256(payload) == row[64:96]
        if codec == 0:
            raw = payload
        elif codec == 1:
            raw = zstandard.decompress(payload)
        else:
            raw = planes(payload, elem, raw_len, rotated=codec == 2)
        assert len(raw) == raw_len
        assert sha256(raw) == row[32:64]
        raws.append(raw)
        kinds.append(kind)
    tables = 64 + 96 * n_rows
    objects = {}
    for number in range(n_objects):
        name, size, first, count = struct.unpack_from("<32sQII", index, tables + 48 * number)
        extents = [
            struct.unpack_from("<III", index, tables + 48 * n_objects + 12 * extent)
            for extent in range(first, first + count)
        ]
        whole = b"".join(raws[row][offset : offset + length] for row, offset, length in extents)
        assert (len(whole), sha256(whole)) == (size, name)
        objects[name.hex()] = whole
    assert tables + 48 * n_objects + 12 * n_extents == index_len
    content = json.loads(raws[kinds.index(3)])
    files = {
        file["path"]: objects[file["sha256"]]
        for record in content["records"].values()
        for file in record.get("files", ())
    }
    ids = {
        "content": sha256(raws[kinds.index(3)]).hex(),
        "state": sha256(raws[kinds.index(4)]).hex(),
    }
    assert trailer[80:112].hex() == ids["content"]
    assert trailer[112:144].hex() == ids["state"]
    return files, ids


@pytest.mark.clause("2.1", "3.1", "4.1", "9.2", "9.3", "9.4", "10.2", "10.4")
def test_a_reader_written_from_the_specification_reads_every_byte() -> None:
    files, ids = read(packed(MIXED))
    assert files == MIXED
    assert ids["content"] != ids["state"]


@pytest.mark.clause("4.3")
def test_the_package_begins_with_a_text_that_says_how_to_read_it() -> None:
    data = packed({})
    assert data[64 + 96 : 64 + 96 + len(README)] == README
    assert README.isascii()
    assert all(len(line) <= 100 for line in README.decode().splitlines())
