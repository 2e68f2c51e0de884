"""What a registry copies by itself keeps its number, whatever else was made of the same."""

from pathlib import Path

import pytest

from mlarchive.errors import ConflictError
from mlarchive.registries.base import Receipt, WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place
from tests.support.command import within

_NEXT = WritePolicy(versions="next")
_BEFORE = "what was written from it before is there as 5, and stays"


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
def test_what_was_copied_before_under_the_next_number_stays_and_is_told(
    lab: Place, shared: Place, opened: Open, tmp_path: Path, kind: str
) -> None:
    source, target, what = opened(lab), opened(shared), address(lab, kind, "x", "1")
    assert carry(source, what, target, tmp_path, _NEXT).receipt.target.version == "5"
    for idle in (False, True):
        receipt = source.share(what, target, WritePolicy())
        assert (receipt.idle, receipt.target.version) == (idle, "1")
        told = [one.why for one in receipt.transformations if one.field == "version"]
        assert told == ([] if idle else [_BEFORE])
    assert set(shared.of(kind)["x"].versions) == {"1", "4", "5"}


def test_a_dry_run_tells_what_is_copied_and_copies_nothing(
    azureml: Emulator, lab: Place, shared: Place, tmp_path: Path
) -> None:
    azureml.put_model(lab, "z", "2", {"w": b"1"}, tags={"python_environment_name": "x"})
    azureml.put_model(shared, "z", "3", {"w": b"theirs"})
    words = ("copy", "--share", f"{lab.locator}#models/z/2", shared.locator, "--json")
    env = azureml.environment(lab.tenant)
    plan, done = (within(*words, *more, cwd=tmp_path, env=env) for more in (("--dry-run",), ()))
    (told,) = (one["plan"] for one in plan.documents if "plan" in one)
    (receipt,) = done.receipts
    assert told["target"] == receipt["target"]
    made = [{"verb": "create", "what": what} for what in ("environments/x/1", "models/z/2")]
    assert [{key: one[key] for key in ("verb", "what")} for one in told["actions"]] == made
    assert told["transformations"] == receipt["transformations"] != []
    again = within(*words, "--dry-run", cwd=tmp_path, env=env)
    assert {one["verb"] for one in again.documents[0]["plan"]["actions"]} == {"keep"}


def test_what_somebody_else_shares_meanwhile_is_there(
    azureml: Emulator, lab: Place, shared: Place, opened: Open
) -> None:
    what, target = address(lab, "models", "x", "1"), opened(shared)
    first: list[Receipt] = []

    def is_asked_by_the_client(method: str, host: str, path: str) -> bool:
        # Azure's own client looks whether it is there, and then says that it is.
        del host
        asked.append(path)
        return method == "GET" and asked.count(path) > 1 and path.endswith("/models/x/versions/1")

    asked: list[str] = []
    azureml.faults.meanwhile(
        lambda: first.append(opened(lab).share(what, target, WritePolicy())),
        counts=is_asked_by_the_client,
    )
    receipt = opened(lab).share(what, opened(shared), WritePolicy())
    assert (len(first), receipt.target.version) == (1, "1")
    assert opened(lab).share(what, target, WritePolicy()).idle


@pytest.mark.parametrize("kind", ["models", "environments"])
@pytest.mark.parametrize("way", ["home", "sibling"])
def test_what_came_from_there_or_from_where_that_came_is_told(  # noqa: PLR0913, PLR0917  (places, and how)
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path, kind: str, way: str
) -> None:
    if way == "home":
        first = address(shared, kind, "x", "4")
        why = "it was written from what is there as 4, and stays"
        begins = shared
    else:
        begins = azureml.workspace(lab.tenant, "far")
        put(azureml, begins, kind, "7", "far's")
        first = address(begins, kind, "x", "7")
        carry(opened(begins), first, opened(shared), tmp_path, _NEXT)
        why = "what was written from the same is there as 5, and stays"
    for _ in range(4):
        put(azureml, lab, kind, str(2 + len(lab.of(kind)["x"].versions)), "more")
    made = carry(opened(begins), first, opened(lab), tmp_path, _NEXT).receipt.target
    what = address(lab, kind, "x", made.version)
    receipt = opened(lab).share(what, opened(shared), WritePolicy())
    told = [one.why for one in receipt.transformations if one.field == "version"]
    assert (receipt.target.version, told) == (made.version, [why])


def test_versions_of_one_folder_are_shared_each_with_its_own_labels(
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "w").write_bytes(b"1")
    for number in ("1", "2"):
        done = within(
            "copy", f"dir:{tmp_path / 'd'}", lab.locator, "--name", "y", "--version", number,
            "--tag", f"number={number}", cwd=tmp_path, env=azureml.environment(lab.tenant),
        )  # fmt: skip
        assert done.status == 0, done.err
    for number in ("1", "2"):
        what = address(lab, "models", "y", number)
        assert opened(lab).share(what, opened(shared), WritePolicy()).transformations == ()
    there = shared.of("models")["y"].versions
    said = {one: version["properties"]["tags"]["number"] for one, version in there.items()}
    assert said == {"1": "1", "2": "2"}


def test_what_a_registry_copied_of_a_folder_is_there_for_a_plain_copy(
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "w").write_bytes(b"1")
    made = ("copy", f"dir:{tmp_path / 'd'}", lab.locator, "--name", "y")
    assert within(*made, cwd=tmp_path, env=azureml.environment(lab.tenant)).status == 0
    what = address(lab, "models", "y", "1")
    opened(lab).share(what, opened(shared), WritePolicy())
    receipt = carry(opened(lab), what, opened(shared), tmp_path).receipt
    assert "create" not in {one.verb for one in receipt.actions}
    assert (receipt.target.version, receipt.losses) == ("1", ())
    del lab.of("models")["y"].versions["1"]
    azureml.put_model(lab, "y", "1", {"w": b"2"})
    with pytest.raises(ConflictError, match="it differs in its files"):
        carry(opened(lab), what, opened(shared), tmp_path)
