"""Reading a real server: whole, or with its losses listed."""

import json
from pathlib import Path
from typing import TypeVar

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from mlarchive.errors import NotFoundError, UnsupportedError
from mlarchive.package import Package
from mlarchive.package.columns import decode_columns
from mlarchive.records import (
    Address,
    ArtifactRoot,
    Environment,
    Experiment,
    LoggedModel,
    ModelVersion,
    RegisteredModel,
    Run,
)
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.mlflow_packages import package_of, packed, version_address
from tests.support.mlflow_seed import LOSSES, ODD_NAMES, Seeded, seed, tracking
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

R = TypeVar("R")


def one(package: Package, kind: type[R]) -> R:
    (record,) = (record for record in package.meaning.records if isinstance(record, kind))
    return record


def test_a_version_brings_everything_that_hangs_on_it(lab: MlflowRegistry, wine: Seeded) -> None:
    package = package_of(lab, wine.name, 1)

    version = one(package, ModelVersion)
    logged = one(package, LoggedModel)
    run = one(package, Run)
    assert version.aliases == ("previous",)
    assert version.stage == "Archived"
    assert version.tags == {"checked": "yes"}
    assert version.flavors == ("python_function", "sklearn")
    assert version.root == ArtifactRoot(record=logged.key)
    assert (version.run, version.logged_model) == (run.key, logged.key)
    assert one(package, RegisteredModel).description == "Says which wine."
    assert one(package, RegisteredModel).tags == {"area": "wine"}
    assert one(package, Experiment).tags == {"team": "cellar"}
    assert logged.params["strength"] == "1.0"
    assert {file.path for file in logged.files} >= {"MLmodel", "model.pkl", "conda.yaml"}
    assert package.meaning.losses == ()


def test_a_run_keeps_its_times_params_tags_and_inputs(lab: MlflowRegistry, wine: Seeded) -> None:
    run = one(package_of(lab, wine.name, 1), Run)

    assert run.status == "FINISHED"
    assert 0 < run.start <= run.end
    assert run.params == {"depth": "3", "solver": "lbfgs", "größe": "ü"}
    assert run.tags["purpose"] == "tests"
    assert run.tags["mlflow.note.content"] == "A *first* try."
    assert not {"mlflow.runName", "mlflow.user"} & run.tags.keys()
    (dataset,) = run.inputs
    assert (dataset.name, dataset.tags["split"]) == ("iris", "first")
    assert run.native.also["outputs"] == wine.model_ids[1]


def test_every_point_of_every_metric_arrives_bit_by_bit(
    lab: MlflowRegistry, source_server: MlflowServer, wine: Seeded
) -> None:
    package = package_of(lab, wine.name, 1)
    run = one(package, Run)
    client = MlflowClient(source_server.uri)

    assert {series.key: series.points for series in run.metrics} == {
        "accuracy": 40,
        "auc": 1,
        "loss": len(LOSSES) + 2,
    }
    for series in run.metrics:
        raw = package.open_object(series.sha256).read()
        points = client.get_metric_history(wine.run_id, series.key)
        told = sorted((p.step, p.timestamp, np.float64(p.value).tobytes()) for p in points)
        columns = (column.tolist() for column in decode_columns(raw))
        held = [(s, t, np.float64(v).tobytes()) for s, t, v in zip(*columns, strict=True)]
        assert sorted(held) == told


def test_files_keep_their_names_and_bytes(lab: MlflowRegistry, wine: Seeded) -> None:
    package = package_of(lab, wine.name, 1)
    files = {file.path: file for file in one(package, Run).files}

    for name in ODD_NAMES:
        file = files[f"report/{name}"]
        assert package.open_object(file.sha256).read().decode() == f"{name}\n"
    assert files["report/empty.bin"].size == 0


def test_an_environment_is_told_by_the_files_beside_the_model(
    lab: MlflowRegistry, wine: Seeded
) -> None:
    package = package_of(lab, wine.name, 3)
    environment = one(package, Environment)
    roles = {file.path: file.role for file in one(package, Run).files}

    assert environment.conda == "model/conda.yaml"
    assert environment.python.startswith("3.")
    assert roles["model/requirements.txt"] == "environment"
    assert roles["model/model.pkl"] == "artifact"


