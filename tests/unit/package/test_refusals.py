"""Each refusal of the spec that forged storage can cause: the package is well sealed, but wrong."""

import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mlarchive.errors import FormatError
from mlarchive.package import Limits, Package, PackageWriter, encode_documents, refusals
from mlarchive.package.codec import Codec
from mlarchive.package.encoding import stored
from mlarchive.package.layout import (
    PREAMBLE_SIZE,
    SKIPPABLE,
    TRAILER_SIZE,
    RecordType,
    encode_preamble,
    encode_trailer,
)
from mlarchive.package.record import HEADER_SIZE, hash_of
from mlarchive.records import File
from mlarchive.testing import corpus_beside_source
from tests.support.packages import Forgery, contents, folder_meaning, opened, packed

FILES = {
    "a.txt": b"text that repeats, " * 20,
    "b.txt": b"other text that repeats, " * 20,
    "c.bin": bytes(range(256)) * 300,
    "d.txt": b"more text that repeats!, " * 20,
}
Change = Callable[[Forgery], None]


def refused(data: bytes, code: str, *, limits: Limits | None = None) -> FormatError:
    with pytest.raises(FormatError) as caught, opened(data, limits=limits or Limits()) as package:
        package.verify()
    assert caught.value.refusal == code, caught.value
    return caught.value


@pytest.fixture
def forgery() -> Forgery:
    return Forgery(packed(FILES))


def chunk(forgery: Forgery) -> int:
    return forgery.number(RecordType.CHUNK)


@pytest.mark.parametrize("codec", [Codec.STORED, Codec.ZSTD])
def test_what_is_only_resealed_says_the_same(forgery: Forgery, codec: Codec) -> None:
    with opened(forgery.sealed(codec=codec)) as package, opened(packed(FILES)) as original:
        assert package.verify().objects == len(FILES)
        assert package.content_id == original.content_id
        assert contents(package) == FILES


def preamble_with(at: int, value: bytes) -> bytes:
    body = bytearray(encode_preamble()[:-4])
    body[at : at + len(value)] = value
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [(8, b"\x02", "E003"), (12, b"\x01", "E004"), (30, b"\x01", "E005")],
)
@pytest.mark.clause("3.1", "3.2")
def test_preamble(forgery: Forgery, at: int, value: bytes, code: str) -> None:
    forgery.data[:PREAMBLE_SIZE] = preamble_with(at, value)
    refused(forgery.with_trailer(forgery.trailer), code)


@pytest.mark.clause("3.2", "12.1")
def test_a_newer_minor_version_and_compatible_features_are_read(forgery: Forgery) -> None:
    forgery.data[:PREAMBLE_SIZE] = preamble_with(10, b"\x07")
    assert contents(opened(forgery.with_trailer(forgery.trailer))) == FILES
    forgery.data[:PREAMBLE_SIZE] = preamble_with(16, b"\x01")
    assert contents(opened(forgery.with_trailer(forgery.trailer))) == FILES


@pytest.mark.clause("3.2")
def test_something_else_is_no_package() -> None:
    refused(b"PK\x03\x04" + bytes(500), "E001")
    refused(b"", "E001")


@pytest.mark.clause("10.4")
def test_package_id(forgery: Forgery) -> None:
    tail = encode_trailer(forgery.trailer, b"x" * 32)
    refused(bytes(forgery.data[:-TRAILER_SIZE]) + tail, "E010")


@pytest.mark.clause("10.2", "10.3")
def test_reserved_bytes_of_the_trailer(forgery: Forgery) -> None:
    forgery.data[-12] = 1
    refused(bytes(forgery.data), "E007")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"total_length": 1}, "E008"),
        ({"parity_length": 64}, "E009"),
        ({"parity_offset": 64}, "E009"),
        ({"parity_offset": 64, "parity_length": 64}, "E009"),
        ({"parity_offset": 63, "parity_length": 63}, "E009"),
        ({"signature_length": 4095}, "E009"),
        ({"signature_length": 8192}, "E009"),
        ({"index_offset": 2**63}, "E009"),
        ({"index_offset": 63}, "E009"),
        ({"index_length": 64}, "E009"),
        ({"index_length": 2**63}, "E015"),
        ({"content_id": b"x" * 32}, "E019"),
        ({"state_id": b"x" * 32}, "E019"),
        ({"index_sha256": b"x" * 32}, "E013"),
    ],
)
@pytest.mark.clause("10.2", "10.3")
def test_trailer(forgery: Forgery, fields: dict[str, object], code: str) -> None:
    trailer = msgspec.structs.replace(forgery.trailer, **fields)
    refused(forgery.with_trailer(trailer), code)


