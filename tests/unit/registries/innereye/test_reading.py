"""A folder of the classic script is read whole: model, environment, and whatever lies beside."""

import json
import shutil
from pathlib import Path

import pytest

from mlarchive.errors import DamageError, NotFoundError, SourceChangedError, UnsupportedError
from mlarchive.pack import pack_file
from mlarchive.records import Environment, Folder, ModelVersion
from mlarchive.registries.base import Selector
from mlarchive.registries.innereye.layout import MODEL_DOCUMENT
from mlarchive.snapshot import Snapshot, entry_name
from tests.support.innereye import DOCK, FOLDERS, PROSTATE, copied, read, registry


def paths(snapshot: Snapshot, key: str) -> set[str]:
    return {entry_name(stream.entry) for stream in snapshot.streams_of(key)}


def version_of(snapshot: Snapshot) -> ModelVersion:
    record = snapshot.record(snapshot.subject)
    assert isinstance(record, ModelVersion)
    return record


def environment_of(snapshot: Snapshot) -> Environment:
    record = snapshot.record(version_of(snapshot).environment)
    assert isinstance(record, Environment)
    return record


def changed(folder: Path, path_in_it: str, /, **members: object) -> None:
    """Give a document other members."""
    path = folder / path_in_it
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def test_a_version_has_its_name_number_labels_job_and_files() -> None:
    snapshot = read(FOLDERS)
    version = version_of(snapshot)
    assert (version.name, version.version, version.folder) == ("my_model", "100", "final_model")
    assert version.tags["python_environment_name"] == "InnerEye-Env"
    assert version.properties == {"dataset": "prostate-2021"}
    assert version.description == "Prostate, épaule"
    assert version.job == "main_16243546100_5d1"
    assert version.native.created == 1_624_354_863_512
    assert paths(snapshot, version.key) == {
        *(".amlignore", "score.py", "environment.yml", "model_inference_config.json"),
        *("checkpoints/last.ckpt", "InnerEye/ML/config.py", "InnerEye/__init__.py"),
        "YourCode/extra code/réglages.yml",
    }
    assert snapshot.losses == ()


def test_a_model_or_an_environment_that_is_not_there_is_a_loss(tmp_path: Path) -> None:
    top = copied(tmp_path)
    shutil.rmtree(top / "my_model_100/MODEL/final_model")
    shutil.rmtree(top / "my_model_100/ENVIRONMENT")
    lost = [(loss.record, loss.field) for loss in read(top).losses]
    what = "models/my_model/100"
    assert lost == [(what, "files"), (what, "environment InnerEye-Env")]


def test_a_folder_that_changes_while_it_is_read_makes_no_package(tmp_path: Path) -> None:
    """A document is read before the files, and may be another one when they were."""
    top = copied(tmp_path)
    snapshot = read(top)
    changed(top / PROSTATE, MODEL_DOCUMENT, description="another")
    with pytest.raises(SourceChangedError, match="changed while the folder was being read"):
        pack_file(snapshot, tmp_path / "torn.mlpkg", packed_at=1)
    pack_file(read(top), tmp_path / "whole.mlpkg", packed_at=1)


def test_an_ensemble_is_in_a_folder_of_another_name() -> None:
    assert version_of(read(FOLDERS, "dock")).folder == "final_ensemble_model"


def test_the_environment_has_its_image_variables_and_files() -> None:
    environment = environment_of(read(FOLDERS))
    assert (environment.name, environment.version) == ("InnerEye-Env", "1")
    assert environment.image.startswith("mcr.microsoft.com/azureml/")
    assert environment.variables == {"RSLEX_DIRECT_VOLUME_MOUNT": "True"}
    assert (environment.conda, environment.dockerfile) == ("conda_dependencies.yml", "")
    dock = read(FOLDERS, "dock")
    assert environment_of(dock).dockerfile == "BaseDockerfile"
    assert paths(dock, "environment") == {"conda_dependencies.yml", "BaseDockerfile"}


