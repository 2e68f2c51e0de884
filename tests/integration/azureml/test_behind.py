"""What a place lists less of than it has is not taken for all of it."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import ConflictError, UnavailableError
from mlarchive.registries.base import WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place, assets
from tests.support.azureml.answers import Answer
from tests.support.command import Done, within

_MEANT = "mlarchive.environment"
_NEXT = WritePolicy(versions="next")


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with a model and its environment."""
    place = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_environment(place, "e", "1", image="i:1")
    tags = {"python_environment_name": "e"}
    azureml.put_model(place, "m", "1", {"w": b"1"}, tags=tags)
    return place


def hide(
    patched: pytest.MonkeyPatch,
    at: Place,
    number: str,
    *,
    lacks: Callable[[int], bool] = lambda _: True,
) -> None:
    """Let the lists of a place lack versions of a number, as where they are behind.

    Args:
        patched: Until when.
        at: The place.
        number: Of the versions.
        lacks: Whether a list does, by how many came before it.
    """
    listed, asked_before = assets.versions, count()

    def behind(place: Place, kind: str, name: str, *asked: Any) -> Answer:  # noqa: ANN401
        answer = listed(place, kind, name, *asked)
        if place is not at or not lacks(next(asked_before)):
            return answer
        rows = [one for one in answer.body["value"] if one["name"] != number]
        return Answer(body={**answer.body, "value": rows})

    patched.setattr(assets, "versions", behind)