@pytest.mark.clause("10.1")
def test_signature_area(forgery: Forgery) -> None:
    forgery.data[-TRAILER_SIZE - 1] = 1
    refused(bytes(forgery.data), "E011")


@pytest.mark.clause("9.1", "10.3", "11.1")
@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, b"x", "E012"),
        (8, b"\2", "E012"),
        (9, b"\2", "E012"),
        (10, b"\2", "E012"),
        (12, b"1234", "E012"),
        (16, bytes(8), "E012"),
        (24, (2**63).to_bytes(8, "little"), "E015"),
        (24, bytes(8), "E012"),
        (32, bytes(32), "E028"),
        (64, b"\1", "E012"),
    ],
)
def test_header_of_the_index(forgery: Forgery, at: int, value: bytes, code: str) -> None:
    """The header of a compressed index, changed at a place and given a fitting check sum."""
    forgery.sealed(codec=Codec.ZSTD)
    begin = forgery.trailer.index_offset
    header = forgery.data[begin : begin + HEADER_SIZE]
    header[at : at + len(value)] = value
    if at != 12:
        header[12:16] = bytes(4)
        header[12:16] = zlib.crc32(header).to_bytes(4, "little")
    forgery.data[begin : begin + HEADER_SIZE] = header
    refused(forgery.with_trailer(forgery.trailer), code)


@pytest.mark.clause("11.1")
def test_damaged_index(forgery: Forgery) -> None:
    forgery.data[forgery.trailer.index_offset + HEADER_SIZE + 100] ^= 1
    refused(bytes(forgery.data), "E013")


@pytest.mark.parametrize("at", [0, 8, 12, 16, 20, 40])
@pytest.mark.clause("9.1")
def test_head_of_the_index(forgery: Forgery, at: int) -> None:
    index = bytearray(forgery.index())
    index[at] ^= 1
    refused(forgery.sealed(index=bytes(index)), "E014")


def rows(name: str, value: object, kind: RecordType = RecordType.CHUNK) -> Change:
    def change(forgery: Forgery) -> None:
        forgery.rows[name][forgery.number(kind)] = value

    return change


def counts(number: int, value: int) -> Change:
    def change(forgery: Forgery) -> None:
        forgery.objects["extents"][number] = value

    return change


def extents(name: str, value: object) -> Change:
    def change(forgery: Forgery) -> None:
        forgery.extents[name][0] = value

    return change


def more_objects(forgery: Forgery) -> None:
    """State one object, an empty one, more than the documents do."""
    forgery.objects = np.concatenate((forgery.objects, np.zeros(1, forgery.objects.dtype)))


def swap_objects(forgery: Forgery) -> None:
    """Give two objects that are equally long each other's extents."""
    first, second = np.flatnonzero(forgery.extents["length"] == len(FILES["d.txt"]))
    forgery.extents[[first, second]] = forgery.extents[[second, first]]


def other_sizes(forgery: Forgery) -> None:
    """Give two objects of different lengths each other's extents."""
    forgery.extents[[0, 1]] = forgery.extents[[1, 0]]


def shorten_an_extent(forgery: Forgery) -> None:
    forgery.extents["length"][0] -= 1


def second_content(forgery: Forgery) -> None:
    forgery.rows["type"][forgery.number(RecordType.STATE)] = RecordType.CONTENT


