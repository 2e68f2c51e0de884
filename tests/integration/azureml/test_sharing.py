"""What a registry copies by itself is compared, label by label, and what is otherwise is told."""

import pytest

from mlarchive.errors import ConflictError
from mlarchive.registries.base import Receipt, WritePolicy
from tests.integration.azureml.registries import Open, address
from tests.support.azureml import Emulator, Place

_FILES = {"MLmodel": b"flavors: {}"}
_NAMES_E = {"python_environment_name": "E"}


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with nothing in it."""
    return azureml.workspace(azureml.tenant(), "lab")


@pytest.fixture
def shared(azureml: Emulator, lab: Place) -> Place:
    """A registry in the tenant of the workspace."""
    return azureml.registry(lab.tenant, "shared")


def _shared(lab: Place, shared: Place, opened: Open, number: str) -> Receipt:
    what = address(lab, "models", "m", number)
    return opened(lab).share(what, opened(shared), WritePolicy())


def _lost(receipt: Receipt) -> list[tuple[str, str, str]]:
    return [(loss.record, loss.field, loss.why) for loss in receipt.losses]


def test_another_type_other_flavours_and_a_job_are_losses(
    azureml: Emulator, lab: Place, shared: Place, opened: Open
) -> None:
    flavors = {"python_function": {"data": {"loader": "x"}}}
    azureml.put_job(lab, "made-it")
    azureml.put_model(
        lab, "m", "1", _FILES, modelType="mlflow_model", flavors=flavors, jobName="made-it"
    )
    of_job = ("models/m/1", "job", "the registry has none")
    assert _lost(_shared(lab, shared, opened, "1")) == [of_job]
    there = shared.version("models", "m", "1")["properties"]
    there.update({"modelType": "custom_model", "flavors": {"sklearn": {}}})
    receipt = _shared(lab, shared, opened, "1")
    assert receipt.idle
    assert _lost(receipt) == [
        ("models/m/1", "type", "the registry has 'custom_model'"),
        of_job,
        ("models/m/1", "flavor python_function", "the registry has none"),
        ("models/m/1", "flavor sklearn", "the registry has another one"),
    ]


def test_that_a_model_means_another_environment_at_the_registry_is_a_loss(
    azureml: Emulator, lab: Place, shared: Place, opened: Open
) -> None:
    azureml.put_environment(lab, "E", "3", image="img:three")
    for number in "123":
        azureml.put_model(lab, "m", number, _FILES, tags=_NAMES_E)
    assert _lost(_shared(lab, shared, opened, "1")) == []
    azureml.put_environment(shared, "F", "1", image="img:theirs")
    azureml.put_environment(lab, "F", "3", image="img:ours")
    what = address(lab, "environments", "F", "3")
    taken = opened(lab).share(what, opened(shared), WritePolicy()).transformations
    assert [(one.record, one.field) for one in taken] == [("environments/F/3", "@latest")]
    made_later = {"systemData": {"createdAt": "2099-01-01T00:00:00.0000000Z"}}
    azureml.put_environment(shared, "E", "8", image="img:three")
    shared.version("environments", "E", "8").update(made_later)
    assert _lost(_shared(lab, shared, opened, "2")) == []
    shared.version("environments", "E", "8")["properties"]["image"] = "img:eight"
    (lost,) = _lost(_shared(lab, shared, opened, "3"))
    why = "it means environments/E/3; there it means environments/E/8, which is another one"
    assert lost == ("models/m/3", "environment", why)


def test_what_settles_a_conflict_over_the_environment_of_a_model_is_what_is_hinted(
    azureml: Emulator, lab: Place, shared: Place, opened: Open
) -> None:
    azureml.put_environment(lab, "E", "3", image="img:three")
    azureml.put_environment(shared, "E", "3", image="taken:1")
    azureml.put_model(lab, "m", "1", _FILES, tags=_NAMES_E)
    what = address(lab, "models", "m", "1")
    with pytest.raises(ConflictError, match="and models/m/1 needs it") as raised:
        opened(lab).share(what, opened(shared), WritePolicy(conflict="skip"))
    assert raised.value.hint.startswith("leave --share out")
    assert "m" not in shared.of("models")


def test_nothing_is_made_for_a_model_that_is_another_one_there(
    azureml: Emulator, lab: Place, shared: Place, opened: Open
) -> None:
    azureml.put_environment(lab, "E", "3", image="img:three")
    azureml.put_environment(shared, "E", "2", image="img:theirs")
    azureml.put_model(lab, "m", "1", _FILES, tags=_NAMES_E)
    azureml.put_model(shared, "m", "1", {"w": b"other"})
    with pytest.raises(ConflictError, match=r"models/m/1 at .* is another one"):
        _shared(lab, shared, opened, "1")
    what = address(lab, "models", "m", "1")
    skipped = opened(lab).share(what, opened(shared), WritePolicy(conflict="skip"))
    assert [(one.verb, one.what) for one in skipped.actions] == [("skip", "models/m/1")]
    assert list(shared.of("environments")["E"].versions) == ["2"]


@pytest.mark.parametrize("kind", ["models", "environments"])
def test_what_the_registry_shows_only_a_moment_later_is_waited_for(
    azureml: Emulator, lab: Place, shared: Place, opened: Open, kind: str
) -> None:
    azureml.put_model(lab, "m", "1", _FILES)
    azureml.put_environment(lab, "m", "1", image="img:one")
    what, shared.replication = address(lab, kind, "m", "1"), 2
    assert opened(lab).share(what, opened(shared), WritePolicy()).actions[0].verb == "create"
    shared.unseen[kind, "m", "1"] = 2
    assert opened(lab).share(what, opened(shared), WritePolicy()).idle


def test_that_a_model_below_higher_numbers_is_the_latest_is_told(
    azureml: Emulator, lab: Place, shared: Place, opened: Open
) -> None:
    azureml.put_model(lab, "m", "2", _FILES)
    azureml.put_model(shared, "m", "9", {"w": b"other"})
    (told,) = _shared(lab, shared, opened, "2").transformations
    why = "it is made after version 9, so `@latest` names it there"
    assert (told.record, told.field, told.why) == ("models/m/2", "@latest", why)
    assert _shared(lab, shared, opened, "2").transformations == ()
