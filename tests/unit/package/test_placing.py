"""Saved files have places that every system takes, and no two the same."""

import pytest

from mlarchive.package.paths import check_paths
from mlarchive.package.repairing.placing import Places, safe_name

HOSTILE = [
    "../../etc/passwd",
    "/abs",
    "con",
    "a:b\\c",
    "\u202egnp.exe",
    "",
    ".",
    "..",
    "x" * 999,
    "a\x00b",
    "\ud800",
    "trailing. ",
    "o\u0308",
    "run training",
]

PATHS = ("a", "A", "a/b", "x.metric", "x.metric/y", "a", "/".join("d" * 64), "p" * 255)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_owner_becomes_one_allowed_component(name: str) -> None:
    safe = safe_name(name)
    assert "/" not in safe
    check_paths([safe])


def test_what_is_allowed_stays_as_it_is() -> None:
    assert safe_name("model-version wine 3") == "model-version wine 3"
    assert Places().of_file("run-1", "plots/roc.svg") == "run-1/plots/roc.svg"


def test_no_two_places_collide_whatever_the_names() -> None:
    places = Places(["content.json"])
    found = ["content.json"]
    for owner in [*HOSTILE, "Content.JSON", "RUN training"]:
        found += [places.of_file(owner, path) for path in PATHS]
        found += [places.of_series(owner, key, "") for key in ("x", "X", "a/b", "a_b", "../up")]
    check_paths(found)


def test_very_many_of_one_name_take_no_more_than_a_few_tries_each() -> None:
    places = Places()
    found = {places.of_series("run", "loss", "") for _ in range(20_000)}
    assert len(found) == 20_000
