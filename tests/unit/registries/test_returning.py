"""Which version of a registry something is that comes back there, whatever its numbers were."""

import dataclasses

import msgspec
import pytest

from mlarchive.records import Address, ModelVersion, Native, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.returning import first_of
from mlarchive.snapshot import Snapshot

HERE = Address(origin="a", kind="models", name="m")
CONTENT = "c"


def back(*, number: str, origin: str, path: str, first: str = "", model: str = "") -> Snapshot:
    """A version that comes by way of others; `path` has a letter for each registry."""
    way = msgspec.json.encode([*path]).decode()
    also = {marks.ORIGIN: origin, marks.PATH: way} | ({marks.VERSION: first} if first else {})
    also |= {marks.MODEL: model} if model else {}
    version = ModelVersion(key="v", name="m", version=number, native=Native(also=also))
    return Snapshot(
        address=Address(origin=origin[0], kind="models", name="m", version=number),
        subject="v",
        records=(version,),
        streams=(),
    )


def found(snapshot: Snapshot, present: dict[str, Tags]) -> str:
    marked = {msgspec.structs.replace(HERE, version=one): held for one, held in present.items()}
    first = first_of(snapshot, ("a",), marked, CONTENT)
    return first.version if first else ""


def held(origin: str, content: str = CONTENT, **more: str) -> Tags:
    return {marks.ORIGIN: origin, marks.CONTENT_ID: content, **more}


def test_a_middle_place_knows_a_version_by_the_number_that_it_had_first() -> None:
    snapshot = back(number="9", origin="r#models/m/9", path="xar", first="3")
    # Number 9 is another's, and 8 is its twin; content may have got another id on the way.
    present = {
        "7": held("x#models/m/3", "older"),
        "8": held("x#models/m/4"),
        "9": held("y#models/m/9"),
    }
    assert found(snapshot, present) == "7"
    assert found(snapshot, {**present, "6": held("x#models/m/3")}) == "6"
    further = held("y#models/m/5", **{marks.PATH: '["x","y"]', marks.VERSION: "3"})
    assert found(snapshot, {"5": further}) == "5"
    assert found(snapshot, {"8": held("x#models/m/4")}) == ""


def test_the_first_place_knows_it_by_its_own_number_and_others_by_content_where_none_is_said() -> (
    None
):
    home = back(number="9", origin="r#models/m/9", path="abr", first="3")
    assert found(home, {"3": {}, "9": held("y#models/m/9")}) == "3"
    unsaid = back(number="9", origin="r#models/m/9", path="xar")
    assert found(unsaid, {"7": held("x#models/m/3"), "8": held("x#models/m/4", "other")}) == "7"
    assert found(unsaid, {"7": held("x#models/m/3"), "9": held("y#models/m/9")}) == "9"
    assert found(unsaid, {"7": held("x#models/m/3", "other")}) == ""


def test_what_never_was_here_is_what_came_from_the_very_version_by_another_way() -> None:
    snapshot = back(number="9", origin="r#models/m/9", path="xbr", first="3")
    present = {"7": held("x#models/m/3"), "9": held("x#models/m/9")}
    assert found(snapshot, present) == "7"
    assert found(snapshot, {**present, "7": held("x#models/m/3", "other")}) == ""
    assert found(back(number="9", origin="r#models/m/9", path="xbr"), present) == ""
    # What was written from it at once came by no other way.
    at_once = held("r#models/m/9", **{marks.PATH: '["x","b","r"]', marks.VERSION: "3"})
    assert found(snapshot, {"9": at_once}) == ""


def test_what_had_another_name_here_first_is_no_version_of_the_model_that_has_its_name_now() -> (
    None
):
    at_once = msgspec.structs.replace(HERE, origin="b", version="1")
    renamed = back(number="1", origin="a#models/k/1", path="a")
    (version,) = renamed.records
    also = {marks.ORIGIN: "a#models/k/1"}
    native = msgspec.structs.replace(version.native, also=also)
    version = msgspec.structs.replace(version, native=native)
    renamed = dataclasses.replace(renamed, address=at_once, records=(version,))
    assert found(renamed, {"1": {}}) == ""
    # On its way the name is remembered; a version that came by another way is known by it, too.
    assert marks.model_marks(version, renamed) == {marks.MODEL: "k"}
    further = back(number="1", origin="b#models/m/1", path="ab", first="1", model="k")
    assert found(further, {"1": {}}) == ""
    assert found(further, {"2": held("a#models/k/1", "other"), "1": {}}) == "2"
    # Nobody knows it of what was written before there was that mark.
    assert found(back(number="1", origin="b#models/m/1", path="ab", first="1"), {"1": {}}) == "1"


@pytest.mark.parametrize(
    ("tags", "number"),
    [
        ({}, "7"),
        ({marks.ORIGIN: "x#models/m/3"}, "3"),
        ({marks.ORIGIN: "x#models/a%2Fb/v%201"}, "v 1"),
        ({marks.ORIGIN: "r#models/m/9", marks.PATH: '["x","r"]'}, ""),
        ({marks.ORIGIN: "r#models/m/9", marks.PATH: '["x","r"]', marks.VERSION: "3"}, "3"),
        ({marks.ORIGIN: "dir:p#folders/p"}, ""),
        ({marks.ORIGIN: "nothing"}, ""),
    ],
)
def test_the_first_number_is_said_or_that_of_the_only_place_before(tags: Tags, number: str) -> None:
    assert marks.first_number(tags, "7") == number
