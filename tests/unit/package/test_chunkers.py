"""Where objects are cut that nobody recognises: by content, never wrongly."""

import pytest

from mlarchive.package.chunkers import PIECE_MAX
from mlarchive.package.chunkers.contentdefined import PIECE_MIN
from mlarchive.package.chunkers.pieces import UNKNOWN
from tests.support.tensorfiles import cuts
from tests.unit.package.test_writer import noise, weights


def test_cuts_by_content_have_the_lengths_of_the_spec() -> None:
    lengths = [len(piece.data) for piece in cuts(noise(60 << 20))]
    assert all(PIECE_MIN < length <= PIECE_MAX for length in lengths[:-1])
    assert 0.7 < sum(lengths) / len(lengths) / (1 << 20) < 1.4


def test_an_insertion_moves_only_the_cuts_around_it() -> None:
    data = noise(20 << 20)
    before = {piece.data for piece in cuts(data)}
    changed = data[: 7 << 20] + b"inserted" * 3 + b"!" + data[7 << 20 :]
    new = [piece.data for piece in cuts(changed) if piece.data not in before]
    assert sum(map(len, new)) < len(data) // 3


def test_numbers_are_cut_between_numbers() -> None:
    pieces = cuts(weights(3_000_000))
    assert {piece.hint.elem for piece in pieces} == {4}
    assert all(len(piece.data) % 4 == 0 for piece in pieces)


def test_runs_of_zeros_are_cut_at_the_longest_length() -> None:
    assert [len(piece.data) for piece in cuts(bytes(10 << 20))] == [4 << 20, 4 << 20, 2 << 20]


@pytest.mark.parametrize("length", [1, PIECE_MIN - 1, PIECE_MIN, PIECE_MIN + 1, PIECE_MAX])
def test_any_length_is_cut(length: int) -> None:
    pieces = cuts(bytes(length))
    assert sum(len(piece.data) for piece in pieces) == length
    assert pieces[0].hint == UNKNOWN


def test_cuts_by_content_have_no_key() -> None:
    assert not any(piece.key for piece in cuts(weights(1_000_000) + noise(3 << 20)))