def equal_chunks(forgery: Forgery) -> None:
    first, second = np.flatnonzero(forgery.rows["type"] == RecordType.CHUNK)[:2]
    forgery.rows["raw_hash"][second] = forgery.rows["raw_hash"][first]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (rows("raw_len", (64 << 20) + 1), "E015"),
        (rows("raw_len", 257 << 20, RecordType.CONTENT), "E015"),
        (rows("stored_len", 1), "E016"),
        (rows("stored_len", 2**64 - 1), "E016"),
        (rows("type", 0), "E017"),
        (rows("type", 7), "E017"),
        (rows("type", RecordType.INDEX), "E017"),
        (rows("codec", 4), "E018"),
        (rows("codec", Codec.STORED), "E018"),
        (rows("codec", Codec.ABSENT), "E018"),
        (rows("codec", Codec.PLANES), "E018"),
        (rows("codec", Codec.PLANES, RecordType.CONTENT), "E018"),
        (rows("codec", Codec.ZSTD, RecordType.README), "E018"),
        (rows("elem", 2), "E018"),
        (rows("flags", 1), "E018"),
        (rows("base", 0), "E018"),
        (rows("raw_len", 0), "E018"),
        (rows("raw_len", 1), "E018"),
        (equal_chunks, "E018"),
        (rows("type", RecordType.CHUNK, RecordType.README), "E019"),
        (second_content, "E019"),
        (rows("raw_hash", 0, RecordType.CONTENT), "E023"),
        (counts(2, 0), "E020"),
        (counts(2, 2), "E020"),
        (counts(2, 2**32 - 1), "E020"),
        (extents("row", 0), "E021"),
        (extents("row", 2**32 - 1), "E021"),
        (extents("offset", 2**32 - 1), "E021"),
        (shorten_an_extent, "E022"),
        (rows("raw_hash", 7), "E023"),
        (rows("stored_hash", 7), "E025"),
        (swap_objects, "E029"),
        (more_objects, "E034"),
        (other_sizes, "E035"),
    ],
)
@pytest.mark.clause("4.3", "4.4", "4.5", "5.1", "5.3", "5.4", "5.5", "9.2", "9.3", "9.4")
def test_index(forgery: Forgery, change: Change, code: str) -> None:
    change(forgery)
    refused(forgery.sealed(), code)


@pytest.mark.clause("4.5")
def test_a_chunk_that_is_in_no_object(forgery: Forgery) -> None:
    # The second chunk is one file's alone.
    other, lonely = np.flatnonzero(forgery.rows["type"] == RecordType.CHUNK)[:2]
    extent = int(np.flatnonzero(forgery.extents["row"] == lonely)[0])
    length = int(forgery.rows["raw_len"][other])
    forgery.extents["row"][extent] = other
    forgery.extents["offset"][extent] = 0
    forgery.extents["length"][extent] = length
    assert "no object has chunk" in refused(forgery.sealed(), "E022").message


@pytest.mark.clause("2.3", "4.3", "12.1")
def test_an_unknown_type_that_may_be_skipped_is_skipped() -> None:
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        writer.stream.write_record(SKIPPABLE | 5, stored(b"of a later version"))
        digest = writer.add(io.BytesIO(b"x"), "a")
        file = File(path="a", size=digest.size, sha256=digest.sha256)
        writer.finish(encode_documents(folder_meaning([file])))
    with opened(out.getvalue()) as package:
        assert contents(package) == {"a": b"x"}
        assert package.verify().records == 7
        assert [warning[:4] for warning in package.warnings()] == ["W005"]


def with_records_of_a_later_version(count: int, payload: bytes) -> Forgery:
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        for _ in range(count):
            writer.stream.write_record(SKIPPABLE | 5, stored(payload))
        writer.finish(encode_documents(folder_meaning([])))
    return Forgery(out.getvalue())


@pytest.mark.clause("9.2")
def test_lengths_whose_sum_wraps_around_are_refused() -> None:
    forged = with_records_of_a_later_version(4, b"")
    sizes = forged.rows["stored_len"][:5].astype(object)
    for number in range(1, 5):
        forged.rows["stored_len"][number] = forged.rows["raw_len"][number] = 2**62
    assert sizes.tolist()[1:] == [0, 0, 0, 0]
    refused(forged.sealed(), "E016")


@pytest.mark.clause("4.3")
def test_a_plain_text_that_is_no_text_for_a_person_is_refused() -> None:
    forged = with_records_of_a_later_version(1, bytes(100_000))
    for name in ("stored_len", "raw_len"):
        forged.rows[name][0] = (64 << 10) + 1
    refused(forged.sealed(), "E015")


