"""The order in which assessments are made, and when all are made again."""

import msgspec

from mlarchive.registries.mlflow.assessing import in_order, must_be_made_again
from mlarchive.traces import Assessment

FIRST = Assessment(id="1", kind="feedback", valid=False)
SECOND = Assessment(id="2", kind="feedback", overrides="1", valid=False)
THIRD = Assessment(id="3", kind="feedback", overrides="2")


def by_id(*assessments: Assessment) -> dict[str, Assessment]:
    return {assessment.id: assessment for assessment in assessments}


def test_what_replaces_comes_after_what_is_replaced() -> None:
    assert in_order(by_id(THIRD, SECOND, FIRST)) == ([FIRST], [SECOND, THIRD])


def test_what_replaces_something_that_is_not_there_replaces_nothing() -> None:
    assert in_order(by_id(THIRD)) == ([THIRD], [])


def test_a_ring_is_made_in_any_order() -> None:
    ring = by_id(
        msgspec.structs.replace(FIRST, overrides="2"),
        msgspec.structs.replace(SECOND, overrides="1"),
    )

    assert in_order(ring) == (list(ring.values()), [])


def test_what_is_missing_is_only_added() -> None:
    valid = msgspec.structs.replace(FIRST, valid=True)

    assert not must_be_made_again(by_id(FIRST, SECOND, THIRD), {})
    assert not must_be_made_again(by_id(FIRST, SECOND), by_id(valid))
    assert not must_be_made_again(by_id(FIRST, SECOND), by_id(FIRST, SECOND))


def test_what_must_go_or_change_makes_all_new() -> None:
    valid = msgspec.structs.replace(FIRST, valid=True)
    changed = msgspec.structs.replace(FIRST, rationale="Better so.")

    assert must_be_made_again(by_id(valid), by_id(FIRST, SECOND))
    assert must_be_made_again(by_id(changed), by_id(FIRST))
    assert must_be_made_again(by_id(FIRST, SECOND), by_id(valid, SECOND))
    assert must_be_made_again(by_id(FIRST, SECOND), by_id(SECOND))
