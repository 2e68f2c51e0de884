"""Models come from and go to MLflow."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from msgspec.structs import replace

from mlarchive.errors import ConflictError
from mlarchive.records import Address
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, marks
from tests.integration.azureml.registries import POLICIES, Open, address, carry
from tests.integration.azureml.test_models import LABELS
from tests.support.azureml import Emulator, Place
from tests.support.azureml.files import FILES
from tests.support.azureml.trained import TRAINED, job_of, runs_of
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

# The MLflow servers are shared by the tests of a session, so each test writes a model of its own.
SHARED = "prostate-of-a-registry"


def test_a_model_goes_from_a_registry_into_mlflow_and_on_into_a_workspace(
    azureml: Emulator, target_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    conda = b"name: x\ndependencies:\n- python=3.11\n"
    files = {**FILES, "conda.yaml": conda}
    tags = {"site": "lab"}
    azureml.put_model(shared, SHARED, "3", files, **{**LABELS, "tags": tags})
    lineage = {"mlarchive.job": "brave_lamp_1", "mlarchive.experiment": "segmentation"}
    shared.version("models", SHARED, "3")["properties"]["properties"].update(lineage)
    source, target = opened(shared), opened(clinic)
    with MlflowRegistry.open(target_server.uri) as middle:
        for _ in range(2):
            there = carry(source, address(shared, "models", SHARED, "3"), middle, tmp_path)
            back = carry(middle, there.receipt.target, target, tmp_path)
    number = back.receipt.target.version
    said = clinic.version("models", SHARED, number)["properties"]
    assert azureml.files_of(clinic, SHARED, number) == files
    assert marks.state_tags(said["tags"]) == tags
    assert said["description"] == LABELS["description"]
    assert said["modelType"] == "mlflow_model"
    assert lineage.items() <= said["properties"].items()
    lost = {(loss.field) for loss in there.receipt.losses}
    assert {"property kept", "stage", "data of flavor python_function"} & lost
    environment = clinic.version("environments", SHARED, "1")["properties"]
    assert environment["condaFile"].encode() == conda
    assert environment["image"].startswith("mcr.microsoft.com/azureml/")
    assert (there.receipt.idle, back.receipt.idle) == (True, True)
    assert azureml.wire.leaks == ()


def test_another_environment_at_the_source_is_no_other_content_of_the_model_in_mlflow(
    azureml: Emulator, target_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    lab, name = azureml.workspace(azureml.tenant(), "lab"), "names-the-latest"
    azureml.put_environment(lab, "gpu", "3", image="i:3")
    azureml.put_model(lab, name, "1", {"w": b"x"}, tags={"python_environment_name": "gpu"})
    with MlflowRegistry.open(target_server.uri) as target:
        carry(opened(lab), address(lab, "models", name, "1"), target, tmp_path)
        azureml.put_environment(lab, "gpu", "4", image="i:4")
        said = lab.version("models", name, "1")["properties"]
        for number in ("4", "3"):
            if number == "3":
                said["tags"] = {**said["tags"], "python_environment_version": number}
            said["description"] = f"news of {number}"
            for idle in (False, True):
                done = carry(opened(lab), address(lab, "models", name, "1"), target, tmp_path)
                lost = [(one.record, one.field) for one in done.receipt.losses]
                assert (done.receipt.idle, lost) == (
                    idle,
                    [(f"environments/gpu/{number}", "all of it")],
                )
    (version,) = MlflowClient(target_server.uri).search_model_versions(f"name='{name}'")
    assert version.description == "news of 3"


def test_what_a_server_has_beside_models_is_passed_over_and_lost_each_time(
    azureml: Emulator, source_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    client = MlflowClient(source_server.uri)
    run = client.create_run(client.create_experiment(f"alone {tmp_path.name}"))
    client.set_terminated(run.info.run_id)
    origin = f"mlflow+{source_server.uri}"
    run_alone = Address(origin=origin, kind="runs", name=run.info.run_id)
    experiment = Address(origin=origin, kind="experiments", name=f"alone {tmp_path.name}")
    name = f"alone-{source_server.pid}"
    client.create_registered_model(name)
    alone = Address(origin=origin, kind="registered-models", name=name)
    target = opened(azureml.workspace(azureml.tenant(), "clinic"))
    with MlflowRegistry.open(source_server.uri, origin=origin) as source:
        for _ in range(2):
            done = carry(source, run_alone, target, tmp_path).receipt
            lost = [(one.record, one.field) for one in done.losses]
            assert (done.idle, lost) == (True, [(f"runs/{run.info.run_id}", "all of it")])
            done = carry(source, experiment, target, tmp_path).receipt
            assert (done.losses, [one.verb for one in done.actions]) == ((), ["skip"])
            done = carry(source, alone, target, tmp_path).receipt
            assert (done.losses, [one.verb for one in done.actions]) == ((), ["skip"])
            # What was not read is lost once.
            accounts = Address(origin=origin, kind="other-objects", name="accounts")
            unread = carry(source, accounts, target, tmp_path)
            assert (len(unread.read.losses), unread.receipt.losses) == (1, ())
        client.update_registered_model(name, "says something")
        (loss,) = carry(source, alone, target, tmp_path).receipt.losses
        assert loss.why == "Azure ML gets what is said of a model as a whole with a version of it"
    assert target.holding(experiment, WritePolicy()) is None


def test_a_model_of_a_job_keeps_its_lineage_and_its_run_in_mlflow(
    trained: tuple[Place, str], target_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    lab, job = trained
    with MlflowRegistry.open(target_server.uri) as target:
        for _ in range(2):
            done = carry(opened(lab), address(lab, "models", TRAINED, "1"), target, tmp_path)
        assert done.receipt.idle
        client = MlflowClient(target_server.uri)
        at = done.receipt.target
        version = client.get_model_version(at.name, at.version)
        assert version.run_id is not None
        run = client.get_run(version.run_id)
        assert run.data.params == {"lr": "0.1"}
        assert len(client.get_metric_history(version.run_id, "dice")) == 40
        assert job in run.data.tags["mlarchive.origin"]
        # What a mirror brought there, which calls the place otherwise, comes home as what it was.
        what = address(lab, "models", TRAINED, "1")
        mirrored = carry(opened(lab, called="lab"), replace(what, origin="lab"), target, tmp_path)
        before = runs_of(lab)
        carry(target, mirrored.receipt.target, opened(lab), tmp_path)
        assert (mirrored.receipt.target, runs_of(lab)) == (at, before)
        assert "mlarchive." not in repr(lab.version("models", TRAINED, "1"))


def test_what_comes_back_to_a_server_is_the_version_that_it_was_written_from(
    azureml: Emulator,
    clinic: Place,
    source_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    client = MlflowClient(source_server.uri)
    run = client.create_run(client.create_experiment(f"of {tmp_path.name}")).info.run_id
    client.log_param(run, "lr", "0.1")
    client.log_metric(run, "dice", 0.5, step=1)
    files = tmp_path / "model"
    files.mkdir()
    (files / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: x\n")
    (files / "conda.yaml").write_text("name: x\ndependencies: [python=3.11]\n")
    client.log_artifacts(run, str(files), "model")
    client.set_terminated(run)
    name = f"homing-{source_server.pid}"
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run}/model", run, tags={"a": "1"})
    shared = azureml.registry(azureml.tenant(), "shared")
    away = opened(clinic), address(clinic, "models", name, "1")
    further = opened(shared), address(shared, "models", name, "1")
    with MlflowRegistry.open(source_server.uri) as home:
        what = Address(origin=home.origin, kind="models", name=name, version="1")
        carry(home, what, away[0], tmp_path)
        carry(*away, further[0], tmp_path)
        before = client.get_model_version(name, "1"), runs_of(clinic).keys()
        for policy in POLICIES:
            for ends in (away, further):
                done = carry(*ends, home, tmp_path, policy).receipt
                assert (done.idle, done.target.version) == (True, "1")
                assert not [one for one in done.losses if "environment" not in one.record]
        there = client.get_model_version(name, "1"), runs_of(clinic).keys()
        assert (there[0].tags, there[1]) == (before[0].tags, before[1])
        assert len(client.search_model_versions(f"name = '{name}'")) == 1
        # News come home, and what is news here stays.
        said = clinic.version("models", name, "1")["properties"]
        said["tags"]["a"], said["description"] = "2", "theirs"
        client.update_model_version(name, "1", "ours")
        news = carry(*away, home, tmp_path).receipt
        told = client.get_model_version(name, "1")
        assert (told.tags, told.description) == ({"a": "2"}, "ours")
        assert "description" in [one.field for one in news.losses]
        MlflowClient(clinic.tracking).log_param(job_of(clinic, name), "late", "1")
        lost = [one.field for one in carry(*away, home, tmp_path).receipt.losses]
        assert "param late" in lost
        clinic.of("models")[name].versions.clear()
        azureml.put_model(clinic, name, "1", {"MLmodel": b"flavors: {}"})
        with pytest.raises(ConflictError, match="is something else"):
            carry(*away, home, tmp_path)
