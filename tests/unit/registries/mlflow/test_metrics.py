"""Histories as columns, and what an SQL store makes of them."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.registries.mlflow.metrics import Columns, as_stored, missing, same

integers = st.integers(-(2**63), 2**63 - 1)
points = st.lists(st.tuples(integers, integers, st.floats(width=64)), max_size=30)


def columns(rows: list[tuple[int, int, float]]) -> Columns:
    return (
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
    )


@given(points)
def test_storing_what_was_stored_changes_nothing(rows: list[tuple[int, int, float]]) -> None:
    once = as_stored(columns(rows))

    assert same(as_stored(once), once)


@given(points)
def test_a_store_holds_finite_numbers_and_nans_only(rows: list[tuple[int, int, float]]) -> None:
    _, _, values = as_stored(columns(rows))

    assert not np.isinf(values).any()
    assert not np.signbit(values[values == 0]).any()


@given(points, points)
def test_what_is_missing_and_what_is_there_make_the_whole(
    wanted: list[tuple[int, int, float]], present: list[tuple[int, int, float]]
) -> None:
    one, other = as_stored(columns(wanted)), as_stored(columns(present))
    lacking = missing(one, other)

    assert len(missing(lacking, other)[0]) == len(lacking[0])
    assert len(missing(missing(one, lacking), other)[0]) == 0


def test_the_same_point_twice_is_held_once() -> None:
    steps, _, values = as_stored(columns([(1, 2, 0.5), (1, 2, 0.5), (1, 2, math.nan)]))

    assert steps.tolist() == [1, 1]
    assert sum(math.isnan(value) for value in values.tolist()) == 1
