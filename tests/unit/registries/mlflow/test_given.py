"""Labels that both sides may change: an interrupted write is no change of people."""

import pytest

from mlarchive.registries.mlflow.given import Given, coming_mark, digest, given_in, merged, said


def interrupted(before: dict[str, str], coming: dict[str, str]) -> Given:
    """What is remembered after a write of labels began and did not end."""
    found = given_in(coming_mark({}, said(coming)))
    assert found
    whole = Given(tags=said(before).tags, coming=found.coming)
    assert whole.coming
    return whole


def test_a_tag_that_no_write_had_yet_is_written_after_an_interrupted_one() -> None:
    neither = interrupted({}, {})
    assert neither.of_tag("word") == {""}
    assert merged(None, "new", neither.of_tag("word")) == "write"


def test_a_tag_that_an_interrupted_write_may_have_taken_away_is_written() -> None:
    taken = interrupted({"word": "old"}, {})
    assert merged(None, "new", taken.of_tag("word")) == "write"


@pytest.mark.parametrize(
    ("held", "wanted", "verdict"),
    [
        ("said", "new", "write"),
        (None, "said", "leave"),
        (None, "new", "lose"),
        ("theirs", "said", "leave"),
        ("theirs", "new", "lose"),
    ],
)
def test_what_people_changed_stays(held: str | None, wanted: str, verdict: str) -> None:
    assert merged(held, wanted, frozenset({digest("said")})) == verdict


def test_what_a_source_never_said_is_written_where_there_is_nothing() -> None:
    assert merged(None, "new", frozenset()) == "write"
    assert merged("theirs", "new", frozenset()) == "lose"
