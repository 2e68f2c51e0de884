"""What lists say of versions."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlarchive.errors import NotFoundError
from mlarchive.records import Address
from mlarchive.registries.azureml import AzureMlRegistry
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.listing import list_objects
from mlarchive.registries.base import Selector, is_gone, lagging
from mlarchive.registries.notebooks.wanted import NONE_WANTED

ALL = Selector()


@pytest.mark.parametrize(("whole", "one"), [(True, False), (False, True), (False, False)])
def test_a_version_is_archived_where_its_model_is_as_a_whole(*, whole: bool, one: bool) -> None:
    control = SimpleNamespace(
        lagging={},
        container=lambda *_: Asset("m", {"properties": {"isArchived": whole}}),
        versions=lambda *_, **__: [Asset("1", {"properties": {"isArchived": one}})],
    )
    selector = Selector(kind="models", name="m", archived=True)
    (listed,) = list_objects(cast("Any", control), "lab", selector)
    assert listed.facts.get("archived", "") == ("yes" if whole or one else "")
    assert listed.traits.archived is (whole or one)


def test_what_is_archived_is_not_shown_and_not_gone() -> None:
    hidden = {f"models/{one}": None for one in ("m/1", "whole")}
    control = SimpleNamespace(unlisted=hidden, lagging={}, version=_not_found)
    registry = AzureMlRegistry(
        cast("Any", control), cast("Any", None), "lab", ExitStack(), NONE_WANTED
    )
    gone = {
        name: is_gone(registry, Address(origin="lab", kind="models", name=name, version="1"))
        for name in ("m", "whole", "m2")
    }
    assert gone == {"m": False, "whole": False, "m2": True}


def test_what_answers_is_not_gone_though_a_list_that_is_behind_does_not_show_it() -> None:
    control = SimpleNamespace(unlisted={}, lagging={}, version=lambda *_: Asset("2", {}))
    registry = AzureMlRegistry(
        cast("Any", control), cast("Any", None), "lab", ExitStack(), NONE_WANTED
    )
    address = Address(origin="lab", kind="models", name="m", version="2")
    assert not is_gone(registry, address)
    control.version = _not_found
    assert is_gone(registry, address)


def _not_found(*_: object) -> Asset:
    raise NotFoundError("it is not there")


def test_a_name_that_does_not_show_its_latest_version_is_behind_and_the_others_are_listed() -> None:
    """What it does not show is not gone, as a mirror and `send --deletions` would take it for."""
    models = {name: Asset(name, {"properties": {"latestVersion": "2"}}) for name in "ab"}
    shown = {name: [Asset("1", {}), Asset("2", {})] for name in "ab"}
    control = SimpleNamespace(
        place=SimpleNamespace(is_registry=True),
        shown="azureml://registries/r",
        unlisted={},
        lagging={},
        containers=lambda kind, **_: models.values() if kind == "models" else (),
        versions=lambda _, name, **__: shown[name],
        version=lambda *_: Asset("2", {}),
    )
    registry = AzureMlRegistry(
        cast("Any", control), cast("Any", None), "lab", ExitStack(), NONE_WANTED
    )

    def listed() -> list[str]:
        found = [str(one.address).partition("#models/")[2] for one in registry.ls(ALL)]
        seen = sorted(str(ref.address).partition("#models/")[2] for ref in registry.changes(ALL))
        assert seen == sorted(found)
        return found

    for lacks, says in ((["1"], "and does not list it"), ([], "and shows none of it")):
        shown["b"] = [Asset(number, {}) for number in lacks]
        assert listed() == ["a/2", "a/1", *(f"b/{number}" for number in lacks)]
        (error,) = lagging(registry).values()
        assert error.message.endswith(f"says that models/b has a version 2, {says}")
        control.version = _not_found
        gone = [
            is_gone(registry, Address(origin="lab", kind="models", name=name, version="1"))
            for name in "ab"
        ]
        assert gone == [True, False]
        # Where others are shown, and it does not answer itself, it is gone; else nobody knows.
        listed()
        assert set(lagging(registry)) == ({"models/b"} if not lacks else set())
        control.version = lambda *_: Asset("2", {})
    shown["b"] = shown["a"]
    listed()
    assert lagging(registry) == {}
