"""Clauses 5.2, 5.3 and 11.1: payloads that break one, in packages that are sound otherwise."""

import struct

import pytest
import zstandard

from tests.compat.plainwriter import CHUNK, Record, recipe
from tests.compat.readers import read_by_library, read_by_second_reader
from tests.compat.samples import with_files

RAW = b"a text that repeats, " * 400 + b"and its end"
ELEM = 4
MEBIBYTE = 1 << 20


def package(raw: bytes, payload: bytes, *, codec: int, elem: int = 0) -> bytes:
    """A folder with one file of one chunk, which has this payload."""
    made = recipe(with_files({"f": raw}), [[(raw, 0, len(raw))]])
    (number,) = (n for n, record in enumerate(made.records) if record.kind == CHUNK)
    made.records[number] = Record(CHUNK, raw, codec, payload, elem)
    return made.build()


def codes(data: bytes) -> tuple[str, str]:
    """What the library and the second reader refuse a package for."""
    readings = (read_by_library(data), read_by_second_reader(data))
    one, other = (reading if isinstance(reading, str) else "none" for reading in readings)
    return one, other


def frame(raw: bytes = RAW, **options: object) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(raw)  # type: ignore[arg-type]


def with_dictionary() -> bytes:
    samples: list[bytes | bytearray | memoryview] = [b"sample %d " % n * 20 for n in range(500)]
    return frame(dict_data=zstandard.train_dictionary(2000, samples))


def with_window(descriptor: int) -> bytes:
    """RAW in a frame that has a window descriptor (RFC 8878, 3.1.1.1.2) and not one segment."""
    plain = frame()
    header = struct.pack("<IBBI", zstandard.MAGIC_NUMBER, 0x80, descriptor, len(RAW))
    return header + plain[zstandard.frame_header_size(plain) :]


def skippable(raw: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", len(raw)) + raw


@pytest.mark.clause("5.2", "11.1")
@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        (frame(), "none"),
        (frame(level=19), "none"),
        (frame(write_content_size=False), "E026"),
        (frame(write_checksum=True), "E026"),
        (with_dictionary(), "E026"),
        (with_window((23 - 10) << 3), "none"),
        (with_window(((23 - 10) << 3) + 1), "E026"),
        (with_window(0xFF), "E026"),
        (frame(RAW[:-1]), "E026"),
        (frame(RAW + b"more"), "E026"),
        (frame(bytes(50 * MEBIBYTE)), "E026"),
        (skippable(RAW[:99]), "E026"),
        (skippable(b"x") + frame(), "E026"),
        (b"no frame at all", "E026"),
        (frame()[:3], "E026"),
        (frame()[:-1], "E027"),
        (frame() + b"\0", "E027"),
        (frame() + frame(b""), "E027"),
        (frame() + skippable(b""), "E027"),
        (frame()[:20] + bytes(9), "E027"),
        (frame(RAW.replace(b"text", b"TEXT")), "E028"),
    ],
)
def test_a_frame_is_of_one_kind(payload: bytes, refusal: str) -> None:
    data = package(RAW, payload, codec=1)
    assert codes(data) == (refusal, refusal)


@pytest.mark.clause("5.2")
@pytest.mark.parametrize(
    ("length", "refusal"), [(8 * MEBIBYTE, "none"), (8 * MEBIBYTE + 1, "E026")]
)
def test_a_frame_of_one_segment_has_its_size_as_its_window(length: int, refusal: str) -> None:
    raw = bytes(length)
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=24)
    payload = frame(raw, compression_params=parameters)
    assert codes(package(raw, payload, codec=1)) == (refusal, refusal)


def planes(*, at: int = 0, by: int = 0, **parts: bytes) -> bytes:
    """RAW as planes, all stored, with another length or another plane."""
    count = len(RAW) // ELEM
    columns = [RAW[k : count * ELEM : ELEM] for k in range(ELEM)]
    for name, part in parts.items():
        columns[int(name[-1])] = part
    lengths = [len(column) for column in columns]
    lengths[at] += by
    rest = RAW[count * ELEM :]
    return struct.pack(f"<{ELEM}I", *lengths) + b"".join(columns) + rest


PLANE = RAW[1 : len(RAW) // ELEM * ELEM : ELEM]


@pytest.mark.clause("5.3", "11.1")
@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        (planes(plane1=frame(PLANE)), "none"),
        (planes(plane1=frame(PLANE, write_checksum=True)), "E026"),
        (planes(plane1=frame(PLANE[:-1])), "E026"),
        (planes(plane1=frame(PLANE + b"x")), "E026"),
        (planes(plane1=b"no frame at all"), "E026"),
        (planes(plane1=frame(PLANE) + b"\0"), "E027"),
        (planes(plane1=frame(PLANE), at=0, by=1), "E027"),
        (planes(plane1=frame(PLANE), at=1, by=1), "E027"),
        (planes(plane1=frame(PLANE), at=3, by=-1), "E027"),
        (planes(plane1=frame(PLANE))[:-1], "E027"),
        (planes(plane1=frame(PLANE)) + b"\0", "E027"),
        (planes(plane1=frame(PLANE), at=2, by=2**31), "E027"),
        (planes(plane1=frame(PLANE))[: 4 * ELEM - 1], "E027"),
        (planes(plane1=frame(PLANE[::-1])), "E028"),
    ],
)
def test_planes_are_of_one_form(payload: bytes, refusal: str) -> None:
    assert len(payload) < len(RAW)
    data = package(RAW, payload, codec=3, elem=ELEM)
    assert codes(data) == (refusal, refusal)


@pytest.mark.clause("5.3")
def test_planes_of_less_than_an_element_are_refused() -> None:
    payload = struct.pack("<8I", *[0] * 8)
    raw = bytes(7)
    assert set(codes(package(raw, payload, codec=2, elem=8))) == {"E018"}