def test_a_version_with_a_runs_source_lies_among_its_runs_files(
    lab: MlflowRegistry, wine: Seeded
) -> None:
    package = package_of(lab, wine.name, 3)
    version = one(package, ModelVersion)

    assert version.root == ArtifactRoot(record=one(package, Run).key, path="model")
    assert version.logged_model == ""


def test_a_run_is_read_with_the_models_it_made(lab: MlflowRegistry, wine: Seeded) -> None:
    address = Address(origin="lab", kind="runs", name=wine.run_id)
    package = packed(lab.read(address))

    models = [record for record in package.meaning.records if isinstance(record, LoggedModel)]
    assert {model.native.id for model in models} == set(wine.model_ids)
    assert package.meaning.subject == one(package, Run).key


def test_reading_twice_gives_the_same_ids(lab: MlflowRegistry, wine: Seeded) -> None:
    first, second = (package_of(lab, wine.name, 2) for _ in range(2))

    assert (first.content_id, first.state_id) == (second.content_id, second.state_id)


def test_the_servers_answers_are_kept_without_secrets(
    lab: MlflowRegistry, source_server: MlflowServer
) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    run = client.create_run("0", tags={"git": "https://ada:hunter2@git.example/x.git"})
    client.set_terminated(run.info.run_id)
    client.create_registered_model("secretive")
    client.create_model_version(
        "secretive", f"runs:/{run.info.run_id}/m", run.info.run_id, tags={"db_password": "hunter2"}
    )

    package = package_of(lab, "secretive", 1)

    answers = [record.native.verbatim for record in package.meaning.records]
    assert all(json.loads(answer) for answer in answers if answer)
    assert "hunter2" not in "".join(answers)


def test_a_version_without_files_is_a_listed_loss(
    lab: MlflowRegistry, source_server: MlflowServer
) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    run = client.create_run("0")
    client.create_registered_model("empty-handed")
    client.create_model_version("empty-handed", f"runs:/{run.info.run_id}/nothing", run.info.run_id)

    (loss,) = package_of(lab, "empty-handed", 1).meaning.losses

    assert (loss.record, loss.field) == ("models/empty-handed/1", "files")


def test_what_is_not_there_is_said_with_a_hint(lab: MlflowRegistry, wine: Seeded) -> None:
    for name, version in (("no-such-model", "1"), (wine.name, "99")):
        with pytest.raises(NotFoundError) as caught:
            lab.read(version_address(lab, name, version))
        assert caught.value.hint.startswith("see what there is: mlarchive ls")


def test_a_prompt_is_no_model_of_that_name(
    lab: MlflowRegistry, source_server: MlflowServer
) -> None:
    with tracking(source_server.uri):
        mlflow.genai.register_prompt("greeting", "Hello {{name}}")

    with pytest.raises(NotFoundError, match=r"'greeting' at .* is a prompt") as refused:
        lab.read(version_address(lab, "greeting", 1))
    assert refused.value.hint == "say so: #prompts/greeting"


def test_a_database_with_local_artifacts_is_read_directly(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with tracking(uri):
        mlflow.create_experiment("local experiment", artifact_location=(tmp_path / "art").as_uri())
    seeded = seed(uri, "local", tmp_path / "files")

    with MlflowRegistry.open(uri) as registry:
        packages = [package_of(registry, seeded.name, version) for version in (1, 2, 3)]

    assert [len(package.meaning.losses) for package in packages] == [0, 0, 0]
    assert {file.path for file in one(packages[0], LoggedModel).files} >= {"MLmodel", "model.pkl"}


def test_a_served_database_gives_the_same_but_for_the_served_files(
    source_server: MlflowServer, wine: Seeded
) -> None:
    with (
        MlflowRegistry.open(source_server.database) as registry,
        pytest.raises(UnsupportedError, match="serves the artifacts itself"),
    ):
        registry.read(version_address(registry, wine.name, 1))


def test_logged_models_of_a_run_that_are_not_carried_are_named(
    lab: MlflowRegistry, wine: Seeded
) -> None:
    changes = lab.read(version_address(lab, wine.name, 1)).transformations

    assert [(change.record, change.field) for change in changes] == [
        (f"run {wine.run_id}", "outputs")
    ]
    assert wine.model_ids[1] in changes[0].why
    assert wine.model_ids[0] not in changes[0].why
