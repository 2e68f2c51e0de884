"""Byte planes: what they look like, and that broken ones are refused."""

import struct

import numpy as np
import pytest

from mlarchive.errors import FormatError
from mlarchive.package.frames import Effort, encode_frame
from mlarchive.package.planes import BLOCK, decode_planes, encode_planes, split


@pytest.mark.clause("5.3")
def test_planes_of_halves_after_rotation() -> None:
    raw = struct.pack("<HH", 0b1000_0000_0000_0001, 0x1234)
    low, high = split(raw, elem=2, rotated=True)
    assert low.tolist() == [0b0000_0011, (0x1234 << 1) & 0xFF]
    assert high.tolist() == [0, (0x1234 << 1) >> 8]


@pytest.mark.clause("5.3")
def test_planes_without_rotation_are_the_bytes() -> None:
    planes = split(bytes(range(8)), elem=4, rotated=False)
    assert [plane.tolist() for plane in planes] == [[0, 4], [1, 5], [2, 6], [3, 7]]


@pytest.mark.parametrize("elem", [1, 2, 4, 8])
@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("length", [8, 1003, BLOCK - 8, BLOCK, 2 * BLOCK + 11])
def test_planes_come_back(*, elem: int, rotated: bool, length: int) -> None:
    raw = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    efforts = [Effort.FAST] + [None] * (elem - 1)
    payload = b"".join(encode_planes(raw, elem=elem, rotated=rotated, efforts=efforts))
    assert decode_planes(payload, elem=elem, raw_len=length, rotated=rotated).tobytes() == raw


@pytest.mark.clause("5.3")
def test_the_payload_has_a_table_the_planes_and_the_rest() -> None:
    raw = b"\x01\x02" * 100 + b"!"
    payload = b"".join(encode_planes(raw, elem=2, rotated=False, efforts=[None, Effort.TEXT]))
    frame = encode_frame(b"\x02" * 100, Effort.TEXT)
    assert payload == struct.pack("<II", 100, len(frame)) + b"\x01" * 100 + frame + b"!"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0" * 7,
        struct.pack("<II", 10, 10) + b"x" * 19,
        struct.pack("<II", 10, 10) + b"x" * 21,
        struct.pack("<II", 11, 9) + b"x" * 20,
        struct.pack("<II", 2**32 - 1, 21) + b"x" * 20,
    ],
)
@pytest.mark.clause("5.3")
def test_payloads_that_do_not_fit_are_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="E027"):
        decode_planes(payload, elem=2, raw_len=20, rotated=True)


@pytest.mark.clause("5.3")
def test_a_plane_that_is_no_frame_is_refused() -> None:
    payload = struct.pack("<II", 9, 10) + b"x" * 19
    with pytest.raises(FormatError, match="E026"):
        decode_planes(payload, elem=2, raw_len=20, rotated=True)


@pytest.mark.clause("5.3")
def test_planes_of_nothing_are_refused() -> None:
    with pytest.raises(FormatError, match="E027"):
        decode_planes(struct.pack("<II", 0, 0) + b"x", elem=2, raw_len=1, rotated=True)
