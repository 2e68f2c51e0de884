"""Models travel between workspaces and registries whole, and say where they come from."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from mlarchive.copy import Way, copy
from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.registries.azureml import AzureMlRegistry
from mlarchive.registries.base import Action, Selector, WritePolicy
from mlarchive.registries.directory import DirectoryRegistry, labelled
from mlarchive.registries.mlflow import marks
from mlarchive.snapshot import entry_name
from tests.integration.azureml.registries import POLICY, Open, address, carry
from tests.support.azureml import Emulator, Place
from tests.support.azureml.files import FILES
from tests.support.command import within

CONDA = "# pinned by hand\nname: gpu\ndependencies:\n- python=3.11\n- pip\n"
LABELS: dict[str, Any] = {
    "modelType": "mlflow_model",
    "description": "finds the prostate",
    "tags": {"python_environment_name": "gpu", "site": "K\u00f6ln"},
    "properties": {"kept": "1"},
    "flavors": {"python_function": {"data": {"loader_module": "x"}}},
    "stage": "Production",
}


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with one model, its environment, and a folder beside it of almost its name."""
    place = azureml.workspace(azureml.tenant(), "lab")
    context = {"Dockerfile": b"FROM ubuntu\nCOPY a /a\n", "a": b"a"}
    azureml.put_environment(
        place, "gpu", "7", image="ubuntu:22.04", condaFile=CONDA, tags={"by": "hand"}
    )
    azureml.put_environment(place, "built", "1", context=context)
    azureml.put_model(place, "prostate", "892", FILES, **LABELS)
    uri = place.version("models", "prostate", "892")["properties"]["modelUri"]
    store = place.datastores["workspaceblobstore"]
    path = uri.partition("/paths/")[2].rstrip("/")
    azureml.storage.put(store.account, store.container, f"{path}_v2", {"MLmodel": b"other"})
    return place


def assert_arrived(azureml: Emulator, place: Place, number: str = "892") -> None:
    said = place.version("models", "prostate", number)["properties"]
    assert azureml.files_of(place, "prostate", number) == FILES
    assert said["modelType"] == "mlflow_model"
    assert said["description"] == "finds the prostate"
    assert {"python_environment_name": "gpu", "site": "K\u00f6ln"}.items() <= said["tags"].items()
    assert said["properties"]["kept"] == "1"
    assert said["flavors"] == LABELS["flavors"]
    assert said["stage"] == "Production"
    environment = place.version("environments", "gpu", "7")["properties"]
    assert environment["image"] == "ubuntu:22.04"
    assert environment["condaFile"] == CONDA
    assert marks.state_tags(environment["tags"]) == {"by": "hand"}


def test_a_model_arrives_in_another_tenant_by_way_of_a_package(
    azureml: Emulator, lab: Place, tmp_path: Path
) -> None:
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    packed = within(
        *("pack", f"{lab.locator}#models/prostate/892", "-o", "p.mlpkg"),
        cwd=tmp_path,
        env=azureml.environment(lab.tenant),
    )
    assert packed.status == 0, packed.err
    unpack = ("unpack", "p.mlpkg", clinic.locator)
    done = within(*unpack, cwd=tmp_path, env=azureml.environment(clinic.tenant))
    assert done.status == 0, done.err + done.out
    assert_arrived(azureml, clinic)
    said = clinic.version("models", "prostate", "892")["properties"]["properties"]
    assert said["mlarchive.origin"] == f"{lab.locator}#models/prostate/892"
    assert said["mlarchive.environment"] == "gpu:7"
    before = len(azureml.requests)
    again = within(*unpack, cwd=tmp_path, env=azureml.environment(clinic.tenant))
    assert again.status == 0
    assert "nothing to do" in again.out
    assert {one.method for one in azureml.requests[before:]} <= {"GET", "HEAD", "POST"}
    assert azureml.wire.leaks == ()


