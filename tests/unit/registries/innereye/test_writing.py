"""A version is written as the classic script lays it out: once, whole, under the right number."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.records import Environment, File, ModelVersion, Native
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.innereye.modeldocument import write_version
from tests.support import snapshots
from tests.support.innereye import (
    DOCK,
    DOCUMENTS,
    FOLDERS,
    PROSTATE,
    copied,
    document,
    files,
    read,
    registry,
    written,
)


@pytest.mark.parametrize(("folder", "name"), [(PROSTATE, "my_model"), (DOCK, "dock")])
def test_what_comes_back_has_the_same_files_and_the_same_meaning(
    tmp_path: Path, folder: str, name: str
) -> None:
    receipt = written(read(FOLDERS, name), tmp_path / "back")
    assert [action.verb for action in receipt.actions] == ["create"]
    assert (receipt.losses, receipt.transformations) == ((), ())
    back = tmp_path / "back" / folder
    assert files(back) == files(FOLDERS / folder)
    for path in DOCUMENTS:
        assert document(back, path) == document(FOLDERS / folder, path)


def test_an_older_document_gets_no_members_that_it_did_not_have(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    older = {"name": "old", "docker": {"baseImage": None}, "python": {}, "version": None}
    path = top / PROSTATE / "ENVIRONMENT/azureml_environment.json"
    path.write_text(json.dumps(older))
    written(read(top), tmp_path / "back")
    assert document(tmp_path / "back" / PROSTATE, DOCUMENTS[1]) == older


def test_written_again_it_is_kept(tmp_path: Path) -> None:
    top = tmp_path / "back"
    written(read(FOLDERS), top)
    again = written(read(FOLDERS), top)
    assert [action.verb for action in again.actions] == ["keep"]
    (ref,) = registry(top).changes(Selector())
    assert ref.origin == "lab#models/my_model/100"
    held = registry(top).holding(read(FOLDERS).address, WritePolicy())
    assert held is not None
    assert held.content_id == again.content_id


def test_variables_keep_their_values_as_the_document_spells_them(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    path = top / PROSTATE / "ENVIRONMENT/azureml_environment.json"
    stated = {**json.loads(path.read_text()), "environmentVariables": {"THREADS": 4, "NONE": None}}
    path.write_text(json.dumps(stated))
    snapshot = read(top)
    assert snapshot.losses == ()
    written(snapshot, tmp_path / "back")
    assert document(tmp_path / "back" / PROSTATE, DOCUMENTS[1]) == stated


def test_passwords_are_not_written(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    path = top / PROSTATE / "ENVIRONMENT/azureml_environment.json"
    stated = json.loads(path.read_text())
    stated["docker"]["baseImageRegistry"] = {"address": "r", "username": "u", "password": "hunter2"}
    stated["docker"]["arguments"] = ["-e", "PASSWORD=hunter4", "--token", "hunter5"]
    stated["environmentVariables"] = {"ACCESS_TOKEN": "hunter3"}
    path.write_text(json.dumps(stated))
    written(read(top), tmp_path / "back")
    raw = (tmp_path / "back" / PROSTATE / "ENVIRONMENT/azureml_environment.json").read_text()
    assert "hunter" not in raw
    assert json.loads(raw)["docker"]["arguments"] == ["-e", "PASSWORD=", "--token", ""]
    back = json.loads(raw)
    assert back["docker"]["baseImageRegistry"] == {
        "address": "r",
        "username": "u",
        "password": None,
    }
    assert back["environmentVariables"] == {}


@pytest.mark.parametrize("user", ["robot:hunter2@", "https://robot:hunter2@"])
def test_user_and_password_of_an_image_are_a_loss_and_the_image_stays(
    tmp_path: Path, user: str
) -> None:
    top = copied(tmp_path, PROSTATE)
    path = top / PROSTATE / "ENVIRONMENT/azureml_environment.json"
    stated = json.loads(path.read_text())
    stated["docker"]["baseImage"] = f"{user}reg.example/x@sha256:00"
    path.write_text(json.dumps(stated))
    snapshot = read(top)
    assert [loss.field for loss in snapshot.losses] == ["docker.baseImage"]
    assert "hunter2" not in repr(snapshot.records)
    written(snapshot, tmp_path / "back")
    image = document(tmp_path / "back" / PROSTATE, DOCUMENTS[1])["docker"]["baseImage"]
    assert image == f"{user.partition('robot')[0]}reg.example/x@sha256:00"


def test_changed_labels_change_the_document_alone(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    written(read(top), tmp_path / "back")
    before = files(tmp_path / "back" / PROSTATE)
    path = top / PROSTATE / "MODEL/model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tags": {"stage": "clinic"}}))
    receipt = written(read(top), tmp_path / "back")
    assert [action.verb for action in receipt.actions] == ["update"]
    assert document(tmp_path / "back" / PROSTATE, DOCUMENTS[0])["tags"] == {"stage": "clinic"}
    assert files(tmp_path / "back" / PROSTATE) == before
    assert [a.verb for a in written(read(top), tmp_path / "back").actions] == ["keep"]


def other(tmp_path: Path) -> Path:
    """A folder where something else has the number."""
    top = copied(tmp_path / "other", PROSTATE)
    (top / PROSTATE / "MODEL/final_model/score.py").write_text("other")
    target = tmp_path / "back"
    written(read(top), target)
    return target


def test_something_else_under_the_number_is_a_conflict(tmp_path: Path) -> None:
    target = other(tmp_path)
    before = files(target / PROSTATE)
    with pytest.raises(ConflictError, match="holds something else already"):
        written(read(FOLDERS), target)
    skipped = written(read(FOLDERS), target, WritePolicy(conflict="skip"))
    assert [action.verb for action in skipped.actions] == ["skip"]
    assert files(target / PROSTATE) == before


def test_the_next_number_is_followed_by_the_tag_that_names_the_version(tmp_path: Path) -> None:
    target = other(tmp_path)
    receipt = written(read(FOLDERS), target, WritePolicy(conflict="new-version"))
    assert receipt.target.version == "101"
    stated = document(target / "my_model_101", DOCUMENTS[0])
    assert (stated["id"], stated["version"]) == ("my_model:101", 101)
    assert stated["tags"]["model_id"] == "my_model:101"
    assert [change.field for change in receipt.transformations] == ["version", "tag model_id"]
    again = written(read(FOLDERS), target, WritePolicy(conflict="new-version"))
    assert [action.verb for action in again.actions] == ["keep"]


def test_a_folder_of_the_script_itself_is_never_written_over(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    with pytest.raises(ConflictError):
        written(read(FOLDERS), top)
    with pytest.raises(ConflictError, match="is the folder of a model itself"):
        written(read(FOLDERS), top / PROSTATE)
    assert files(top / PROSTATE) == files(FOLDERS / PROSTATE)


def test_the_experiment_comes_back_from_where_no_run_came_along() -> None:
    """A workspace that got a version from a folder keeps it as a property."""
    whole = snapshots.model_version()
    version = ModelVersion(
        key="version",
        name="wine",
        version="3",
        native=Native(also={"mlarchive.experiment": "main"}),
    )
    alone = replace(whole, subject="version", records=(version,), streams=())
    stated = json.loads(write_version(version, alone, "wine", "3", {}))
    assert stated["experimentName"] == "main"


def test_a_version_of_mlflow_gets_a_final_model_and_its_losses_are_named(tmp_path: Path) -> None:
    receipt = written(snapshots.model_version(), tmp_path / "back")
    back = tmp_path / "back" / "wine_3"
    assert (back / "MODEL/final_model/MLmodel").is_file()
    stated = document(back, DOCUMENTS[0])
    assert (stated["name"], stated["version"], stated["runId"]) == ("wine", 3, "run-a")
    assert stated["experimentName"] == "wine experiment"
    lost = {(loss.record, loss.field) for loss in receipt.losses}
    assert ("models/wine/3", "aliases") in lost
    assert ("run run-a", "all of it") in lost
    assert ("models/wine", "description") in lost
    assert [change.field for change in receipt.transformations] == ["folder"]


def test_numbers_are_whole_and_names_name_folders(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="versions are whole numbers"):
        written(snapshots.model_version(version="1.2-rc"), tmp_path / "back")
    with pytest.raises(UnsupportedError, match="a folder is named by the model"):
        written(snapshots.model_version(name="a/b"), tmp_path / "back")
    receipt = written(
        snapshots.model_version(version="1.2-rc"), tmp_path / "back", WritePolicy(versions="next")
    )
    assert receipt.target.version == "1"


def test_a_folder_has_no_place_and_what_is_no_model_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="only for model versions"):
        written(snapshots.folder({"w": b"1"}), tmp_path / "back")
    receipt = written(snapshots.traced_run(), tmp_path / "back")
    assert [action.verb for action in receipt.actions] == ["skip"]
    (loss,) = receipt.losses
    assert (loss.record.partition("/")[0], loss.field) == ("runs", "all of it")
    assert (receipt.content_id, receipt.idle) == ("", True)


def test_a_build_context_that_was_such_a_folder_comes_back_as_its_files(tmp_path: Path) -> None:
    snapshot = read(FOLDERS, "dock")
    (environment,) = (one for one in snapshot.records if isinstance(one, Environment))
    there = msgspec.structs.replace(
        environment, conda="", context="context", dockerfile="context/BaseDockerfile"
    )
    streams = (
        replace(one, entry=msgspec.structs.replace(one.entry, path=f"context/{one.entry.path}"))
        if one.owner == environment.key and isinstance(one.entry, File)
        else one
        for one in snapshot.streams
    )
    records = (there if one is environment else one for one in snapshot.records)
    receipt = written(
        replace(snapshot, records=tuple(records), streams=tuple(streams)), tmp_path / "back"
    )
    assert (receipt.losses, receipt.transformations) == ((), ())
    assert files(tmp_path / "back" / DOCK) == files(FOLDERS / DOCK)


def test_an_environment_by_itself_is_passed_over_as_a_loss(tmp_path: Path) -> None:
    for _ in range(2):
        receipt = written(snapshots.environment("gpu", "2"), tmp_path / "back")
        assert [action.verb for action in receipt.actions] == ["skip"]
        (loss,) = receipt.losses
        assert (loss.record, loss.field) == ("environments/gpu/2", "all of it")
        assert (receipt.content_id, receipt.idle) == ("", True)


def test_a_damaged_model_in_the_target_is_in_no_other_s_way(tmp_path: Path) -> None:
    top = tmp_path / "back"
    for folder, raw in {"broken": "{", "my_model_101": "[]"}.items():
        (top / folder / "MODEL").mkdir(parents=True)
        (top / folder / "MODEL/model.json").write_text(raw)
    (top / "empty" / "ENVIRONMENT").mkdir(parents=True)
    assert written(read(FOLDERS), top).target.version == "100"
    assert written(read(FOLDERS), top).idle
    assert registry(top).holding(read(FOLDERS).address, WritePolicy()) is not None
    changed = copied(tmp_path, PROSTATE)
    (changed / PROSTATE / "MODEL/final_model/score.py").write_text("other")
    receipt = written(read(changed), top, WritePolicy(versions="next"))
    assert receipt.target.version == "102"


def test_a_model_s_secrets_are_losses_and_its_nulls_and_numbers_stay(tmp_path: Path) -> None:
    top = copied(tmp_path, PROSTATE)
    path = top / PROSTATE / "MODEL/model.json"
    said = {
        **json.loads(path.read_text()),
        "tags": {"n": None, "i": 5, "t": "x", "api_key": "mine"},
        "properties": {"p": None},
        "mimeType": None,
    }
    secret = {"url": "https://u:HUNTER2@h/x?sig=SIG", "resourceConfiguration": {"apiKey": "KEY"}}
    path.write_text(json.dumps({**said, **secret}))
    snapshot = read(top)
    lost = ["resourceConfiguration.apiKey", "url"]
    assert sorted(loss.field for loss in snapshot.losses) == lost
    assert not any(word in repr(snapshot.records) for word in ("HUNTER2", "SIG", "KEY"))
    written(snapshot, tmp_path / "back")
    back = document(tmp_path / "back" / PROSTATE, DOCUMENTS[0])
    assert back == {**said, "url": None, "resourceConfiguration": {"apiKey": None}}