def test_nothing_is_made_where_the_target_lists_less_than_it_has(
    azureml: Emulator,
    lab: Place,
    opened: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = azureml.registry(lab.tenant, "shared")
    azureml.put_model(lab, "m", "3", {"w": b"3"})
    source, target, what = opened(lab), opened(shared), address(lab, "models", "m", "3")
    carry(source, what, target, tmp_path)
    azureml.put_model(shared, "m", "1", {"w": b"people's"})
    said = "says that models/m has a version 3, and does not list it"
    with monkeypatch.context() as patched:
        hide(patched, shared, "3")
        for policy in (WritePolicy(), WritePolicy(versions="next")):
            with pytest.raises(UnavailableError, match=said):
                carry(source, what, target, tmp_path, policy)
        with pytest.raises(UnavailableError, match=said):
            source.share(what, target, WritePolicy())
    assert carry(source, what, target, tmp_path, WritePolicy(versions="next")).receipt.idle


@pytest.mark.parametrize("how", ["carry", "share"])
def test_lists_that_contradict_each_other_are_asked_a_few_times(  # noqa: PLR0913, PLR0917  (what lacks where, and how)
    azureml: Emulator,
    lab: Place,
    opened: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    target, what = azureml.registry(lab.tenant, "target"), address(lab, "models", "n", "1")
    azureml.put_model(lab, "n", "1", {"w": b"1"})
    azureml.put_model(target, "n", "1", {"w": b"people's"})

    def again() -> None:
        if how == "share":
            opened(lab).share(what, opened(target), WritePolicy())
        else:
            carry(opened(lab), what, opened(target), tmp_path)

    with monkeypatch.context() as patched:
        # Each second one, so that any two in a row contradict each other.
        hide(patched, target, "1", lacks=lambda before: before % 2 == 0 and before < 40)
        said = "fewer versions of models/n than a moment later, 5 times in a row"
        with pytest.raises(UnavailableError, match=said):
            again()
    with monkeypatch.context() as patched:
        hide(patched, target, "1", lacks=lambda before: before == 0)
        with pytest.raises(ConflictError, match=r"another one|taken by other content"):
            again()


@pytest.mark.parametrize("kind", ["models", "environments"])
def test_what_a_name_means_is_not_known_while_its_list_lacks_the_newest(
    azureml: Emulator, lab: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    clinic, env = azureml.workspace(lab.tenant, "clinic"), azureml.environment(lab.tenant)
    azureml.put_environment(lab, "e", "2", image="i:2")
    azureml.put_model(lab, "m", "2", {"w": b"2"})
    what = f"{lab.locator}#models/m" + ("@latest" if kind == "models" else "/1")

    def done() -> Done:
        return within("copy", what, clinic.locator, cwd=tmp_path, env=env)

    def meant() -> str:
        return str(clinic.version("models", "m", "1")["properties"]["properties"][_MEANT])

    with monkeypatch.context() as patched:
        hide(patched, lab, "2")
        behind = done()
    said = f"{kind}/{'m' if kind == 'models' else 'e'} has a version 2, and does not list it"
    assert (behind.status, said in behind.err, clinic.of("models")) == (12, True, {})
    assert done().status == 0
    if kind == "models":
        assert set(clinic.of("models")["m"].versions) == {"2"}
        return
    assert meant() == "e:2"
    with monkeypatch.context() as patched:
        hide(patched, lab, "2")
        assert done().status == 12
    assert meant() == "e:2"


@pytest.mark.parametrize("place", ["workspace", "registry"])
@pytest.mark.parametrize("kind", ["models", "environments"])
@pytest.mark.parametrize(("policy", "number"), [(WritePolicy(), "1"), (_NEXT, "10")])
def test_nothing_is_made_where_the_list_lacks_one_below_the_newest(  # noqa: PLR0913, PLR0917  (what lacks where)
    azureml: Emulator,
    lab: Place,
    opened: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    kind: str,
    policy: WritePolicy,
    number: str,
) -> None:
    target, name = getattr(azureml, place)(lab.tenant, "target"), "m" if kind == "models" else "e"
    azureml.put_environment(target, "e", "9", image="i:people's")
    azureml.put_model(target, "m", "9", {"w": b"people's"})
    what = address(lab, kind, name, "1")
    made = carry(opened(lab), what, opened(target), tmp_path, policy).receipt
    assert made.target.version == number
    azureml.put_environment(target, "e", "12", image="i:later")
    azureml.put_model(target, "m", "12", {"w": b"later"})
    there = dict(target.of(kind)[name].versions)
    with monkeypatch.context() as patched:
        hide(patched, target, number)
        said = rf"{kind}/{name} has a version {number}, and does not list it"
        with pytest.raises(UnavailableError, match=said):
            carry(opened(lab), what, opened(target), tmp_path, policy)
    assert target.of(kind)[name].versions == there
    assert carry(opened(lab), what, opened(target), tmp_path, policy).receipt.idle


def test_what_a_registry_has_and_shows_to_nobody_is_told_with_what_to_do(
    azureml: Emulator,
    lab: Place,
    opened: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared, what = azureml.registry(lab.tenant, "shared"), address(lab, "models", "n", "1")
    azureml.put_model(lab, "n", "1", {"w": b"1"})
    for number in ("1", "2"):
        azureml.put_model(shared, "n", number, {"w": b"people's"})
    shared.unseen["models", "n", "1"] = 1000
    hide(monkeypatch, shared, "1")
    with pytest.raises(ConflictError, match="Asset n:1 already exists") as raised:
        carry(opened(lab), what, opened(shared), tmp_path)
    hint = raised.value.hint
    assert hint.startswith("azureml://registries/shared does not show models/n/1 to anybody")
    assert "--versions next" in hint


def test_a_name_whose_versions_were_all_deleted_is_left_out_once_it_is_archived(
    azureml: Emulator, lab: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env, asked = azureml.environment(lab.tenant), ("ls", f"{lab.locator}#models/*")
    # The name goes on saying what it had last.
    hide(monkeypatch, lab, "1")
    told = within(*asked, cwd=tmp_path, env=env)
    assert told.status == 12
    assert "models/m has a version 1, and shows none of it" in told.err
    assert "archive it (`az ml model archive --name m`), so that nobody looks" in told.err
    lab.of("models")["m"].properties["isArchived"] = True
    told = within(*asked, cwd=tmp_path, env=env)
    assert (told.status, "models/m/1" in told.out) == (0, False)
