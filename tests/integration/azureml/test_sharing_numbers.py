"""What a registry has under another number is not copied there by itself a second time."""

from pathlib import Path

import pytest

from mlarchive.errors import ConflictError, UnavailableError
from mlarchive.registries.base import WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place

_NEXT = WritePolicy(versions="next")
_OF_ENVIRONMENT = "the registry has it as 5, which is made of the same"


def put(azureml: Emulator, place: Place, kind: str, number: str, made_of: str) -> None:
    """Register a version of a model or of an environment, made of something."""
    if kind == "models":
        azureml.put_model(place, "x", number, {"w": made_of.encode()})
    else:
        azureml.put_environment(place, "x", number, image=f"i:{made_of}")


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with a version of a model and of an environment."""
    place = azureml.workspace(azureml.tenant(), "lab")
    for kind in ("models", "environments"):
        put(azureml, place, kind, "1", "ours")
    return place


@pytest.fixture
def shared(azureml: Emulator, lab: Place) -> Place:
    """A registry of the same tenant, where people have one of the number 4."""
    place = azureml.registry(lab.tenant, "shared")
    for kind in ("models", "environments"):
        put(azureml, place, kind, "4", "theirs")
    return place


@pytest.mark.parametrize("kind", ["models", "environments"])
def test_what_was_copied_before_under_the_next_number_is_there(  # noqa: PLR0913, PLR0917  (what goes where)
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path, kind: str
) -> None:
    source, target, what = opened(lab), opened(shared), address(lab, kind, "x", "1")
    assert carry(source, what, target, tmp_path, _NEXT).receipt.target.version == "5"
    for skips in (False, True):
        policy = WritePolicy(conflict="skip") if skips else WritePolicy()
        receipt = source.share(what, target, policy)
        assert (receipt.idle, receipt.target.version, receipt.losses) == (True, "5", ())
        told = [one.why for one in receipt.transformations]
        assert told == ([_OF_ENVIRONMENT] if kind == "environments" else [])
        assert set(shared.of(kind)["x"].versions) == {"4", "5"}
        # Nor does something else under its own number make a conflict of it.
        if not skips:
            put(azureml, shared, kind, "1", "theirs too")
            assert source.share(what, target, WritePolicy()).target.version == "5"
            del shared.of(kind)["x"].versions["1"]


@pytest.mark.parametrize("kind", ["models", "environments"])
def test_what_it_was_written_from_is_there(  # noqa: PLR0913, PLR0917  (what goes where)
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path, kind: str
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    there = carry(
        opened(shared), address(shared, kind, "x", "4"), opened(clinic), tmp_path, _NEXT
    ).receipt.target
    put(azureml, clinic, kind, "9", "another")
    receipt = opened(clinic).share(there, opened(shared), WritePolicy())
    assert (receipt.idle, receipt.target.version) == (True, "4")
    assert set(shared.of(kind)["x"].versions) == {"4"}


@pytest.mark.parametrize("kind", ["models", "environments"])
def test_what_both_were_written_from_makes_them_one(  # noqa: PLR0913, PLR0917  (what goes where)
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path, kind: str
) -> None:
    clinic, what = azureml.workspace(lab.tenant, "clinic"), address(lab, kind, "x", "1")
    carry(opened(lab), what, opened(clinic), tmp_path)
    carry(opened(lab), what, opened(shared), tmp_path, _NEXT)
    copied = address(clinic, kind, "x", "1")
    receipt = opened(clinic).share(copied, opened(shared), WritePolicy())
    assert (receipt.idle, receipt.target.version) == (True, "5")
    assert set(shared.of(kind)["x"].versions) == {"4", "5"}


def test_what_says_so_and_holds_something_else_is_no_reason_not_to_copy(
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path
) -> None:
    source, target, what = opened(lab), opened(shared), address(lab, "models", "x", "1")
    carry(source, what, target, tmp_path, _NEXT)
    del lab.of("models")["x"].versions["1"]
    put(azureml, lab, "models", "1", "changed")
    receipt = source.share(what, target, WritePolicy())
    assert (receipt.actions[0].verb, receipt.target.version) == ("create", "1")
    put(azureml, lab, "models", "2", "changed")
    put(azureml, shared, "models", "2", "people's")
    with pytest.raises(ConflictError, match=r"models/x/2 at .* is another one"):
        source.share(address(lab, "models", "x", "2"), target, WritePolicy())


def test_what_says_so_and_is_not_made_yet_is_waited_for(
    lab: Place, shared: Place, opened: Open, tmp_path: Path
) -> None:
    source, target, what = opened(lab), opened(shared), address(lab, "models", "x", "1")
    carry(source, what, target, tmp_path, _NEXT)
    shared.version("models", "x", "5")["properties"]["provisioningState"] = "Creating"
    with pytest.raises(UnavailableError, match="models/x/5"):
        source.share(what, target, WritePolicy())
    assert set(shared.of("models")["x"].versions) == {"4", "5"}


def test_the_environment_that_a_model_names_by_its_number_is_made_under_that(
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path
) -> None:
    source, target = opened(lab), opened(shared)
    carry(source, address(lab, "environments", "x", "1"), target, tmp_path, _NEXT)
    named = {"python_environment_name": "x", "python_environment_version": "1"}
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags=named)
    receipt = source.share(address(lab, "models", "m", "1"), target, WritePolicy())
    assert receipt.losses == ()
    assert set(shared.of("environments")["x"].versions) == {"1", "4", "5"}