def test_a_model_goes_through_a_registry_into_another_workspace(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    shared = azureml.registry(lab.tenant, "shared")
    shared.polls, shared.replication = 2, 2
    clinic = azureml.workspace(lab.tenant, "clinic")
    source, middle, target = opened(lab), opened(shared), opened(clinic)
    for _ in range(2):
        first = carry(source, address(lab, "models", "prostate", "892"), middle, tmp_path)
        second = carry(middle, address(shared, "models", "prostate", "892"), target, tmp_path)
        assert (first.receipt.losses, second.receipt.losses) == ((), ())
        assert_arrived(azureml, shared)
        assert_arrived(azureml, clinic)
    assert first.receipt.idle
    assert second.receipt.idle
    said = clinic.version("models", "prostate", "892")["properties"]["properties"]
    assert said["mlarchive.path"] == f'["{lab.locator}","{shared.locator}"]'
    assert azureml.wire.leaks == ()


def test_what_is_read_back_is_what_was_read(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    source, target = opened(lab), opened(clinic)
    carried = carry(source, address(lab, "models", "prostate", "892"), target, tmp_path)
    back = carry(
        target, address(clinic, "models", "prostate", "892"), _Nowhere(tmp_path / "x"), tmp_path
    )
    assert carried.receipt.content_id == back.receipt.content_id


@pytest.mark.parametrize("kept", [False, True])
def test_a_stage_that_is_taken_away_goes_at_the_target_too_or_is_a_loss(
    azureml: Emulator, opened: Open, tmp_path: Path, *, kept: bool
) -> None:
    lab, clinic = (azureml.workspace(azureml.tenant(), name) for name in ("lab", "clinic"))
    clinic.keeps_stages = kept
    azureml.put_model(lab, "m", "1", {"w": b"1"}, stage="Production", description="x")
    source, target = opened(lab), opened(clinic)
    carry(source, address(lab, "models", "m", "1"), target, tmp_path)
    lab.version("models", "m", "1")["properties"].update(stage=None, description="")
    done = carry(source, address(lab, "models", "m", "1"), target, tmp_path).receipt
    again = carry(source, address(lab, "models", "m", "1"), target, tmp_path).receipt
    (listed,) = target.ls(Selector(kind="models"))
    stage = "Production" if kept else ""
    assert listed.facts.get("stage", "") == stage
    assert [loss.field for loss in done.losses] == ["stage"] * kept
    assert [loss.field for loss in again.losses] == ["stage"] * kept
    assert again.idle is not kept


def test_labels_go_with_the_source_s_and_what_people_said_stays(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    lab, clinic = (azureml.workspace(azureml.tenant(), name) for name in ("lab", "clinic"))
    azureml.put_environment(lab, "e", "1", image="i:1", description="e", tags={"k": "1"})
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={"python_environment_name": "e", "k": "1"})
    lab.of("models")["m"].properties.update(description="m", tags={"k": "1"}, properties={"p": "1"})
    source, target = opened(lab), opened(clinic)
    carry(source, address(lab, "models", "m", "1"), target, tmp_path)
    held = [
        clinic.version("environments", "e", "1")["properties"],
        clinic.of("models")["m"].properties,
    ]
    held.append(clinic.version("models", "m", "1")["properties"])
    for one in held:
        one["tags"]["mine"] = "1"
    held[-1]["description"] = "mine"
    done = carry(source, address(lab, "models", "m", "1"), target, tmp_path).receipt
    assert done.idle
    lab.of("models")["m"].properties.update(description="", tags={}, properties={})
    lab.version("environments", "e", "1")["properties"].update(description="", tags={})
    del lab.version("models", "m", "1")["properties"]["tags"]["k"]
    for idle in (False, True):
        done = carry(source, address(lab, "models", "m", "1"), target, tmp_path).receipt
        assert done.idle is idle
        assert [(loss.record, loss.field) for loss in done.losses] == [("models/m", "property p")]
    for one, description in (
        (clinic.version("environments", "e", "1")["properties"], ""),
        (clinic.of("models")["m"].properties, ""),
        (clinic.version("models", "m", "1")["properties"], "mine"),
    ):
        assert one["description"] == description
        assert (one["tags"].get("k"), one["tags"]["mine"]) == (None, "1")


def test_a_folder_is_registered_once(azureml: Emulator, tmp_path: Path) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    files = write(tmp_path / "model", FILES)
    command = (
        # Names of registries are of any case, but ids of assets have the service's own.
        *("copy", f"dir:{files}", "azureml://registries/SHARED"),
        *("--name", "prostate", "--version", "3"),
        *("--description", "finds it", "--tag", "site=lab"),
    )
    env = azureml.environment(shared.tenant)
    done = within(*command, cwd=tmp_path, env=env)
    assert done.status == 0, done.err + done.out
    said = shared.version("models", "prostate", "3")["properties"]
    assert azureml.files_of(shared, "prostate", "3") == FILES
    assert (said["modelType"], said["description"]) == ("mlflow_model", "finds it")
    assert said["tags"]["site"] == "lab"
    again = within(*command, cwd=tmp_path, env=env)
    assert (again.status, "nothing to do" in again.out) == (0, True)
    # Who leaves an option out takes nothing away, and what was said once can be said anew.
    for said, (description, site) in (
        ((), ("finds it", "lab")),
        (("--tag", "site=clinic"), ("finds it", "clinic")),
        (("--description", "finds it well"), ("finds it well", "clinic")),
        (command[-4:], ("finds it", "lab")),
    ):
        done = within(*command[:-4], *said, "--json", cwd=tmp_path, env=env)
        held = shared.version("models", "prostate", "3")["properties"]
        (receipt,) = done.receipts
        told = [one["field"] for one in receipt["transformations"]]
        missing = {"description", "tag site"} - {"tag site" if "--tag" in said else ""}
        missing -= {"description"} if "--description" in said else set()
        assert (done.status, set(told)) == (0, missing)
        assert (held["description"], held["tags"]["site"]) == (description, site)
    unnumbered = [*command[:5], *command[7:]]
    same = within(*unnumbered, cwd=tmp_path, env=env)
    assert (same.status, "nothing to do" in same.out) == (0, True)
    assert set(shared.of("models")["prostate"].versions) == {"3"}
    typed = within(*command, "--type", "custom_model", cwd=tmp_path, env=env)
    assert (typed.status, "type: it is there as mlflow_model" in typed.err) == (3, True)
    (files / "more").write_bytes(b"more")
    other = within(*command, cwd=tmp_path, env=env)
    assert other.status == 14
    assert "version 3 of the model 'prostate'" in other.err
    assert "taken by other content: it differs in its files" in other.err
    assert azureml.files_of(shared, "prostate", "3") == FILES
    for _ in range(2):
        assert within(*unnumbered, cwd=tmp_path, env=env).status == 0
    assert set(shared.of("models")["prostate"].versions) == {"3", "4"}
    # However its locator is written.
    for folder in ("model", "./model", "model/"):
        done = within("copy", f"dir:{folder}", *unnumbered[2:], cwd=tmp_path, env=env)
        assert (done.status, "nothing to do" in done.out) == (0, True), done.out
    assert set(shared.of("models")["prostate"].versions) == {"3", "4"}


def test_what_somebody_else_registered_is_known_by_its_bytes(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "prostate", "1", FILES, tags={"own": "1"})
    target = opened(lab)
    files = write(tmp_path / "model", FILES)
    same = register(files, "1", target, tmp_path)
    assert same.verb != "create"
    assert lab.version("models", "prostate", "1")["properties"]["tags"]["own"] == "1"
    (files / "empty").write_bytes(b"now not empty")
    with pytest.raises(ConflictError, match="taken by other content"):
        register(files, "1", target, tmp_path)


def test_all_versions_travel_and_archived_ones_on_request(
    azureml: Emulator, lab: Place, tmp_path: Path
) -> None:
    azureml.put_model(lab, "prostate", "893", {"x": b"1"}, isArchived=True)
    clinic = azureml.workspace(lab.tenant, "clinic")
    env = azureml.environment(lab.tenant)
    command = ("copy", f"{lab.locator}#models/prostate", clinic.locator)
    active = within(*command, cwd=tmp_path, env=env)
    told = "1 left out, since archived: models/prostate/893; "
    assert (active.status, f"{told}--archived takes them too" in active.err) == (0, True)
    assert set(clinic.of("models")["prostate"].versions) == {"892"}
    archived = within(*command, "--archived", cwd=tmp_path, env=env)
    assert (archived.status, archived.err) == (0, "")
    assert clinic.version("models", "prostate", "893")["properties"]["isArchived"] is True
    listed = within("ls", f"{clinic.locator}#models/*", "--archived", cwd=tmp_path, env=env)
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        "models/prostate/893",
        "models/prostate/892",
    ]
    again = within(*command, "--archived", cwd=tmp_path, env=env)
    assert (again.status, again.out.count("nothing to do")) == (0, 2)


def test_an_environment_travels_by_itself(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    shared = azureml.registry(lab.tenant, "shared")
    source, target = opened(lab), opened(shared)
    for _ in range(2):
        done = carry(source, address(lab, "environments", "built", "1"), target, tmp_path)
    assert done.receipt.idle
    build = shared.version("environments", "built", "1")["properties"]["build"]
    assert build["dockerfilePath"] == "Dockerfile"
    held = azureml.files_at(shared, build["contextUri"])
    assert held == {"Dockerfile": b"FROM ubuntu\nCOPY a /a\n", "a": b"a"}


def test_a_registry_copies_by_itself(azureml: Emulator, lab: Place, tmp_path: Path) -> None:
    shared = azureml.registry(lab.tenant, "shared")
    env = {**azureml.environment(lab.tenant), "AZUREML_REGISTRY_NAME": shared.name}
    things = (f"{lab.locator}#models/prostate/892", f"{lab.locator}#environments/built/1")
    command = ("copy", *things, "azureml:", "--share")
    done = within(*command, cwd=tmp_path, env=env)
    assert done.status == 0, done.err + done.out
    assert azureml.files_of(shared, "prostate", "892") == FILES
    assert shared.version("environments", "gpu", "7")["properties"]["condaFile"] == CONDA
    build = shared.version("environments", "built", "1")["properties"]["build"]
    assert azureml.files_at(shared, build["contextUri"])["a"] == b"a"
    again = within(*command, cwd=tmp_path, env=env)
    assert (again.status, again.out.count("nothing to do")) == (0, 2)
    assert azureml.wire.leaks == ()
    told = {"description": "of the clinic", "tags": {"k": "1"}}
    lab.of("models")["prostate"].properties.update(told)
    lab.of("environments")["built"].properties.update({**told, "isArchived": True})
    lab.version("models", "prostate", "892")["properties"]["tags"] = {"site": "Bonn", "new": "1"}
    said = shared.version("models", "prostate", "892")["properties"]
    for status in (3, 3):
        again = within(*command, "--json", cwd=tmp_path, env=env)
        assert again.status == status
        assert told.items() <= shared.of("models")["prostate"].properties.items()
    said = shared.version("models", "prostate", "892")["properties"]
    assert (said["tags"]["site"], said["tags"]["new"]) == ("K\u00f6ln", "1")
    receipt, whole = (json.loads(line)["receipt"] for line in again.out.splitlines()[:2])
    assert [one["field"] for one in receipt["losses"]] == ["tag site"]
    lost = [(one["record"], one["field"]) for one in whole["losses"]]
    whole = "environments/built"
    assert lost == [(f"{whole}/1", "lifecycle"), (whole, "description"), (whole, "tag k")]
    kept = "tag python_environment_name"
    assert [one["field"] for one in receipt["transformations"]] == [kept]
    # What a copy brought is archived as it is to be, whoever says it of which.
    shared.version("environments", "built", "1")["properties"]["isArchived"] = True
    copied = within("copy", things[1], "azureml:", "--share", "--json", cwd=tmp_path, env=env)
    (said,) = (json.loads(line)["receipt"] for line in copied.out.splitlines()[:1])
    assert [one["field"] for one in said["losses"]] == ["description", "tag k"]
    lab.version("models", "prostate", "892")["properties"]["tags"] = LABELS["tags"]
    shared.version("environments", "gpu", "7")["properties"]["condaFile"] = "name: other\n"
    other = within(*command, cwd=tmp_path, env=env)
    assert other.status == 14
    assert "environments/gpu/7" in other.err
    changed = ("copy", things[1], "azureml:", "--share")
    assert within(*changed, "--versions", "next", cwd=tmp_path, env=env).status == 2
    shared.version("environments", "built", "1")["properties"]["osType"] = "Windows"
    assert within(*changed, cwd=tmp_path, env=env).status == 14
    skipped = within(*changed, "--conflict", "skip", cwd=tmp_path, env=env)
    assert (skipped.status, "skip environments/built/1" in skipped.out) == (0, True)


@pytest.mark.parametrize("versions", ["preserve", "next"])
def test_a_copy_onto_itself_changes_nothing(
    lab: Place, opened: Open, tmp_path: Path, *, versions: Literal["preserve", "next"]
) -> None:
    place = opened(lab)
    policy = WritePolicy(versions=versions)
    for kind, name, number in (("models", "prostate", "892"), ("environments", "built", "1")):
        before = repr(lab.of(kind)[name])
        done = carry(place, address(lab, kind, name, number), place, tmp_path, policy)
        assert (done.receipt.idle, done.receipt.target.version) == (True, number)
        assert repr(lab.of(kind)[name]) == before


def test_what_is_copied_back_to_where_it_came_from_leaves_no_marks_there(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    lab.of("models")["prostate"].properties["description"] = "first"
    here, there = opened(lab), opened(clinic)
    what = ("models", "prostate", "892"), ("environments", "gpu", "7")
    for one in what:
        carry(here, address(lab, *one), there, tmp_path)
    clinic.version("models", "prostate", "892")["properties"]["stage"] = "Archived"
    clinic.of("models")["prostate"].properties["description"] = "second"
    for idle in (False, True):
        done = [carry(there, address(clinic, *one), here, tmp_path).receipt for one in what]
        assert [receipt.idle for receipt in done] == [idle, True]
    assert lab.version("models", "prostate", "892")["properties"]["stage"] == "Archived"
    assert lab.of("models")["prostate"].properties["description"] == "second"
    # Nor by a longer way.
    middle = azureml.workspace(lab.tenant, "middle")
    for one in what:
        carry(there, address(clinic, *one), opened(middle), tmp_path)
        carry(opened(middle), address(middle, *one), here, tmp_path)
    left = [lab.of("models")["prostate"].properties, *(lab.version(*one) for one in what)]
    assert "mlarchive." not in repr(left)


class _Nowhere(DirectoryRegistry):
    """A folder, to see what a package would hold."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, origin=f"dir:{folder}")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, raw in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)
    return folder


def register(files: Path, version: str, target: AzureMlRegistry, scratch: Path) -> Action:
    with DirectoryRegistry(files, origin=f"dir:{files}") as source:
        (ref,) = source.changes(Selector())
        named = labelled(
            source.read(ref.address), name="prostate", version=version, description="", tags={}
        )
        return copy(named, target, POLICY, Way(scratch=scratch, packed_at=0)).receipt.actions[-1]


def test_a_folder_of_mlflow_s_brings_the_environment_of_its_conda_file(
    azureml: Emulator, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    files = write(tmp_path / "model", {**FILES, "conda.yaml": CONDA.encode()})
    command = ("copy", f"dir:{files}", lab.locator, "--name", "conda8")
    env = azureml.environment(lab.tenant)
    done = within(*command, cwd=tmp_path, env=env)
    assert done.status == 0, done.err + done.out
    assert "1 thing held in another form" in done.out
    assert lab.version("environments", "conda8", "1")["properties"]["condaFile"] == CONDA
    said = lab.version("models", "conda8", "1")["properties"]["properties"]
    assert said["mlarchive.environment"] == "conda8:1"
    again = within(*command, cwd=tmp_path, env=env)
    assert (again.status, "nothing to do" in again.out) == (0, True)


def test_an_empty_blob_that_stands_for_a_folder_is_no_file(
    azureml: Emulator, lab: Place, opened: Open
) -> None:
    uri = lab.version("models", "prostate", "892")["properties"]["modelUri"]
    store = lab.datastores["workspaceblobstore"]
    path = uri.partition("/paths/")[2].rstrip("/")
    standing = {"": b"", "data/": b"", "nothing/in/": b""}
    azureml.storage.put(store.account, store.container, path, standing)
    # Accounts with a hierarchical namespace list folders so; what has bytes is none.
    client = azureml.storage.container(store.account, store.container)
    for name, raw in (("data", b""), ("bare", b""), ("marked", b"file")):
        client.upload_blob(f"{path}/{name}", raw, metadata={"hdi_isfolder": "true"})
    snapshot = opened(lab).read(address(lab, "models", "prostate", "892"))
    why = "it is an empty folder, and only files are carried"
    lost = [(loss.field, loss.why) for loss in snapshot.losses]
    assert lost == [("bare", why), ("nothing/in", why)]
    names = {entry_name(stream.entry) for stream in snapshot.streams}
    assert names >= {*FILES, "marked"}


def test_a_tag_without_a_value_is_an_empty_text(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    lab.version("models", "prostate", "892")["properties"]["tags"]["reviewed"] = None
    clinic = azureml.workspace(lab.tenant, "clinic")
    for _ in range(2):
        done = carry(
            opened(lab), address(lab, "models", "prostate", "892"), opened(clinic), tmp_path
        )
    assert done.receipt.idle
    assert clinic.version("models", "prostate", "892")["properties"]["tags"]["reviewed"] == ""


def test_labels_that_are_named_as_marks_are_and_are_none_are_losses(
    azureml: Emulator, lab: Place, opened: Open
) -> None:
    clinic = {"tags": {"mlarchive.own": "1", "mlarchive.given": "-"}, "properties": {}}
    for said in (
        lab.version("models", "prostate", "892")["properties"],
        lab.of("models")["prostate"].properties,
    ):
        said.update(clinic)
    azureml.put_environment(lab, "e", "1", image="i:1", properties={"mlarchive.mine": "1"})
    found = [
        (loss.record, loss.field)
        for what in (("models", "prostate", "892"), ("environments", "e", "1"))
        for loss in opened(lab).read(address(lab, *what)).losses
    ]
    own = "tag mlarchive.own"
    assert sorted(found) == [
        ("environments/e/1", "property mlarchive.mine"),
        ("models/prostate", own),
        ("models/prostate/892", own),
    ]


def test_what_no_record_has_a_place_for_is_a_loss(
    azureml: Emulator, lab: Place, opened: Open
) -> None:
    azureml.put_environment(lab, "auto", "1", image="x", autoRebuild="OnBaseImageUpdate")
    public = {"protectionLevel": "None"}
    azureml.put_environment(
        *(lab, "plain", "1"), image="x", autoRebuild="Disabled", intellectualProperty=public
    )
    azureml.put_environment(lab, "curated", "1", image="x", environmentType="Curated")
    azureml.put_environment(lab, "unnamed", "1", image="x", isAnonymous=True)
    lab.version("models", "prostate", "892")["properties"]["datasets"] = [{"name": "ct"}]
    fields = {
        ("models", "prostate", "892"): ["datasets"],
        ("environments", "auto", "1"): ["autoRebuild"],
        ("environments", "plain", "1"): [],
        ("environments", "curated", "1"): ["environmentType"],
        ("environments", "unnamed", "1"): ["isAnonymous"],
    }
    source = opened(lab)
    lost = {name: [one.field for one in source.read(address(lab, *name)).losses] for name in fields}
    assert lost == fields


def test_a_build_context_without_the_dockerfile_that_it_names_is_carried_with_a_loss(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    build = lab.version("environments", "built", "1")["properties"]["build"]
    for path, lost in (("gone/Dockerfile", ["Dockerfile"]), ("./Dockerfile", [])):
        build["dockerfilePath"] = path
        clinic.of("environments").clear()
        done = carry(
            opened(lab), address(lab, "environments", "built", "1"), opened(clinic), tmp_path
        )
        assert [loss.field for loss in done.read.losses] == lost
        said = clinic.version("environments", "built", "1")["properties"]
        assert said["build"]["dockerfilePath"] == path


def test_an_environment_that_cannot_be_read_is_not_registered_as_another(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(lab.tenant, "clinic")
    build = lab.version("environments", "built", "1")["properties"]["build"]
    build["contextUri"] = build["contextUri"].replace("/context/", "/gone/")
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={"python_environment_name": "built"})
    done = carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    assert "built" not in clinic.of("environments")
    (loss,) = done.receipt.losses
    assert (loss.record, loss.field) == ("models/m/1", "environment built")
    with pytest.raises(UnsupportedError, match="nothing is carried that it is made of"):
        carry(opened(lab), address(lab, "environments", "built", "1"), opened(clinic), tmp_path)


def test_what_an_interrupted_copy_sent_to_a_registry_is_in_nobody_s_way_and_removed(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    target = opened(shared)
    register(write(tmp_path / "model", {"which": b"1", "stale": b"1"}), "1", target, tmp_path)
    sent = shared.version("models", "prostate", "1")["properties"]["modelUri"]
    # As if that copy had been interrupted before it registered what it sent.
    del shared.of("models")["prostate"].versions["1"]
    files = write(tmp_path / "other" / "model", {"which": b"2"})
    assert register(files, "1", target, tmp_path).verb == "create"
    assert azureml.files_of(shared, "prostate", "1") == {"which": b"2"}
    assert azureml.files_at(shared, sent) == {}
