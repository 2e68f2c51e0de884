"""A version keeps its number, or the policy says what becomes of it."""

from typing import Any

import pytest

from mlarchive.errors import ConflictError, UnavailableError, UnsupportedError
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.numbering import Spot, find_spot
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import marks

OURS = {marks.ORIGIN: "lab#models/wine/3", marks.CONTENT_ID: "c3"}


def there(number: str, **properties: str) -> Asset:
    return Asset(number, {"properties": {"properties": properties}})


def spot(version: str, *present: Asset, same: bool = False, **policy: Any) -> Spot:  # noqa: ANN401  (a policy's)
    return find_spot(
        "the model 'wine'",
        version,
        present,
        content_id="c3",
        policy=WritePolicy(**policy),
        is_own=lambda one: one.texts("properties").get(marks.ORIGIN) == OURS[marks.ORIGIN],
        same=lambda _: same,
        altered=lambda one: one.texts("tags").get("altered", ""),
    )


def test_a_free_number_is_kept() -> None:
    found = spot("3", there("1"), there("7"))
    assert (found.how, found.number, found.above) == ("create", "3", "7")
    assert not spot("3", there("1"), there("2")).above


def test_the_next_number_is_above_the_highest() -> None:
    assert spot("3", there("1"), there("7"), versions="next").number == "8"
    assert spot("", there("9"), there("10")).number == "11"
    assert spot("").number == "1"


def test_what_came_from_the_same_place_is_held_under_any_number() -> None:
    found = spot("3", there("3"), there("8", **OURS))
    assert (found.how, found.number) == ("held", "8")


def written(number: str, *, altered: str = "", content: str = "c3", **more: str) -> Asset:
    held = {**OURS, marks.CONTENT_ID: content, **more}
    return Asset(number, {"properties": {"properties": held, "tags": {"altered": altered}}})


def as_written(number: str, *, altered: str = "") -> Asset:
    return written(number, altered=altered, **{marks.WRITTEN: f"wine/{number}"})


@pytest.mark.parametrize("conflict", ["fail", "new-version"])
def test_of_several_from_the_same_place_one_with_the_files_that_were_written_is_held(
    conflict: str,
) -> None:
    def held(*some: Asset) -> str:
        return spot("3", *some, conflict=conflict).number

    assert held(as_written("3"), as_written("8")) == "8"
    assert held(as_written("3"), as_written("8", altered="w")) == "3"
    # Of older ones, which do not say what they were written as, a higher one may be somebody's.
    assert held(written("3"), written("8")) == "3"
    assert held(written("3", altered="w"), written("8")) == "8"
    assert held(written("3", altered="w"), written("8", altered="w")) == "3"
    assert held(written("3"), as_written("8"), written("9")) == "8"


def test_of_older_ones_that_do_not_say_what_they_were_written_as_the_first_one_is_held() -> None:
    def made(number: str, day: int) -> Asset:
        return Asset(
            number, {**written(number).raw, "systemData": {"createdAt": f"2026-01-0{day}"}}
        )

    assert spot("7", made("3", 2), made("8", 1)).number == "8"
    assert spot("7", made("3", 1), made("8", 2)).number == "3"


def test_what_a_version_was_once_is_another_one_where_several_are_made() -> None:
    past = (written("3"), written("4", content="c4"))
    assert spot("3", *past).number == "3"
    found = spot("3", *past, conflict="new-version")
    assert (found.how, found.number) == ("create", "5")


def test_the_same_content_under_the_number_is_held_wherever_it_came_from() -> None:
    other = there("3", **{marks.ORIGIN: "elsewhere", marks.CONTENT_ID: "c3"})
    assert spot("3", other).how == "held"
    assert spot("3", there("3"), same=True).how == "held"


def test_other_content_under_the_number_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="version 3 of the model 'wine' is taken"):
        spot("3", there("3"))
    assert spot("3", there("3"), conflict="skip").how == "skip"
    found = spot("3", there("3"), conflict="new-version")
    assert (found.how, found.number) == ("create", "4")


def test_what_changed_at_its_source_is_a_conflict() -> None:
    changed = there("5", **{**OURS, marks.CONTENT_ID: "c2"})
    with pytest.raises(ConflictError, match="has changed at the source"):
        spot("3", changed)
    assert spot("", changed).number == "6"


@pytest.mark.parametrize("version", ["1.2", "0", "03", "latest", "-1", "9" * 30])
def test_a_version_that_is_no_number_is_refused(version: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        spot(version)
    assert "--versions next" in refused.value.hint


def test_a_version_that_the_service_could_not_make_holds_nothing() -> None:
    failed = Asset("3", {"properties": {"properties": OURS, "provisioningState": "Failed"}})
    with pytest.raises(ConflictError, match="version 3 of the model 'wine' is there, but the"):
        spot("3", failed, same=True)
    found = spot("3", failed, conflict="new-version")
    assert (found.how, found.number) == ("create", "4")


@pytest.mark.parametrize("properties", [{}, OURS])
def test_a_version_that_the_service_still_makes_is_waited_for(properties: dict[str, str]) -> None:
    coming = {"properties": properties, "provisioningState": "Creating"}
    for conflict in ("fail", "skip", "new-version"):
        with pytest.raises(UnavailableError, match="is not made yet: it is Creating"):
            spot("3", Asset("3", {"properties": coming}), same=True, conflict=conflict)
    assert spot("4", Asset("3", {"properties": {**coming, "properties": {}}})).how == "create"
