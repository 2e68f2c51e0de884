"""What is at a target already is not made there a second time, whoever copied it there."""

import copy
from pathlib import Path

import pytest

from mlarchive.errors import UnavailableError
from mlarchive.registries.base import Selector, WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.integration.azureml.test_mirror import Once, outcomes
from tests.support.azureml import Emulator, Place
from tests.support.command import within

_KEPT = WritePolicy(rename="kk")
_NEXT = WritePolicy(versions="next", rename="kk")
_ANEW = WritePolicy(versions="next", conflict="new-version", rename="kk")
_FILES = {"w": b"1", "sub/v": b"2"}


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with a version of a model, and of an environment, that nobody copied."""
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "k", "3", _FILES)
    azureml.put_environment(lab, "e", "3", image="i:3", tags={"a": "b"})
    return lab


@pytest.fixture
def clinic(azureml: Emulator, lab: Place, opened: Open, tmp_path: Path) -> Place:
    """A workspace of the same tenant that has it, with the marks of this program."""
    clinic = azureml.workspace(lab.tenant, "clinic")
    for kind, name in (("models", "k"), ("environments", "e")):
        carry(opened(lab), address(lab, kind, name, "3"), opened(clinic), tmp_path)
    return clinic


@pytest.fixture
def shared(azureml: Emulator, lab: Place) -> Place:
    """A registry of the same tenant."""
    return azureml.registry(lab.tenant, "shared")


@pytest.mark.parametrize("kind", ["models", "environments"])
@pytest.mark.parametrize("made", ["lab", "clinic"])
@pytest.mark.parametrize("policy", [_NEXT, _ANEW, _KEPT])
def test_what_a_registry_copied_by_itself_under_another_name_is_there(  # noqa: PLR0913, PLR0917  (two places, and how)
    lab: Place,
    clinic: Place,
    shared: Place,
    opened: Open,
    tmp_path: Path,
    kind: str,
    made: str,
    policy: WritePolicy,
) -> None:
    source, name = lab if made == "lab" else clinic, "k" if kind == "models" else "e"
    what = address(source, kind, name, "3")
    opened(source).share(what, opened(shared), _KEPT)
    for _ in range(2):
        receipt = carry(opened(source), what, opened(shared), tmp_path, policy).receipt
        assert (receipt.target.name, receipt.target.version) == ("kk", "3")
        assert (receipt.losses, list(shared.of(kind)["kk"].versions)) == ((), ["3"])
    assert receipt.idle
    # Nor does what it is made of come twice from where that was first.
    carry(opened(lab), address(lab, kind, name, "3"), opened(shared), tmp_path, policy)
    assert list(shared.of(kind)["kk"].versions) == ["3"]


def test_what_a_registry_copied_by_itself_has_its_marks_under_its_name_there(
    azureml: Emulator, clinic: Place, shared: Place, opened: Open, tmp_path: Path
) -> None:
    held = clinic.version("models", "k", "3")["properties"]["properties"]
    held["mlarchive.job"] = "made-it"
    what = address(clinic, "models", "k", "3")
    # An earlier version of this program left the version without a mark of its own name.
    for earlier, told in (
        (False, ["create", "update"]),
        (False, ["keep"]),
        (True, ["keep", "update"]),
    ):
        if earlier:
            shared.version("models", "kk", "3")["properties"]["properties"] = dict(held)
        receipt = opened(clinic).share(what, opened(shared), _KEPT)
        assert [one.verb for one in receipt.actions] == told
        said = shared.version("models", "kk", "3")["properties"]["properties"]
        assert said == {**held, "mlarchive.written": "kk/3"}
    far = azureml.workspace(clinic.tenant, "far")
    carry(opened(shared), address(shared, "models", "kk", "3"), opened(far), tmp_path)
    assert (
        far.version("models", "kk", "3")["properties"]["properties"]["mlarchive.job"] == "made-it"
    )


def test_marks_that_were_of_another_version_are_of_another_one_in_a_registry_too(
    azureml: Emulator, clinic: Place, shared: Place, opened: Open
) -> None:
    said = clinic.version("models", "k", "3")["properties"]
    labels = {part: copy.deepcopy(said[part]) for part in ("tags", "properties")}
    azureml.put_model(clinic, "q", "3", {"w": b"people's"}, **labels)
    opened(clinic).share(address(clinic, "models", "q", "3"), opened(shared), _KEPT)
    there = shared.version("models", "kk", "3")["properties"]["properties"]
    assert there["mlarchive.written"] == "k/3"
    (ref,) = opened(shared).changes(Selector(kind="models"))
    assert (ref.origin, ref.through) == ("", ())


@pytest.mark.parametrize("is_marked", [True, False])
def test_what_somebody_copied_is_known_by_its_marks_or_its_number_and_its_files(  # noqa: PLR0913  (three places, and how)
    azureml: Emulator,
    lab: Place,
    clinic: Place,
    opened: Open,
    tmp_path: Path,
    *,
    is_marked: bool,
) -> None:
    far, what = azureml.workspace(lab.tenant, "far"), address(lab, "models", "k", "3")
    said = clinic.version("models", "k", "3")["properties"]
    labels = {part: copy.deepcopy(said[part]) for part in ("tags", "properties")}
    more = labels if is_marked else {}
    azureml.put_model(far, "kk", "1", {"w": b"other"}, **more)
    number = "7" if is_marked else "3"
    azureml.put_model(far, "kk", number, _FILES, **more)
    for _ in range(2):
        receipt = carry(opened(lab), what, opened(far), tmp_path, _NEXT).receipt
        assert receipt.target.version == number
    assert list(far.of("models")["kk"].versions) == ["1", number]
    # What is made of something else is none, whatever it says.
    del far.of("models")["kk"].versions[number]
    azureml.put_model(far, "kk", number, {"w": b"1", "sub/v": b"3"}, **more)
    receipt = carry(opened(lab), what, opened(far), tmp_path, _NEXT).receipt
    assert receipt.target.version == str(int(number) + 1)


@pytest.mark.parametrize("way", ["shared", "taken over", "renumbered"])
def test_what_has_the_number_and_the_content_is_there_by_whatever_way_it_came(  # noqa: PLR0913, PLR0917  (three places, and how)
    azureml: Emulator, lab: Place, shared: Place, opened: Open, tmp_path: Path, way: str
) -> None:
    far, next_free = azureml.workspace(lab.tenant, "far"), WritePolicy(versions="next")
    what, middle = address(lab, "models", "k", "3"), address(shared, "models", "k", "3")
    for number in ("1", "2"):
        azureml.put_model(far, "k", number, {"w": b"people's"})
    if way == "shared":
        opened(lab).share(what, opened(shared), WritePolicy())
    else:
        carry(opened(lab), what, opened(shared), tmp_path)
    if way == "taken over":
        azureml.put_model(far, "k", "3", _FILES)
    if way == "renumbered":
        azureml.put_model(far, "k", "7", {"w": b"people's"})
    first = carry(opened(shared), middle, opened(far), tmp_path, next_free).receipt
    there = set(far.of("models")["k"].versions)
    receipt = carry(opened(lab), what, opened(far), tmp_path, next_free).receipt
    assert (set(far.of("models")["k"].versions), receipt.target) == (there, first.target)
    assert [one.verb for one in receipt.actions if one.verb in {"create", "update"}] == []


def test_a_folder_whose_version_came_by_way_of_another_place_is_there(
    azureml: Emulator, lab: Place, tmp_path: Path
) -> None:
    far, env = azureml.workspace(lab.tenant, "far"), azureml.environment(lab.tenant)
    azureml.put_model(far, "d", "1", {"w": b"people's"})
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "w").write_bytes(b"1")

    def copied(*words: str) -> int:
        return within("copy", *words, cwd=tmp_path, env=env).status

    assert copied("dir:d", lab.locator) == 0
    assert copied(f"{lab.locator}#models/d/1", far.locator, "--versions", "next") == 0
    assert copied("dir:d", far.locator) == 0
    assert set(far.of("models")["d"].versions) == {"1", "2"}
    (tmp_path / "d" / "w").write_bytes(b"2")
    assert copied("dir:d", far.locator) == 0
    assert set(far.of("models")["d"].versions) == {"1", "2", "3"}


def test_what_was_made_of_one_folder_at_two_places_is_one_by_its_number(
    azureml: Emulator, lab: Place, tmp_path: Path
) -> None:
    far, env = azureml.workspace(lab.tenant, "far"), azureml.environment(lab.tenant)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "w").write_bytes(b"1")

    def register(place: Place, *number: str) -> None:
        words = ("copy", "dir:d", place.locator, "--name", "m", *number)
        assert within(*words, cwd=tmp_path, env=env).status == 0

    def copied(number: str) -> set[str]:
        words = ("copy", f"{lab.locator}#models/m/{number}", far.locator, "--versions", "next")
        assert within(*words, cwd=tmp_path, env=env).status == 0
        return set(far.of("models")["m"].versions)

    register(far)
    register(lab)
    register(lab, "--version", "2")
    assert copied("1") == {"1"}
    assert copied("2") == {"1", "2"}
    # What was made of it when it was something else is another one.
    register(far, "--version", "3")
    (tmp_path / "d" / "w").write_bytes(b"2")
    register(lab, "--version", "3")
    assert copied("3") == {"1", "2", "3", "4"}


def test_an_environment_of_the_number_that_people_labelled_is_there(
    lab: Place, shared: Place, opened: Open, tmp_path: Path
) -> None:
    what = address(lab, "environments", "e", "3")
    opened(lab).share(what, opened(shared), _KEPT)
    shared.version("environments", "kk", "3")["properties"]["tags"] = {"a": "people's"}
    receipt = carry(opened(lab), what, opened(shared), tmp_path, _NEXT).receipt
    assert [(loss.record, loss.field) for loss in receipt.losses] == [
        ("environments/kk/3", "tag a")
    ]
    assert list(shared.of("environments")["kk"].versions) == ["3"]


def test_what_may_be_the_same_and_is_not_made_yet_is_waited_for(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    far, what = azureml.workspace(lab.tenant, "far"), address(lab, "models", "k", "3")
    azureml.put_model(far, "kk", "3", _FILES)
    far.version("models", "kk", "3")["properties"]["provisioningState"] = "Creating"
    with pytest.raises(UnavailableError, match=r"version 3 of .* is not made yet"):
        carry(opened(lab), what, opened(far), tmp_path, _NEXT)
    assert list(far.of("models")["kk"].versions) == ["3"]


@pytest.mark.parametrize("versions", ["preserve", "next"])
@pytest.mark.parametrize("made", ["lab", "clinic"])
def test_a_mirror_takes_what_a_registry_copied_by_itself_for_what_it_is(  # noqa: PLR0913, PLR0917  (two places, and how)
    azureml: Emulator,
    lab: Place,
    clinic: Place,
    shared: Place,
    opened: Open,
    tmp_path: Path,
    made: str,
    versions: str,
) -> None:
    source = lab if made == "lab" else clinic
    opened(source).share(address(source, "models", "k", "3"), opened(shared), _KEPT)
    del source.of("environments")["e"]
    once = Once(source, shared, tmp_path, azureml.environment(lab.tenant))
    config = tmp_path / "mirror.toml"
    more = f'versions = "{versions}"\n[mirror.rename]\nk = "kk"\n'
    config.write_text(config.read_text("utf-8") + more, "utf-8")
    assert outcomes(once()) == ["relabelled" if made == "lab" else "passed-over"]
    assert outcomes(once()) == []
    assert list(shared.of("models")["kk"].versions) == ["3"]