def test_whatever_else_lies_in_the_folder_is_kept(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    for path in ("MODEL/notes.md", "MODEL/other/x", "ENVIRONMENT/readme", "Tests/t.py"):
        (top / PROSTATE / path).parent.mkdir(exist_ok=True)
        (top / PROSTATE / path).write_bytes(b"x")
    snapshot = read(top)
    (beside,) = (record for record in snapshot.records if isinstance(record, Folder))
    assert paths(snapshot, beside.key) == {
        *("NOTES.txt", "MODEL/notes.md", "MODEL/other/x", "ENVIRONMENT/readme", "Tests/t.py"),
    }


def test_passwords_and_secret_variables_are_lost_by_name_and_nowhere_kept(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    registry_ = {"address": "r.azurecr.io", "username": "u", "password": "hunter2"}
    changed(
        top / PROSTATE,
        "ENVIRONMENT/azureml_environment.json",
        docker={"baseImage": "x", "baseImageRegistry": registry_},
        environmentVariables={"API_KEY": "hunter3", "MODE": "fast"},
    )
    snapshot = read(top)
    assert {loss.field for loss in snapshot.losses} == {
        *("docker.baseImageRegistry.password", "environmentVariables.API_KEY"),
    }
    assert environment_of(snapshot).variables == {"MODE": "fast"}
    assert "hunter" not in str(snapshot.records)
    assert "r.azurecr.io" in environment_of(snapshot).native.verbatim


def test_a_link_and_an_empty_folder_are_listed(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    (top / PROSTATE / "MODEL/final_model/link").symlink_to("/etc/passwd")
    (top / PROSTATE / "MODEL/final_model/empty").mkdir()
    fields = {loss.field for loss in read(top).losses}
    assert fields == {"MODEL/final_model/link", "MODEL/final_model/empty"}


def test_the_folder_of_one_model_is_a_registry_too() -> None:
    (listing,) = registry(FOLDERS / DOCK).ls(Selector())
    assert (listing.address.name, listing.address.version) == ("dock", "1")


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        list(registry(FOLDERS / "nowhere").ls(Selector()))
    with pytest.raises(NotFoundError, match="has no models/prostate"):
        list(registry(FOLDERS).ls(Selector(kind="models", name="prostate")))
    with pytest.raises(NotFoundError, match=r"has no MODEL/model\.json"):
        list(registry(FOLDERS / DOCK / "ENVIRONMENT").ls(Selector()))
    with pytest.raises(UnsupportedError, match="has no runs"):
        list(registry(FOLDERS).ls(Selector(kind="runs")))


@pytest.mark.parametrize(
    ("members", "wrong"),
    [
        ({"name": None}, "does not say which model it is"),
        ({"version": None}, "does not say which model it is"),
        ({"tags": ["a"]}, "'tags' of"),
        ({"tags": {"a": 1.5}}, "'a' of 'tags' of"),
        ({"description": {}}, "'description' of"),
    ],
)
def test_a_damaged_document_is_refused_by_member(
    tmp_path: Path, members: dict[str, object], wrong: str
) -> None:
    top = copied(tmp_path, PROSTATE)
    changed(top / PROSTATE, "MODEL/model.json", **members)
    with pytest.raises(DamageError, match=wrong):
        read(top, str(members.get("name", "my_model") or ""))


def test_documents_that_are_links_or_no_json_are_refused(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    environment = top / PROSTATE / "ENVIRONMENT/azureml_environment.json"
    environment.write_text("{")
    with pytest.raises(DamageError, match="is no JSON"):
        read(top)
    environment.unlink()
    environment.symlink_to("/etc/hostname")
    with pytest.raises(DamageError, match="is a symbolic link"):
        read(top)


def test_a_mirror_sees_labels_and_content_apart(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)

    def marks() -> tuple[str, str]:
        (ref,) = registry(top).changes(Selector())
        return ref.content_mark, ref.state_mark

    first = marks()
    changed(top / PROSTATE, "MODEL/model.json", tags={"a": "b"})
    relabelled = marks()
    assert relabelled[0] == first[0]
    assert relabelled[1] != first[1]
    (top / PROSTATE / "MODEL/final_model/score.py").write_text("other")
    assert marks()[0] != first[0]


def test_a_variable_that_holds_a_secret_in_part_is_given_up_whole(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    held = {
        "PIP_INDEX_URL": "https://bob:HUNTER2@pypi.example/simple",
        "STORE": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=HUNTER2==",
        "DB_PWD": "HUNTER2",
        "OMP_NUM_THREADS": "4",
    }
    changed(top / PROSTATE, "ENVIRONMENT/azureml_environment.json", environmentVariables=held)
    snapshot = read(top)
    assert environment_of(snapshot).variables == {"OMP_NUM_THREADS": "4"}
    assert "HUNTER2" not in repr(snapshot.records)
    lost = ("PIP_INDEX_URL", "STORE", "DB_PWD")
    assert [loss.field for loss in snapshot.losses] == [f"environmentVariables.{n}" for n in lost]


def test_two_folders_of_one_version_are_listed_and_neither_is_taken_for_it(tmp_path: Path) -> None:
    top = copied(tmp_path)
    (top / PROSTATE).rename(top / "one")
    shutil.copytree(top / "one", top / "two")
    (top / "two/MODEL/final_model/score.py").write_text("other")
    listings = list(registry(top).ls(Selector(name="my_model")))
    assert [listing.title for listing in listings] == ["one", "two"]
    assert all("are both models/my_model/100" in each.facts["damaged"] for each in listings)
    assert len(list(registry(top).changes(Selector(name="my_model")))) == 1
    with pytest.raises(DamageError, match="are both models/my_model/100"):
        registry(top).read(listings[0].address)
    assert version_of(read(top / "two")).name == "my_model"
    assert version_of(read(top, "dock")).name == "dock"


def test_links_to_models_and_models_without_their_document_are_listed(tmp_path: Path) -> None:
    top = copied(tmp_path)
    (top / "latest").symlink_to(PROSTATE)
    (top / DOCK / "MODEL/model.json").unlink()
    (top / "README.txt").write_text("x")
    listed = {
        listing.address.name: (listing.address, listing.facts.get("damaged", ""))
        for listing in registry(top).ls(Selector())
    }
    assert set(listed) == {"my_model", "latest", "dock"}
    for name, wrong in {"latest": "is a symbolic link", "dock": "says what model"}.items():
        address, said = listed[name]
        assert wrong in said
        with pytest.raises(DamageError, match=wrong):
            registry(top).read(address)
    assert len(list(registry(top).changes(Selector()))) == 3


def test_a_dockerfile_that_stands_in_the_document_alone_is_a_loss(tmp_path: Path) -> None:
    top = copied(tmp_path, DOCK)
    path = top / DOCK / "ENVIRONMENT/azureml_environment.json"
    stated = json.loads(path.read_text())
    stated["docker"]["baseDockerfile"] = "FROM ubuntu"
    path.write_text(json.dumps(stated))
    assert read(top, "dock").losses == ()
    (top / DOCK / "ENVIRONMENT/BaseDockerfile").unlink()
    assert [loss.field for loss in read(top, "dock").losses] == ["docker.baseDockerfile"]


def test_somebody_s_own_document_under_the_name_of_the_marks_is_a_loss(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    (top / PROSTATE / "mlarchive.json").write_text('{"hello": ["mine"]}')
    snapshot = read(top)
    assert [loss.field for loss in snapshot.losses] == ["mlarchive.json"]
    assert "hello" not in version_of(snapshot).native.also
