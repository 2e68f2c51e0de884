"""What lists say of versions."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlarchive.errors import NotFoundError, UnavailableError
from mlarchive.records import Address
from mlarchive.registries.azureml import AzureMlRegistry
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.listing import list_objects
from mlarchive.registries.base import Selector, is_gone
from mlarchive.registries.notebooks.wanted import NONE_WANTED


@pytest.mark.parametrize(("whole", "one"), [(True, False), (False, True), (False, False)])
def test_a_version_is_archived_where_its_model_is_as_a_whole(*, whole: bool, one: bool) -> None:
    control = SimpleNamespace(
        container=lambda *_: Asset("m", {"properties": {"isArchived": whole}}),
        versions=lambda *_, **__: [Asset("1", {"properties": {"isArchived": one}})],
    )
    selector = Selector(kind="models", name="m", archived=True)
    (listed,) = list_objects(cast("Any", control), "lab", selector)
    assert listed.facts.get("archived", "") == ("yes" if whole or one else "")
    assert listed.traits.archived is (whole or one)


def test_what_is_archived_is_not_shown_and_not_gone() -> None:
    hidden = {f"models/{one}": None for one in ("m/1", "whole")}
    control = SimpleNamespace(unlisted=hidden, version=_not_found)
    registry = AzureMlRegistry(
        cast("Any", control), cast("Any", None), "lab", ExitStack(), NONE_WANTED
    )
    gone = {
        name: is_gone(registry, Address(origin="lab", kind="models", name=name, version="1"))
        for name in ("m", "whole", "m2")
    }
    assert gone == {"m": False, "whole": False, "m2": True}


def test_what_answers_is_not_gone_though_a_list_that_is_behind_does_not_show_it() -> None:
    control = SimpleNamespace(unlisted={}, version=lambda *_: Asset("2", {}))
    registry = AzureMlRegistry(
        cast("Any", control), cast("Any", None), "lab", ExitStack(), NONE_WANTED
    )
    address = Address(origin="lab", kind="models", name="m", version="2")
    assert not is_gone(registry, address)
    control.version = _not_found
    assert is_gone(registry, address)


def _not_found(*_: object) -> Asset:
    raise NotFoundError("it is not there")


def test_a_model_that_shows_none_of_its_versions_is_of_a_place_that_is_behind() -> None:
    """What it does not show is not gone, as a mirror and `send --deletions` would take it for."""
    model = Asset("m", {"properties": {"latestVersion": "2"}})
    control = SimpleNamespace(
        shown="azureml://registries/r",
        unlisted={},
        containers=lambda *_, **__: [model],
        container=lambda *_: model,
        versions=lambda *_, **__: [],
    )
    for selector in (Selector(), Selector(kind="models", name="m")):
        with pytest.raises(UnavailableError, match="models/m has a version 2, and shows none"):
            list(list_objects(cast("Any", control), "lab", selector))
    del model.raw["properties"]["latestVersion"]
    assert list(list_objects(cast("Any", control), "lab", Selector())) == []