@pytest.mark.clause("2.4", "11.3")
def test_damage_of_a_record_that_is_skipped_is_noticed() -> None:
    forged = with_records_of_a_later_version(1, b"of a later version")
    at = int(forged.rows["offset"][1])
    for place, code in ((10, "E023"), (HEADER_SIZE + 3, "E025"), (HEADER_SIZE + 25, "E024")):
        data = bytearray(forged.data)
        data[at + place] ^= 1
        refused(bytes(data), code)


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    data = bytearray(packed(FILES))
    data[len(data) // 3] ^= 1
    path = tmp_path / "wine.mlpkg"
    path.write_bytes(data)
    for full in (True, False):
        with Package.open(path) as package, pytest.raises(FormatError) as caught:
            package.verify(full=full)
        assert caught.value.message.count(str(path)) == 1
    path.write_bytes(data[:-1])
    with pytest.raises(FormatError, match=r"E006: .*wine\.mlpkg"):
        Package.open(path)


@pytest.mark.clause("4.2")
def test_header_that_differs_from_its_row(forgery: Forgery) -> None:
    at = int(forgery.rows["offset"][chunk(forgery)])
    forgery.data[at + 10] ^= 2
    refused(bytes(forgery.data), "E023")


@pytest.mark.clause("2.4")
def test_padding(forgery: Forgery) -> None:
    number = chunk(forgery)
    end = int(forgery.rows["offset"][number + 1])
    forgery.data[end - 1] = 1
    refused(bytes(forgery.data), "E024")


@pytest.mark.clause("11.1")
def test_damaged_payload(forgery: Forgery) -> None:
    forgery.data[int(forgery.rows["offset"][chunk(forgery)]) + HEADER_SIZE] ^= 1
    refused(bytes(forgery.data), "E025")


def replace_payload(forgery: Forgery, payload: bytes) -> bytes:
    """Put another payload of the same length in a chunk's place, with a fitting stored hash."""
    number = chunk(forgery)
    at = int(forgery.rows["offset"][number]) + HEADER_SIZE
    length = int(forgery.rows["stored_len"][number])
    assert len(payload) == length
    forgery.data[at : at + length] = payload
    forgery.rows["stored_hash"][number] = np.frombuffer(hash_of(payload), np.uint8)
    return forgery.sealed()


def payload_of(forgery: Forgery) -> bytes:
    number = chunk(forgery)
    at = int(forgery.rows["offset"][number]) + HEADER_SIZE
    return bytes(forgery.data[at : at + int(forgery.rows["stored_len"][number])])


@pytest.mark.clause("5.2")
def test_a_payload_that_is_no_frame(forgery: Forgery) -> None:
    payload = bytearray(payload_of(forgery))
    payload[0] ^= 1
    refused(replace_payload(forgery, bytes(payload)), "E026")


@pytest.mark.clause("5.2")
def test_a_frame_that_does_not_decode(forgery: Forgery) -> None:
    payload = payload_of(forgery)
    refused(replace_payload(forgery, payload[:12] + b"\xff" * (len(payload) - 12)), "E027")


@pytest.mark.clause("11.1")
def test_a_payload_that_decodes_to_other_bytes(forgery: Forgery) -> None:
    number = chunk(forgery)
    forgery.rows["raw_hash"][number] ^= 1
    forgery.rewrite_header(number)
    refused(forgery.sealed(), "E028")


def test_a_limit_of_the_format_is_not_said_to_be_the_operators() -> None:
    vectors = corpus_beside_source() / "invalid"
    with pytest.raises(FormatError, match="E015") as caught:
        Package.open(vectors / "e015-chunk-beyond-64-mib.mlpkg")
    assert "no setting raises it" in caught.value.hint


@pytest.mark.clause("11.2")
def test_the_operator_limits_what_a_package_may_need(forgery: Forgery) -> None:
    data = bytes(forgery.data)
    refused(data, "E015", limits=Limits(index=100))
    refused(data, "E015", limits=Limits(document=10))
    refused(data, "E015", limits=Limits(unpacked=100))


def test_every_refusal_is_in_the_spec_and_every_one_in_the_code_is_registered() -> None:
    root = Path(refusals.__file__).parents[2]
    spec = (root / "spec" / "mlpkg-1.md").read_text(encoding="utf-8")
    for code, sentence in refusals.REFUSALS.items():
        assert f"| {code} | {sentence} |" in spec
    used = {
        code
        for path in (root / "mlarchive").rglob("*.py")
        for code in re.findall(r'"(E\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert used == set(refusals.REFUSALS)


def test_a_package_that_is_read_while_it_grows_is_refused() -> None:
    class Growing(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return super().seek(offset, whence) + (64 if whence == io.SEEK_END else 0)

    with pytest.raises(FormatError, match="E006"):
        Package.open(Growing(packed(FILES)))
