"""An environment is taken for one that is there only if nothing that was said of either is lost."""

from typing import Any

import msgspec
import pytest

from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.counterpart import counterpart
from mlarchive.registries.azureml.labels import Labels
from mlarchive.registries.mlflow import marks

OWN, OTHER = {marks.ORIGIN: "lab#e/1"}, {marks.ORIGIN: "lab#e/2", marks.RECORD: "r"}
LABELS = Labels(description="d", tags={"k": "1"}, properties={"p": "1", "azureml.x": "1", **OWN})
SAID = {"description": "d", "tags": {"k": "1", marks.STATE_ID: "s"}}


def there(number: str, said: dict[str, Any], properties: dict[str, str]) -> Asset:
    return Asset(number, {"properties": {**said, "properties": properties}})


def found(
    *present: Asset, as_subject: bool, labels: Labels = LABELS, same: bool = True
) -> tuple[str, bool] | None:
    one = counterpart(present, labels, "1", as_subject=as_subject, same=lambda _: same)
    return one and (one.version.name, one.is_labelled)


@pytest.mark.parametrize(
    ("one", "needed", "alone"),
    [
        pytest.param(there("5", SAID, {"p": "1", **OWN}), True, True, id="own"),
        pytest.param(there("5", {}, OWN), True, True, id="own, said otherwise before"),
        pytest.param(there("5", {"isArchived": True}, OWN), True, True, id="own, archived"),
        pytest.param(there("5", SAID, {"p": "1", **OTHER}), False, False, id="another's, equal"),
        pytest.param(there("5", {}, {"p": "1", **OTHER}), None, None, id="another's, unlabelled"),
        pytest.param(
            there("5", {**SAID, "isArchived": True}, {"p": "1"}), None, None, id="archived"
        ),
        pytest.param(
            there("5", {**SAID, "description": "mine"}, {"p": "1"}), None, None, id="said otherwise"
        ),
        pytest.param(there("5", SAID, {"p": "1"}), False, True, id="nobody's, equal"),
        pytest.param(there("5", SAID, {"p": "1", "q": "2"}), False, False, id="nobody's, more"),
        pytest.param(there("5", {}, {"azureml.x": "2"}), True, True, id="nobody's, unlabelled"),
    ],
)
def test_what_stands_for_an_environment(
    one: Asset, *, needed: bool | None, alone: bool | None
) -> None:
    expected = [how if how is None else ("5", how) for how in (needed, alone)]
    assert [found(one, as_subject=False), found(one, as_subject=True)] == expected
    assert found(one, as_subject=False, same=False) is None


def test_its_own_version_comes_first_then_that_of_its_number_then_the_newest() -> None:
    bare = [there(number, {}, {}) for number in ("1", "2", "3")]
    own, failed = there("4", {}, OWN), there("5", {"provisioningState": "Failed"}, OWN)
    assert found(*bare, own, there("6", {}, {}), failed, as_subject=True) == ("4", True)
    assert found(*bare, as_subject=True) == ("1", True)
    assert found(*bare[1:], as_subject=True) == ("3", True)


def test_a_version_that_is_archived_with_all_others_is_as_archived_as_one_by_itself() -> None:
    archived = msgspec.structs.replace(LABELS, archived=True)
    for said in ({}, {"isArchived": True}):
        one = there("1", {**SAID, **said}, {"p": "1"})
        assert counterpart(
            [one], archived, "1", as_subject=True, same=lambda _: True, is_hidden=True
        )


def test_an_archived_one_is_none_of_an_active_one_s() -> None:
    archived = msgspec.structs.replace(LABELS, archived=True)
    assert found(there("1", SAID, {"p": "1"}), as_subject=True, labels=archived) is None
