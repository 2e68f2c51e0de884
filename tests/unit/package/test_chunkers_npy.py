"""An array file is cut behind its header, and what is not one comes back all the same."""

import io
import struct
from typing import Any

import numpy as np
import pytest

from mlarchive.package.chunkers import PIECE_MAX, Hint
from mlarchive.package.chunkers.pieces import UNKNOWN
from tests.support.tensorfiles import cuts, lengths_and_hints
from tests.unit.package.test_writer import noise, weights


def npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:  # noqa: ANN401  # any array
    target = io.BytesIO()
    np.lib.format.write_array(target, array, version)
    return target.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_slices_begin_behind_the_header(version: tuple[int, int]) -> None:
    raw = weights(1_500_000)
    header, *pieces = cuts(npy(np.frombuffer(raw, "<f4").reshape(1500, 1000), version))
    assert header.data.endswith(b"\n")
    assert lengths_and_hints(pieces) == [(PIECE_MAX, Hint(4)), (len(raw) - PIECE_MAX, Hint(4))]
    assert not any(piece.key for piece in pieces)


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        ("<f8", Hint(8)),
        ("<f2", Hint(2)),
        ("<c8", Hint(4)),
        ("<c16", Hint(8)),
        ("<i8", Hint(8, rotated=False)),
        ("<u4", Hint(4, rotated=False)),
        ("<i2", Hint(2, rotated=False)),
        ("|i1", UNKNOWN),
        ("|b1", UNKNOWN),
    ],
)
def test_what_is_believed_follows_from_the_element_type(dtype: str, hint: Hint) -> None:
    array = np.ones((100, 101), dtype)
    _, piece = cuts(npy(np.asfortranarray(array)))
    assert piece.hint == hint
    assert len(piece.data) == array.nbytes


@pytest.mark.parametrize(
    "array",
    [
        np.ones(30_000, ">f4"),
        np.zeros(9_000, [("a", "<i4"), ("b", "<f8")]),
        np.array(["text"] * 20_000),
        np.array([b"text"] * 20_000),
        np.array([{"a": number} for number in range(9000)]),
        np.ones(0),
    ],
)
def test_other_arrays_are_cut_by_content(array: Any) -> None:  # noqa: ANN401  # any array
    data = npy(array)
    assert cuts(data)[0].data == data


def header(text: bytes, version: bytes = b"\1\0", length: int | None = None) -> bytes:
    size = struct.pack(
        "<H" if version == b"\1\0" else "<I", len(text) if length is None else length
    )
    return b"\x93NUMPY" + version + size + text


GOOD = b"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 5000), }\n"


def test_the_hand_made_header_is_one() -> None:
    """Else what follows would test nothing."""
    assert len(cuts(header(GOOD) + noise(100_000))) == 2


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        GOOD.replace(b"5000", b"-5000"),
        GOOD.replace(b"5000", b"9" * 4000),
        GOOD.replace(b"5000", b"9" * 5000),
        GOOD.replace(b"5000", b"1 << 9"),
        GOOD.replace(b"5000", b"0"),
        GOOD.replace(b"<f4", b"<f16"),
        GOOD.replace(b"'<f4'", b"__import__('os').abort()"),
        b"(" * 5000 + GOOD,
    ],
)
def test_malformed_headers_are_left_to_cuts_by_content(text: bytes) -> None:
    data = header(text) + noise(100_000)
    assert [piece.data for piece in cuts(data)] == [data]


def test_a_header_is_not_believed_to_be_long() -> None:
    data = header(GOOD, b"\2\0", (1 << 32) - 1) + noise(100_000)
    assert [piece.data for piece in cuts(data)] == [data]


def test_an_array_that_is_cut_off_or_followed_comes_back() -> None:
    whole = header(GOOD) + noise(100_000)
    assert len(cuts(whole[:50_000])[-1].data) == 50_000 - len(header(GOOD))
    assert cuts(whole + noise(300_000))[-1].data == noise(300_000)
    assert cuts(whole[:9])[0].data == whole[:9]
