"""Metric histories as columns: bit-exact, and one sequence of bytes for one history."""

import struct

import numpy as np
import pytest

from mlarchive.errors import FormatError
from mlarchive.package.columns import decode_columns, encode_columns


def column(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def bits(*values: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, np.uint64).view(np.float64)


@pytest.mark.clause("7.3")
def test_three_columns_one_after_another() -> None:
    raw = encode_columns(column(1, 0), column(20, 10), np.array([2.5, -0.5]))
    assert raw == struct.pack("<qqqqdd", 0, 1, 10, 20, -0.5, 2.5)


@pytest.mark.clause("7.3")
def test_points_are_sorted_by_step_then_time_then_bits_of_the_value() -> None:
    raw = encode_columns(column(1, 1, 0, 1), column(5, 4, 9, 4), bits(1, 3, 7, 2))
    steps, times, values = decode_columns(raw)
    assert steps.tolist() == [0, 1, 1, 1]
    assert times.tolist() == [9, 4, 4, 5]
    assert values.view(np.uint64).tolist() == [7, 2, 3, 1]


@pytest.mark.clause("7.3")
def test_payloads_of_nan_infinities_and_the_sign_of_zero_are_kept() -> None:
    odd = (0x7FF8000000000001, 0xFFF8DEADBEEF0000, 0x8000000000000000, 0x7FF0000000000000)
    raw = encode_columns(column(0, 1, 2, 3), column(0, 0, 0, 0), bits(*odd))
    assert tuple(decode_columns(raw)[2].view(np.uint64).tolist()) == odd


@pytest.mark.clause("7.3")
def test_exact_duplicates_are_kept() -> None:
    raw = encode_columns(column(1, 1), column(2, 2), np.array([3.0, 3.0]))
    assert len(decode_columns(raw)[0]) == 2


def test_the_extremes_of_int64() -> None:
    ends = column(-(2**63), 2**63 - 1)
    assert decode_columns(encode_columns(ends, ends, bits(0, 0)))[0].tolist() == ends.tolist()


def test_an_empty_history_has_no_bytes() -> None:
    assert encode_columns(column(), column(), bits()) == b""
    assert [len(part) for part in decode_columns(b"")] == [0, 0, 0]


def test_other_types_and_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="int64"):
        encode_columns(np.array([1.0]), column(1), bits(1))
    with pytest.raises(ValueError, match="one length"):
        encode_columns(column(1, 2), column(1), bits(1))


@pytest.mark.parametrize(
    "raw",
    [
        b"x" * 23,
        struct.pack("<qqqqdd", 1, 0, 10, 20, 0.5, 2.5),
        struct.pack("<qqqqdd", 1, 1, 20, 10, 0.5, 2.5),
        struct.pack("<qqqqdd", 1, 1, 10, 10, 2.5, 0.5),
    ],
)
@pytest.mark.clause("7.3")
def test_columns_in_another_order_are_refused(raw: bytes) -> None:
    with pytest.raises(FormatError, match="E041"):
        decode_columns(raw)
