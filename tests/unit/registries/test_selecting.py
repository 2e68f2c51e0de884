"""What stands after the # picks the objects that are meant, and no others."""

import pytest

from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.selecting import is_exact, matches, parse_object, selects


@pytest.mark.parametrize(
    ("pattern", "name", "meant"),
    [
        ("w*", "wine", True),
        ("w*", "Wine", False),
        ("wine?", "wine", False),
        ("w?ne", "wine", True),
        ("*", "", True),
        ("[w]*", "wine", False),
        ("[w]*", "[w]ine", True),
        ("a.b*", "axb", False),
        ("*\n*", "a\nb", True),
    ],
)
def test_only_star_and_question_mark_are_wild(pattern: str, name: str, meant: bool) -> None:  # noqa: FBT001  (a table's column)
    assert matches(Selector(kind="models", name=pattern, pattern=True), name) is meant


def test_percent_encoded_parts_name_what_has_separators_in_its_name() -> None:
    selector = parse_object("experiments/%2FUsers%2Fme%40x%2FWine")
    assert selector == Selector(kind="experiments", name="/Users/me@x/Wine")


def test_an_encoded_star_is_a_character() -> None:
    selector = parse_object("models/a%2A")
    assert not selector.pattern
    assert matches(selector, "a*")
    assert not matches(selector, "ab")


def test_a_prefix_settles_whether_a_name_is_an_id() -> None:
    assert parse_object("experiments/id:5").named == "id"
    assert parse_object("experiments/name:5").named == "name"
    assert parse_object("experiments/id%3A5") == Selector(kind="experiments", name="id:5")


def test_a_star_for_a_version_means_all_of_them() -> None:
    assert parse_object("models/wine/*") == parse_object("models/wine")


def test_kind_name_and_version_select_an_address() -> None:
    address = Address(origin="o", kind="models", name="wine", version="3")
    assert selects(Selector(), address)
    assert selects(parse_object("models/w*"), address)
    assert not selects(parse_object("models/wine/4"), address)
    assert not selects(parse_object("runs/wine"), address)


def test_only_a_named_version_or_run_is_one_object() -> None:
    assert is_exact(parse_object("models/wine/3"))
    assert is_exact(parse_object("models/wine@best"))
    assert is_exact(parse_object("runs/ab"))
    assert not is_exact(parse_object("models/wine"))
    assert not is_exact(parse_object("runs/a*"))
    assert not is_exact(Selector())
