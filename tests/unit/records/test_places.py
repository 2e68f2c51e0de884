"""Two registries are one by their locators of Azure ML; else by their names, letter by letter."""

from pathlib import Path

import pytest

from mlarchive.records import provenance
from mlarchive.records.places import are_one, whence
from mlarchive.registries.azureml.sameness import kept_origin
from mlarchive.registries.mlflow import marks

HOSP, CLINIC = "azureml://registries/hosp", "azureml://registries/clinic"
SERVER = "mlflow+http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("lab", HOSP), ("lab", CLINIC), False),
        (("lab", HOSP), ("prod", HOSP.replace("hosp", "HOSP")), True),
        (("lab", HOSP), (HOSP,), True),
        (("lab",), ("lab", HOSP), True),
        (("lab",), ("lab",), True),
        (("lab",), ("Lab",), False),
        (("dir:Model",), ("dir:model",), False),
        (("dir:p",), ("dir:./p",), True),
        (("dir:p",), ("dir:p/",), True),
        (("dir:p%20q",), (f"dir:{Path.cwd()}/p q",), True),
        (("innereye:p",), ("innereye:q/../p",), True),
        (("dir:p",), ("dir:q",), False),
        (("dir:p",), ("innereye:p",), False),
        (("dir:p",), ("p",), False),
        # Marks of old, into which a second place was merged, mean the first.
        (("lab", HOSP, CLINIC), (CLINIC,), False),
        (("lab", HOSP, CLINIC), (HOSP,), True),
    ],
)
def test_locators_decide_and_then_names(
    one: tuple[str, ...], other: tuple[str, ...], *, expected: bool
) -> None:
    assert are_one(one, other) is are_one(other, one) is expected


@pytest.mark.parametrize(
    ("names", "origin", "path", "expected"),
    [
        (("lab", HOSP), "lab", ("lab", HOSP), "from"),
        (("lab", CLINIC), "lab", ("lab", HOSP), ""),
        (("lab", SERVER), "lab", ("lab", HOSP), ""),
        (("lab", SERVER), "lab", ("lab",), "from"),
        (("hospital", HOSP), "lab", ("lab", HOSP), "from"),
        (("lab", HOSP), "hub", ("lab", HOSP, "hub", CLINIC), "through"),
        (("lab", CLINIC), "hub", ("lab", HOSP, "hub", "azureml://registries/hub"), ""),
        # A server that is called `lab`, and then a place that no configuration names.
        (("lab", SERVER), CLINIC, ("lab", CLINIC), "through"),
        (("lab", HOSP), CLINIC, ("lab", CLINIC), ""),
    ],
)
def test_what_came_from_a_registry_is_known_by_all_its_names(
    names: tuple[str, ...], origin: str, path: tuple[str, ...], expected: str
) -> None:
    assert whence(names, origin, path) == expected


def test_marks_never_get_a_second_locator() -> None:
    origin = {marks.ORIGIN: "lab#models/m/1"}
    there = {**origin, marks.NAMES: f'["{HOSP}"]'}
    same = {marks.ORIGIN: "prod#models/m/1", marks.NAMES: f'["{HOSP.upper()}"]'}
    assert kept_origin(there, same)[marks.NAMES] == f'["{HOSP}","prod"]'
    other = {**origin, marks.NAMES: f'["{CLINIC}"]'}
    assert kept_origin(there, other) == other
    merged = {**origin, marks.NAMES: f'["{HOSP}","{CLINIC}"]'}
    assert kept_origin(merged, there)[marks.NAMES] == f'["{HOSP}"]'


def test_the_locator_of_an_origin_is_known_from_the_path_where_no_mark_says_it() -> None:
    tags = {marks.ORIGIN: "lab#models/m/1", marks.PATH: f'["lab","{HOSP}"]'}
    assert provenance.names_of(tags) == ("lab", HOSP)
