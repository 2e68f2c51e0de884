"""What is said and what becomes of a version that is there, that changes, or that is none."""

import copy
import json
from pathlib import Path

import pytest

from mlarchive.errors import ConflictError, RemoteError, UnavailableError
from mlarchive.registries.base import Selector, WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place
from tests.support.command import Done, within
from tests.support.json_document import differences


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with a model and its environment."""
    place = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_environment(place, "e", "1", image="i:1")
    tags = {"python_environment_name": "e"}
    azureml.put_model(place, "m", "1", {"w": b"1"}, tags=tags)
    return place


@pytest.mark.parametrize("kind", ["models", "environments"])
def test_what_the_service_could_not_make_is_none_and_what_it_makes_comes_later(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, kind: str
) -> None:
    name = "m" if kind == "models" else "e"
    azureml.put_model(lab, "m", "2", {"w": b"2"})
    azureml.put_environment(lab, "e", "2", image="i:2")
    source, what = opened(lab), address(lab, kind, name, "2")
    lab.version(kind, name, "2")["properties"]["provisioningState"] = "Creating"
    with pytest.raises(UnavailableError, match=f"{kind}/{name}/2 at .* is not made yet"):
        source.read(what)
    refs = {ref.address.version: ref for ref in source.changes(Selector(kind=kind))}
    assert (refs["2"].settled, refs["2"].unfinished, refs["1"].settled) == (False, "", True)

    lab.version(kind, name, "2")["properties"]["provisioningState"] = "Failed"
    with pytest.raises(RemoteError, match="could not make it: it is Failed"):
        source.read(what)
    refs = {ref.address.version: ref for ref in source.changes(Selector(kind=kind))}
    assert refs["2"].unfinished == "the service could not make it: it is Failed"
    # The others go on, and so does a model that means an environment of several versions.
    clinic = azureml.workspace(lab.tenant, "clinic")
    command = ("copy", f"{lab.locator}#{kind}/{name}", clinic.locator, "--json")
    done = within(*command, cwd=tmp_path, env=azureml.environment(lab.tenant))
    assert (done.status, set(clinic.of(kind)[name].versions)) == (21, {"1"})
    assert "could not make it" in done.out + done.err
    if kind == "environments":
        carry(source, address(lab, "models", "m", "1"), opened(clinic), tmp_path)
        said = clinic.version("models", "m", "1")["properties"]["properties"]
        assert said["mlarchive.environment"] == "e:1"
        shared = azureml.registry(lab.tenant, "shared")
        command = ("copy", f"{lab.locator}#environments/e/2", shared.locator, "--share")
        done = within(*command, cwd=tmp_path, env=azureml.environment(lab.tenant))
        assert (done.status, "could not make it" in done.err) == (21, True)


def test_what_is_made_below_higher_numbers_is_the_latest_there_and_that_is_told(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    azureml.put_model(clinic, "m", "7", {"w": b"7"})
    for told in (["it is made after version 7, so `@latest` names it there"], []):
        done = carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
        changed = done.receipt.transformations
        assert [one.why for one in changed if one.field == "@latest"] == told


def test_files_that_somebody_altered_at_the_target_are_a_conflict_and_are_written_anew(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic, shared = azureml.workspace(lab.tenant, "clinic"), azureml.registry(lab.tenant, "shared")
    files = {"w": b"1", "more/v": b"22"}
    azureml.put_model(lab, "m", "1", files)
    what, ways = address(lab, "models", "m", "1"), [opened(lab), opened(shared)]
    carry(ways[0], what, ways[1], tmp_path)
    target, at = opened(clinic), [what, address(shared, "models", "m", "1")]
    carry(ways[0], what, target, tmp_path)

    def put(path: str, raw: bytes) -> None:
        uri = clinic.version("models", "m", "1")["properties"]["modelUri"]
        store, _, folder = uri.partition("/datastores/")[2].partition("/paths/")
        kept = clinic.datastores[store]
        azureml.storage.put(kept.account, kept.container, folder.rstrip("/"), {path: raw})

    put("w", b"1")
    assert carry(ways[0], what, target, tmp_path).receipt.idle
    skip, anew = WritePolicy(conflict="skip"), WritePolicy(conflict="new-version")
    for path, raw in (("w", b"2"), ("w", b"longer"), ("stray", b"")):
        put(path, raw)
        for source, one in zip(ways, at, strict=True):
            with pytest.raises(ConflictError, match=f"files are no longer .* written: {path}$"):
                carry(source, one, target, tmp_path)
            skipped = carry(source, one, target, tmp_path, skip).receipt
            assert [action.verb for action in skipped.actions] == ["skip"]
        if path == "w":
            made = carry(ways[0], what, target, tmp_path, anew).receipt
            assert (made.idle, azureml.files_of(clinic, "m", "1")) == (False, files)
            assert azureml.files_of(clinic, "m", made.target.version) == files
            assert carry(ways[0], what, target, tmp_path, anew).receipt.idle


def test_what_the_target_could_not_make_or_still_makes_is_not_held(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    shared = azureml.registry(lab.tenant, "shared")
    source, target, what = opened(lab), opened(clinic), address(lab, "models", "m", "1")
    carry(source, what, target, tmp_path)
    source.share(what, opened(shared), WritePolicy())
    at_clinic, at_shared = (at.version("models", "m", "1")["properties"] for at in (clinic, shared))
    at_clinic["provisioningState"] = at_shared["provisioningState"] = "Creating"
    with pytest.raises(UnavailableError, match="is not made yet: it is Creating"):
        carry(source, what, target, tmp_path)
    with pytest.raises(UnavailableError, match="is not made yet"):
        source.share(what, opened(shared), WritePolicy())
    assert target.holding(what, WritePolicy()) is None
    listed = target.ls(Selector(kind="models"))
    assert [one.title for one in listed] == ["not made yet: it is Creating"]
    at_shared["provisioningState"] = "Failed"
    with pytest.raises(ConflictError, match="is none: the service could not make it"):
        source.share(what, opened(shared), WritePolicy())
    skipped = source.share(what, opened(shared), WritePolicy(conflict="skip"))
    assert [one.verb for one in skipped.actions if one.what == "models/m/1"] == ["skip"]
    at_clinic["provisioningState"] = "Succeeded"
    assert carry(source, what, target, tmp_path).receipt.idle


@pytest.mark.parametrize("tagged", ["1", ""])
def test_a_model_whose_environment_is_archived_later_stays_what_it_is(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, tagged: str
) -> None:
    if tagged:
        tags = lab.version("models", "m", "1")["properties"]["tags"]
        tags["python_environment_version"] = tagged
    clinic = azureml.workspace(lab.tenant, "clinic")
    source, target, what = opened(lab), opened(clinic), address(lab, "models", "m", "1")
    carry(source, what, target, tmp_path)
    (before,) = source.changes(Selector(kind="models"))
    lab.version("environments", "e", "1")["properties"]["isArchived"] = True
    (after,) = source.changes(Selector(kind="models"))
    assert after.content_mark == before.content_mark
    done = carry(source, what, target, tmp_path)
    assert (done.read.losses, done.receipt.losses) == ((), ())
    assert clinic.version("environments", "e", "1")["properties"]["isArchived"] is True


def test_of_two_versions_with_the_same_files_each_gets_its_own_labels_home(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    middle = azureml.workspace(lab.tenant, "middle")
    for number in ("1", "2"):
        tags = {"which": number}
        azureml.put_model(lab, "twin", number, {"w": b"1"}, tags=tags, description=f"of {number}")
    source, between = opened(lab), opened(middle)
    following = WritePolicy(versions="next")
    carry(source, address(lab, "models", "twin", "2"), between, tmp_path, following)
    middle.version("models", "twin", "1")["properties"]["description"] = "news"
    for idle in (False, True):
        back = carry(between, address(middle, "models", "twin", "1"), source, tmp_path).receipt
        assert (back.idle, back.target.version, back.transformations) == (idle, "2", ())
    one, two = (lab.version("models", "twin", number)["properties"] for number in ("1", "2"))
    assert (one["description"], one["tags"]) == ("of 1", {"which": "1"})
    assert (two["description"], two["tags"]) == ("news", {"which": "2"})


def test_what_a_version_that_is_taken_over_cannot_become_is_a_loss_each_time(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    data = {"data": {"loader": "x"}}
    lab.version("models", "m", "1")["properties"].update(
        modelType="mlflow_model", flavors={"onnx": data, "sklearn": data}
    )
    other = {"onnx": {"data": {}}, "own": data}
    azureml.put_model(clinic, "m", "1", {"w": b"1"}, modelType="triton_model", flavors=other)
    for idle in (False, True):
        done = carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
        assert done.receipt.idle is idle
        lost = [one.field for one in done.receipt.losses]
        assert lost == ["type", "flavor onnx", "flavor sklearn"]
        told = [one.field for one in done.receipt.transformations]
        assert "flavor own" in told


def test_archiving_and_restoring_travel_there_and_back(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    ends = {"lab": (lab, opened(lab)), "clinic": (clinic, opened(clinic))}

    def is_archived(place: Place) -> bool:
        return bool(place.version("models", "m", "1")["properties"]["isArchived"])

    def archive(place: Place, *, hides: bool) -> None:
        place.version("models", "m", "1")["properties"]["isArchived"] = hides

    def bring(source: str, target: str) -> list[str]:
        place, registry = ends[source]
        what = address(place, "models", "m", "1")
        receipt = carry(registry, what, ends[target][1], tmp_path).receipt
        return [one.field for one in receipt.transformations]

    bring("lab", "clinic")
    for hides in (True, False, True, False):
        archive(clinic, hides=hides)
        assert bring("clinic", "lab") == []
        assert is_archived(lab) is hides
        assert bring("lab", "clinic") == []
    archive(lab, hides=True)
    assert bring("clinic", "lab") == ["lifecycle"]
    assert is_archived(lab)
    bring("lab", "clinic")
    assert is_archived(clinic)
    # What people say here of what came from there stays, and is told.
    archive(clinic, hides=False)
    assert bring("lab", "clinic") == ["lifecycle"]
    assert not is_archived(clinic)
    assert "mlarchive." not in json.dumps(lab.version("models", "m", "1"))


def test_what_is_left_out_since_it_is_archived_is_counted_and_named_by_every_command(
    azureml: Emulator, lab: Place, tmp_path: Path
) -> None:
    azureml.put_model(lab, "m", "2", {"w": b"2"}, isArchived=True)
    azureml.put_model(lab, "old", "1", {"w": b"1"})
    lab.of("models")["old"].properties["isArchived"] = True
    azureml.put_model(lab, "all", "7", {"w": b"7"}, isArchived=True)
    env = azureml.environment(lab.tenant)

    def done(*words: str) -> Done:
        return within(*words, cwd=tmp_path, env=env)

    whole = done("ls", lab.locator)
    assert whole.err == (
        "3 left out, since archived: models/all/7, models/m/2, models/old; "
        "--archived takes them too\n"
    )
    *_, last = done("ls", lab.locator, "--json").documents
    assert list(differences(last, "left out")) == []
    assert (last["left_out"], last["count"]) == (["models/all/7", "models/m/2", "models/old"], 3)
    everything = done("ls", lab.locator, "--archived", "--json").documents
    hidden = [one["object"] for one in everything if one["archived"]]
    assert sorted(hidden) == ["models/all/7", "models/m/2", "models/old/1"]
    one = f"{lab.locator}#models/m"
    for command in (
        ("pack", one, "-o", "m.mlpkg"),
        ("diff", one, "m.mlpkg"),
        ("show", one),
        ("extract", one, "-C", "files"),
        ("send", one, "outbox:out"),
    ):
        assert "1 left out, since archived: models/m/2; " in done(*command).err, command
    # What is archived later is not gone.
    lab.version("models", "m", "1")["properties"]["isArchived"] = True
    again = done("send", lab.locator, "outbox:out", "--deletions")
    assert (again.status, "says so" in again.out) == (0, False)
    none = done("show", f"{lab.locator}#models/all")
    assert (
        none.status,
        "nothing that is there but what is archived: models/all/7" in none.err,
    ) == (
        11,
        True,
    )


def test_nobody_says_that_what_is_archived_is_as_asked(
    azureml: Emulator, lab: Place, tmp_path: Path
) -> None:
    azureml.put_model(lab, "m", "2", {"w": b"2"}, isArchived=True)
    env = azureml.environment(lab.tenant)
    listed = within("ls", lab.locator, "--include", "zzz*", cwd=tmp_path, env=env)
    said = "since archived: models/m/2; --archived takes those of them that are as asked\n"
    assert said in listed.err
    asked = ("pack", lab.locator, "-o", "m.mlpkg", "--tag", "a=b")
    none = within(*asked, cwd=tmp_path, env=env)
    assert none.status == 11
    assert "that is as asked; what is archived was not looked at: models/m/2" in none.err


def test_what_is_held_of_a_version_that_has_changed_is_what_was_made_last(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    target, what = opened(clinic), address(lab, "models", "m", "1")
    first = lab.of("models")["m"].versions["1"]
    was = carry(opened(lab), what, target, tmp_path).receipt
    del lab.of("models")["m"].versions["1"]
    azureml.put_model(lab, "m", "1", {"other": b"2"}, folder="second")
    anew = WritePolicy(conflict="new-version")
    made = carry(opened(lab), what, target, tmp_path, anew).receipt
    held = target.holding(what, anew)
    assert held is not None
    assert (held.address.version, held.content_id) == ("2", made.content_id)
    # What it was once is the third one.
    lab.of("models")["m"].versions["1"] = first
    back = carry(opened(lab), what, target, tmp_path, anew).receipt
    held = target.holding(what, anew)
    assert held is not None
    assert (held.address.version, held.content_id) == ("3", was.content_id)
    assert not back.idle
    assert carry(opened(lab), what, target, tmp_path, anew).receipt.idle


@pytest.mark.parametrize("made", ["workspace", "workspace of an older one", "registry"])
def test_what_somebody_made_of_a_version_marks_along_is_read_as_a_version_of_its_own(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, made: str
) -> None:
    kind, *older = made.split(" ", 1)
    clinic, far = getattr(azureml, kind)(lab.tenant, "clinic"), azureml.workspace(lab.tenant, "far")
    carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    said = clinic.version("models", "m", "1")["properties"]
    if older:
        del said["properties"]["mlarchive.written"]
    labels = {part: copy.deepcopy(said[part]) for part in ("tags", "properties")}
    azureml.put_model(clinic, "m", "2", {"w": b"1"}, description="people's", **labels)
    source = opened(clinic)
    refs = {ref.address.version: ref for ref in source.changes(Selector(kind="models"))}
    assert (bool(refs["1"].origin), refs["2"].origin, refs["2"].through) == (True, "", ())
    for version in ("1", "2", "1", "2"):
        receipt = carry(source, address(clinic, "models", "m", version), opened(far), tmp_path)
        assert receipt.receipt.target.version == version
    descriptions = [far.version("models", "m", one)["properties"] for one in ("1", "2")]
    assert [one.get("description") or "" for one in descriptions] == ["", "people's"]
    # At home it is a version of its own, too.
    home = carry(source, address(clinic, "models", "m", "2"), opened(lab), tmp_path).receipt
    assert home.target.version == "2"
    assert not lab.version("models", "m", "1")["properties"].get("description")


@pytest.mark.parametrize(
    "made",
    [
        "workspace people's",
        "workspace people's of an older one",
        "workspace 1",
        "registry people's",
    ],
)
def test_what_somebody_made_of_a_version_marks_along_is_none_of_ours(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, made: str
) -> None:
    kind, raw, *older = made.split(" ", 2)
    clinic, files = getattr(azureml, kind)(lab.tenant, "clinic"), {"w": raw.encode()}
    source, target, what = opened(lab), opened(clinic), address(lab, "models", "m", "1")
    carry(source, what, target, tmp_path)
    said = clinic.version("models", "m", "1")["properties"]
    if older:
        del said["properties"]["mlarchive.written"]
    # As the client does that gets a version, gives it another number and sends it.
    labels = {part: copy.deepcopy(said[part]) for part in ("tags", "properties")}
    azureml.put_model(clinic, "m", "2", files, description="people's", **labels)
    clone = copy.deepcopy(clinic.version("models", "m", "2"))
    for conflict in ("fail", "skip", "new-version"):
        receipt = carry(source, what, target, tmp_path, WritePolicy(conflict=conflict)).receipt
        assert (receipt.idle, receipt.target.version) == (True, "1")
    lab.version("models", "m", "1")["properties"]["tags"]["a"] = "b"
    for idle in (False, True):
        receipt = carry(source, what, target, tmp_path).receipt
        assert (receipt.idle, receipt.target.version) == (idle, "1")
        held = target.holding(what, WritePolicy())
        assert held is not None
        assert (held.address.version, held.state_id) == ("1", receipt.state_id)
    assert clinic.version("models", "m", "2") == clone
    assert clinic.version("models", "m", "1")["properties"]["tags"]["a"] == "b"

    # It is taken over as any that has no marks, where its number is wanted.
    azureml.put_model(lab, "m", "2", files, tags={"c": "d"})
    for idle in (False, True):
        receipt = carry(source, address(lab, "models", "m", "2"), target, tmp_path).receipt
        assert (receipt.idle, receipt.target.version) == (idle, "2")
    taken = clinic.version("models", "m", "2")["properties"]
    assert (taken["description"], taken["tags"]["c"]) == ("people's", "d")
    assert (set(clinic.of("models")["m"].versions)) == {"1", "2"}
    assert carry(source, what, target, tmp_path).receipt.target.version == "1"


def test_what_somebody_made_of_an_older_version_is_not_what_its_source_was_last(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic, anew = azureml.workspace(lab.tenant, "clinic"), WritePolicy(conflict="new-version")
    source, target, what = opened(lab), opened(clinic), address(lab, "models", "m", "1")
    carry(source, what, target, tmp_path, anew)
    del lab.of("models")["m"].versions["1"]
    azureml.put_model(lab, "m", "1", {"other": b"2"}, folder="second")
    now = carry(source, what, target, tmp_path, anew).receipt
    for number in ("1", "2"):
        del clinic.version("models", "m", number)["properties"]["properties"]["mlarchive.written"]
    said = clinic.version("models", "m", "1")["properties"]
    labels = {part: copy.deepcopy(said[part]) for part in ("tags", "properties")}
    azureml.put_model(clinic, "m", "3", {"w": b"people's"}, **labels)
    held = target.holding(what, anew)
    assert held is not None
    assert (held.address.version, held.content_id) == ("2", now.content_id)
    assert carry(source, what, target, tmp_path, anew).receipt.idle
    assert set(clinic.of("models")["m"].versions) == {"1", "2", "3"}


@pytest.mark.parametrize("made", ["i:1", "i:people's", "i:1 of an older one"])
def test_an_environment_that_somebody_made_of_one_marks_along_is_not_what_is_held(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, made: str
) -> None:
    clinic, (image, _, is_older) = azureml.workspace(lab.tenant, "clinic"), made.partition(" ")
    source, target, what = opened(lab), opened(clinic), address(lab, "environments", "e", "1")
    carry(source, what, target, tmp_path)
    said = clinic.version("environments", "e", "1")["properties"]
    if is_older:
        del said["properties"]["mlarchive.written"]
    labels = {part: copy.deepcopy(said[part]) for part in ("tags", "properties")}
    azureml.put_environment(clinic, "e", "2", image=image, **labels)
    clone = copy.deepcopy(clinic.version("environments", "e", "2"))
    lab.version("environments", "e", "1")["properties"]["tags"] = {"a": "b"}
    for idle in (False, True):
        receipt = carry(source, what, target, tmp_path).receipt
        held = target.holding(what, WritePolicy())
        assert held is not None
        assert (receipt.idle, held.address, held.state_id) == (
            idle,
            receipt.target,
            receipt.state_id,
        )
    assert receipt.target.version == "1"
    assert clinic.version("environments", "e", "2") == clone
