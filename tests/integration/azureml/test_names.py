"""What a mirror wrote, which calls places by names of its configuration, a command knows again."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mlarchive.records import Address
from mlarchive.registries.base import WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place

WHAT = ("models", "m", "1"), ("environments", "e", "1")


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with a model and its environment."""
    place = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_environment(place, "e", "1", image="i:1")
    azureml.put_model(place, "m", "1", {"w": b"1"}, tags={"python_environment_name": "e"})
    place.of("models")["m"].properties["description"] = "of the lab"
    return place


def named(called: str, what: Address) -> Address:
    """The same by a name of a configuration."""
    return replace(what, origin=called)


def held(place: Place) -> list[dict[str, Any]]:
    """What is said of the model, its version and its environment."""
    versions = [place.version(*one)["properties"] for one in WHAT]
    return [place.of("models")["m"].properties, *versions]


def test_what_a_mirror_wrote_comes_home_by_a_command(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic, middle = (azureml.workspace(lab.tenant, name) for name in ("clinic", "middle"))
    mirrored = opened(lab, called="lab")
    for one in WHAT:
        carry(mirrored, named("lab", address(lab, *one)), opened(clinic, called="c"), tmp_path)
    carry(opened(clinic), address(clinic, *WHAT[0]), opened(middle), tmp_path)
    for version in (clinic.version(*WHAT[0]), middle.version(*WHAT[0])):
        version["properties"]["tags"]["news"] = "1"
    for place in (clinic, middle):
        for one in WHAT:
            carry(opened(place), address(place, *one), opened(lab), tmp_path)
        assert lab.version(*WHAT[0])["properties"]["tags"].pop("news") == "1"
    assert "mlarchive." not in repr(held(lab))
    # A package that the mirror made is of the very place, too.
    for one in WHAT:
        alone = carry(mirrored, named("lab", address(lab, *one)), opened(lab), tmp_path).receipt
        assert (alone.idle, [action.why for action in alone.actions]) == (
            True,
            ["it is itself what is copied"],
        )


@pytest.mark.parametrize("first", ["lab", ""])
def test_a_mirror_and_a_command_know_what_the_other_brought_from_the_same_place(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, first: str
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    second = "" if first else "lab"

    def bring(called: str, one: tuple[str, str, str]) -> bool:
        source = opened(lab, called=called)
        what = replace(address(lab, *one), origin=source.origin)
        done = carry(source, what, opened(clinic), tmp_path).receipt
        assert done.losses == ()
        return done.idle

    for one in WHAT:
        bring(first, one)
    for said in held(lab):
        said["description"] = "news"
    for called in (second, first, second):
        for one in WHAT:
            bring(called, one)
        assert [said["description"] for said in held(clinic)] == ["news"] * 3
    before = held(clinic)
    assert [bring(called, one) for called in (first, second) for one in WHAT] == [True] * 4
    assert held(clinic) == before
    for called in ("lab", lab.locator):
        holding = opened(clinic).holding(named(called, address(lab, *WHAT[0])), WritePolicy())
        assert holding is not None
    azureml.put_model(lab, "m", "2", {"w": b"2"})
    bring(second, ("models", "m", "2"))
    origins = {
        one["properties"]["properties"]["mlarchive.origin"].partition("#")[0]
        for one in clinic.of("models")["m"].versions.values()
    }
    assert origins == {first or lab.locator}


def test_two_places_that_two_configurations_call_the_same_are_two(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, other, hub = (azureml.workspace(tenant, name) for name in ("lab", "other", "hub"))
    for place in (lab, other):
        azureml.put_model(place, "m", "1", {"w": b"1"}, description=f"of {place.name}")
    what = [named("lab", address(place, *WHAT[0])) for place in (lab, other)]
    carry(opened(lab, called="lab"), what[0], opened(hub), tmp_path)
    before = hub.version(*WHAT[0])["properties"]
    second = carry(opened(other, called="lab"), what[1], opened(hub), tmp_path).receipt
    assert second.idle
    (loss,) = second.losses
    assert (loss.field, lab.locator.lower() in loss.why) == ("description", True)
    assert hub.version(*WHAT[0])["properties"] == before
    # The target is called as the source is, and is not the source.
    third = carry(opened(lab, called="lab"), what[0], opened(other, called="lab"), tmp_path)
    assert "it is itself what is copied" not in {action.why for action in third.receipt.actions}
    assert other.version(*WHAT[0])["properties"]["description"] == "of lab"
