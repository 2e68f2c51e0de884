"""Histories compared in blocks of any size give what a comparison of all points at once gives."""

from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.difference.points import compare_points
from mlarchive.package.columns import blocks, encode_columns

if TYPE_CHECKING:
    from mlarchive.package.columns import Columns

VALUES = (0.0, -0.0, 1.0, float("nan"), float("inf"))
POINTS = st.lists(
    st.tuples(st.integers(-2, 3), st.integers(0, 2), st.sampled_from(VALUES)), max_size=30
)
Point = tuple[int, int, float]


def in_blocks(points: Sequence[Point], size: int) -> "Iterator[Columns]":
    steps, timestamps, values = zip(*points, strict=True) if points else ((), (), ())
    raw = encode_columns(
        np.array(steps, np.int64), np.array(timestamps, np.int64), np.array(values, np.float64)
    )
    return blocks(BytesIO(raw), size=size)


def counted(points: Sequence[Point]) -> Counter[tuple[int, int, bytes]]:
    return Counter((step, time, np.float64(value).tobytes()) for step, time, value in points)


@given(POINTS, POINTS, st.integers(1, 7), st.integers(1, 7))
def test_blocks_of_any_size_give_what_all_points_at_once_give(
    before: list[Point], after: list[Point], one: int, other: int
) -> None:
    found = compare_points(in_blocks(before, one), in_blocks(after, other))
    gone, come = counted(before) - counted(after), counted(after) - counted(before)
    gone_at, come_at = (
        Counter((step, time) for step, time, _ in side.elements()) for side in (gone, come)
    )
    changed = gone_at & come_at
    assert found.changed == changed.total()
    assert found.removed == (gone_at - changed).total()
    assert found.added == (come_at - changed).total()
    assert found.first_step == min((step for step, *_ in [*gone, *come]), default=None)


def test_one_value_in_the_middle_of_a_long_history_is_found() -> None:
    before = [(step, step, 0.5) for step in range(1000)]
    after = [*before[:400], (400, 400, 0.25), *before[401:], (1000, 1000, 1.0)]
    found = compare_points(in_blocks(before, 64), in_blocks(after, 100))
    assert (found.changed, found.added, found.removed, found.first_step) == (1, 1, 0, 400)
