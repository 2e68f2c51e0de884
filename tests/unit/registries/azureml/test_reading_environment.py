"""What an environment says as a whole is not lost in silence where a version of it is read."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlarchive.records import Environment
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.reading_environment import read_environment
from mlarchive.registries.mlflow.gathering import Gathering

VERSION = {"image": "i", "description": "same", "tags": {"k": "1"}}


def read(whole: dict[str, Any], **version: Any) -> tuple[Environment, Gathering]:  # noqa: ANN401  (any JSON)
    """Read a version of an environment that says something as a whole."""
    control = SimpleNamespace(
        shown="azureml://registries/r",
        version=lambda *_: Asset("7", {"properties": {**VERSION, **version}}),
        container=lambda *_: Asset("e", {"properties": whole}),
    )
    gathering = Gathering()
    read_environment(cast("Any", control), cast("Any", None), "e", "7", gathering)
    (record,) = gathering.records
    assert isinstance(record, Environment)
    return record, gathering


def test_labels_of_an_environment_as_a_whole_are_losses_but_those_that_the_version_has() -> None:
    whole = {"description": "d", "tags": {"k": "1", "l": "2"}}
    _, gathering = read({**whole, "properties": {"p": "1", "azureml.x": "1"}})
    assert [(loss.record, loss.field) for loss in gathering.losses] == [
        ("environments/e", "description"),
        ("environments/e", "tag l"),
        ("environments/e", "property p"),
    ]
    assert read({"description": "same", "tags": {"k": "1"}})[1].losses == []


@pytest.mark.parametrize(
    ("whole", "one", "lifecycle", "told"),
    [
        (False, False, "active", []),
        (True, False, "archived", ["lifecycle"]),
        (False, True, "archived", []),
        (True, True, "archived", []),
    ],
)
def test_a_version_of_an_environment_that_is_archived_as_a_whole_is_archived(
    lifecycle: str, told: list[str], *, whole: bool, one: bool
) -> None:
    record, gathering = read({"isArchived": whole}, isArchived=one)
    assert record.lifecycle == lifecycle
    assert [change.field for change in gathering.transformations] == told
    assert gathering.losses == []
