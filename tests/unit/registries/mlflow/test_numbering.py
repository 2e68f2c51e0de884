"""Which number a version gets: kept where it can be, never another's, never twice."""

import pytest
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.numbering import Place, place_version

OURS = "lab#models/wine/3"


def version(number: int, **tags: str) -> ModelVersion:
    named = {f"mlarchive.{name}": value for name, value in tags.items()}
    return ModelVersion(
        name="wine",
        version=str(number),
        creation_timestamp=0,
        tags=[ModelVersionTag(name, value) for name, value in named.items()],
    )


def place(
    *present: ModelVersion,
    wanted: str = "3",
    given: int = 0,
    alike: frozenset[int] = frozenset(),
    policy: WritePolicy | None = None,
    home: str = "",
) -> Place:
    return place_version(
        "wine",
        wanted,
        present,
        alike=alike,
        given=given,
        origin=OURS,
        content_id="c1",
        but_traces="b1",
        policy=policy or WritePolicy(),
        home=home,
    )


def test_a_new_version_keeps_its_number() -> None:
    assert place() == Place(how="create", number=3, expected=3)
    assert place(version(1)) == Place(how="create", number=3, expected=3)


def test_a_version_that_is_there_is_held() -> None:
    assert place(version(5, origin=OURS, content_id="c1")).how == "held"
    assert place(version(3, origin="other", content_id="c1")).number == 3


def test_what_the_origin_names_counts_before_a_twin_of_the_same_number() -> None:
    twins = [version(2, origin="other", content_id="c1"), version(3, origin="x", content_id="c1")]
    assert place(*twins).number == 3
    assert place(*twins, home="2").number == 2
    assert place(version(2), version(3), alike=frozenset({2}), home="2").number == 2


def test_a_version_whose_run_got_traces_since_is_held() -> None:
    traced = {"content_id": "c0", "content_but_traces": "b1"}

    assert place(version(3, origin=OURS, **traced)).how == "held"
    assert place(version(3, origin=OURS, content_id="b1")).how == "held"
    with pytest.raises(ConflictError):
        place(version(3, origin="other", **traced))


def test_an_unmarked_version_of_ours_is_finished() -> None:
    assert place(version(3, origin=OURS)).how == "finish"
    assert place(version(3, origin=OURS, placeholder="true")).how == "finish"


def test_placeholders_left_behind_are_swept() -> None:
    found = place(version(2, origin=OURS, placeholder="true"))

    assert found.sweep == (2,)
    assert (found.how, found.number) == ("create", 3)


@pytest.mark.parametrize(
    ("present", "given", "words"),
    [
        ([version(3)], 0, "is something else"),
        ([version(4)], 0, "cannot be given at the target any more"),
        ([], 3, "cannot be given at the target any more"),
        ([version(3, origin=OURS, content_id="c0")], 0, "has changed at the source since"),
    ],
)
def test_a_number_that_cannot_be_had_follows_the_policy(
    present: list[ModelVersion], given: int, words: str
) -> None:
    with pytest.raises(ConflictError, match=words):
        place(*present, given=given)
    assert place(*present, given=given, policy=WritePolicy(conflict="skip")).how == "skip"
    moved = place(*present, given=given, policy=WritePolicy(conflict="new-version"))
    assert (moved.how, moved.number) == ("create", 0)
    assert moved.expected == max([given, *(int(v.version) for v in present)]) + 1


@pytest.mark.parametrize("wanted", ["1.0", "latest", "0", "-1", "٣"])
def test_only_numbers_can_be_kept(wanted: str) -> None:
    with pytest.raises(UnsupportedError, match="is no number"):
        place(wanted=wanted)
    assert place(wanted=wanted, policy=WritePolicy(versions="next")).number == 0


def test_a_number_far_above_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="more than 10000 above"):
        place(wanted="20261120")


def test_a_mark_is_never_state() -> None:
    tags = {marks.ORIGIN: "x", marks.HIGHEST: "3", "mlflow.x": "y"}

    assert marks.state_tags(tags) == {"mlflow.x": "y"}


def test_a_version_of_another_tool_with_the_same_content_is_taken_over() -> None:
    assert place(version(3), alike=frozenset({3})).how == "held"
    with pytest.raises(ConflictError, match="something else"):
        place(version(3))


def test_what_a_version_was_once_is_another_one_where_several_are_made() -> None:
    anew = WritePolicy(conflict="new-version")
    past = [version(3, origin=OURS, content_id="c1"), version(4, origin=OURS, content_id="c2")]
    assert (place(*past).how, place(*past).number) == ("held", 3)
    found = place(*past, policy=anew)
    assert (found.how, found.expected) == ("create", 5)
    # The highest number comes first, as servers are asked.
    again = place(version(5, origin=OURS, content_id="c1"), *reversed(past), policy=anew)
    assert (again.how, again.number) == ("held", 5)
    # Traces that a version got since make no other of it.
    traced = version(4, origin=OURS, content_id="c0", content_but_traces="b1")
    assert place(past[0], traced, policy=anew).number == 4
