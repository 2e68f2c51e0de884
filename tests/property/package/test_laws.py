"""Laws of the container, searched for counter-examples."""

import hashlib
import io
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mlarchive.package.choosing import encode_chunk, guess
from mlarchive.package.chunkers.pieces import Hint
from mlarchive.package.codec import decode
from mlarchive.package.columns import decode_columns, encode_columns
from mlarchive.package.encoding import Encoded, encode_text
from mlarchive.package.frames import Effort, decode_frame, encode_frame
from mlarchive.package.index import NO_BASE, Extent, Row, encode_index, header_of
from mlarchive.package.intake import Intake
from mlarchive.package.layout import PREAMBLE_SIZE, Trailer, decode_trailer, encode_trailer
from mlarchive.package.planes import decode_planes, encode_planes
from mlarchive.package.record import decode_header, encode_header, hash_of, record_size
from mlarchive.package.tables import decode_index
from tests.support.packages import contents, opened, packed

ELEMENTS = st.sampled_from([1, 2, 4, 8])
DIGESTS = st.binary(min_size=32, max_size=32)
INT64 = st.integers(-(2**63), 2**63 - 1)
U64 = st.integers(0, 2**64 - 1)


@st.composite
def raws(draw: st.DrawFn, *, least: int = 1) -> bytes:
    """Bytes of every temper: short, repeated, noisy, floats, sparse."""
    kind = draw(st.sampled_from(["any", "repeat", "floats", "halves", "zeros"]))
    if kind == "any":
        return draw(st.binary(min_size=least, max_size=3000))
    seed = draw(st.integers(0, 2**32 - 1))
    count = draw(st.integers(least, 40_000))
    rng = np.random.default_rng(seed)
    if kind == "repeat":
        unit = draw(st.binary(min_size=1, max_size=50))
        return (unit * (count // len(unit) + 1))[:count]
    if kind == "zeros":
        raw = bytearray(count)
        raw[count // 2] = 1
        return bytes(raw)
    floats = (rng.standard_normal(count, np.float32) * 0.02).astype(np.float32)
    if kind == "halves":
        return (floats.view(np.uint32) >> 16).astype(np.uint16).tobytes()[:count]
    return floats.tobytes()[:count]


@given(raw=raws(), hint=st.builds(Hint, st.sampled_from([0, 1, 2, 4, 8]), st.booleans()))
def test_every_chunk_decodes_to_itself_and_never_grows(raw: bytes, hint: Hint) -> None:
    encoded = encode_chunk(raw, hash_of(raw), hint)
    check(encoded, raw)


@given(raw=raws())
def test_every_document_decodes_to_itself_and_never_grows(raw: bytes) -> None:
    check(encode_text(raw), raw)


def check(encoded: Encoded, raw: bytes) -> None:
    payload = b"".join(bytes(part) for part in encoded.parts)
    assert len(payload) == encoded.stored_len <= len(raw) == encoded.raw_len
    assert hash_of(payload) == encoded.stored_hash
    assert hash_of(raw) == encoded.raw_hash
    assert bytes(decode(payload, codec=encoded.codec, elem=encoded.elem, raw_len=len(raw))) == raw


@given(raw=raws(), effort=st.sampled_from(list(Effort)))
def test_frames_come_back(raw: bytes, effort: Effort) -> None:
    assert decode_frame(encode_frame(raw, effort), len(raw)) == raw


@given(raw=raws(least=8), elem=ELEMENTS, rotated=st.booleans(), data=st.data())
def test_planes_come_back_whatever_is_compressed(
    *, raw: bytes, elem: int, rotated: bool, data: st.DataObject
) -> None:
    choice = st.sampled_from([None, *Effort])
    efforts = data.draw(st.lists(choice, min_size=elem, max_size=elem))
    parts = encode_planes(raw, elem=elem, rotated=rotated, efforts=efforts)
    payload = b"".join(bytes(part) for part in parts)
    back = decode_planes(payload, elem=elem, raw_len=len(raw), rotated=rotated)
    assert back.tobytes() == raw


@given(raw=raws())
def test_a_guess_has_an_element_size_that_planes_know(raw: bytes) -> None:
    assert guess(raw).elem in {0, 2, 4, 8}


@given(points=st.lists(st.tuples(INT64, INT64, U64), max_size=60), data=st.data())
def test_columns_depend_on_the_points_and_not_on_their_order(
    points: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    def encoded(some: list[tuple[int, int, int]]) -> bytes:
        steps, times, bits = zip(*some, strict=True) if some else ((), (), ())
        return encode_columns(
            np.array(steps, np.int64),
            np.array(times, np.int64),
            np.array(bits, np.uint64).view(np.float64),
        )

    raw = encoded(points)
    assert encoded(data.draw(st.permutations(points))) == raw
    steps, times, values = decode_columns(raw)
    back = zip(steps.tolist(), times.tolist(), values.view(np.uint64).tolist(), strict=True)
    assert list(back) == sorted(points)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Rows that lie one behind the other, as an index implies it, and are nothing else sensible."""
    found: list[Row] = []
    at = PREAMBLE_SIZE
    for number in range(draw(st.integers(0, 8))):
        row = Row(
            offset=at,
            stored_len=draw(st.integers(0, 2**40)),
            raw_len=draw(U64),
            type=draw(st.integers(0, 255)),
            codec=draw(st.integers(0, 254)),
            elem=draw(st.integers(0, 255)),
            flags=draw(st.integers(0, 255)),
            base=draw(st.sampled_from([NO_BASE, *range(number)])),
            raw_hash=draw(DIGESTS),
            stored_hash=draw(DIGESTS),
        )
        if row.base != NO_BASE:
            row = replace(row, base_hash=found[row.base].raw_hash)
        found.append(row)
        at += record_size(row.stored_len)
    return found


U32 = st.integers(0, 2**32 - 1)
OBJECTS = st.lists(st.lists(st.tuples(U32, U32, U32), max_size=5), max_size=8)


@given(rows=rows(), objects=OBJECTS)
def test_an_index_says_what_was_put_into_it(rows: list[Row], objects: list[list[Extent]]) -> None:
    raw = encode_index(rows, objects)
    index = decode_index(raw)
    assert [index.row(number) for number in range(len(rows))] == rows
    assert len(raw) == 64 + 88 * len(rows) + sum(4 + 12 * len(extents) for extents in objects)
    for extents, row in zip(objects, index.objects, strict=True):
        first, count = int(row["first_extent"]), int(row["extents"])
        assert int(row["size"]) == sum(length for _, _, length in extents)
        assert index.extents[first : first + count].tolist() == extents


@given(rows=rows())
def test_a_header_has_96_bytes_and_says_what_the_row_says(rows: list[Row]) -> None:
    for row in rows:
        raw = encode_header(header_of(row))
        assert len(raw) == 96
        assert raw[8:12] == bytes([row.type, row.codec, row.elem, row.flags])
        assert struct.unpack_from("<QQ", raw, 16) == (row.stored_len, row.raw_len)
        assert raw[32:96] == row.raw_hash + row.base_hash
        assert decode_header(raw) == header_of(row)


@given(
    digests=st.tuples(DIGESTS, DIGESTS, DIGESTS, DIGESTS),
    size=st.integers(1000, 2**60),
    signature=st.integers(0, 5),
    at=st.integers(0, 2**50),
)
def test_a_trailer_comes_back(
    digests: tuple[bytes, bytes, bytes, bytes], size: int, signature: int, at: int
) -> None:
    trailer = Trailer(
        index_offset=64 * at,
        index_length=size,
        index_sha256=digests[0],
        total_length=size,
        signature_length=4096 * signature,
        content_id=digests[1],
        state_id=digests[2],
    )
    raw = encode_trailer(trailer, digests[3])
    assert len(raw) == 192
    assert decode_trailer(raw, size=size) == (trailer, digests[3])


@given(data=st.binary(max_size=5000), steps=st.lists(st.integers(1, 900), max_size=30))
def test_an_intake_gives_each_byte_once_whatever_is_pushed_back(
    data: bytes, steps: list[int]
) -> None:
    intake = Intake(io.BytesIO(data))
    got = b""
    for number, step in enumerate(steps):
        part = intake.take(step)
        keep = len(part) // 2 if number % 2 else len(part)
        intake.push_back(part[keep:])
        got += part[:keep]
    got += intake.take(len(data) + 1)
    assert got == data
    assert intake.at_end()
    assert (intake.size, intake.sha256()) == (len(data), hashlib.sha256(data).digest())


NAMES = st.text("abcdé.-_", min_size=1, max_size=8).filter(lambda n: n[-1] != "." and n != ".")


@settings(max_examples=40)
@given(files=st.dictionaries(NAMES, raws(), max_size=6), threads=st.sampled_from([1, 2, 3]))
def test_any_folder_comes_back_and_its_bytes_do_not_depend_on_threads(
    files: dict[str, bytes], threads: int
) -> None:
    data = packed(files, threads=threads)
    assert data == packed(files, threads=1)
    with opened(data) as package:
        package.verify()
        assert contents(package) == files
