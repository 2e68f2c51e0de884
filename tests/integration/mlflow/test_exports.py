"""Exports of mlflow-export-import: the tool's arrive complete, and its importer takes ours."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.exports import ALL, AT_THE_SERVER, FIRST, PARENT, addressed, registry
from tests.support.mlflow_packages import package_of, packed
from tests.support.mlflow_seed import Seeded
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

VERSIONS = ("models/wine/1", "models/wine/2")

NEEDS_IMPORTER = pytest.mark.skipif(
    importlib.util.find_spec("mlflow_export_import") is None,
    reason="mlflow-export-import of the extra [dev] is not installed",
)

IMPORT = """
import json, sys
from mlflow_export_import.bulk import import_models
from mlflow_export_import.experiment import import_experiment
from mlflow_export_import.model import import_model
from mlflow_export_import.run import import_run
tools = {"run": import_run, "experiment": import_experiment, "model": import_model,
         "all": import_models}
for tool, *options in json.loads(sys.argv[1]):
    tools[tool].main(options, standalone_mode=False)
"""


@pytest.fixture(scope="module")
def importing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that keeps artifacts in a folder: the importer refuses versions elsewhere."""
    folder = tmp_path_factory.mktemp("mlflow-importing")
    root = ("--no-serve-artifacts", "--default-artifact-root", str(folder / "artifacts"))
    with running_server(folder, *root) as server:
        yield server


def run_importer(server: MlflowServer, *calls: tuple[str, ...]) -> None:
    """The tool's own commands, one after another in one process."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, json.dumps(calls)],
        env={**os.environ, "MLFLOW_TRACKING_URI": server.uri, "GIT_PYTHON_REFRESH": "quiet"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def runs_of(client: MlflowClient, experiment: str) -> dict[str, Run]:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return {run.info.run_name: run for run in client.search_runs([found.experiment_id])}


def versions_of(client: MlflowClient, name: str) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Stage, model file and tags of each version by number."""
    found = client.search_model_versions(f"name = '{name}'")
    return {
        str(v.version): (str(v.current_stage), Path(str(v.source), "model.pkl").read_text(), v.tags)
        for v in found
    }


def write_all(folder: Path) -> None:
    """The fixture as mlarchive writes it."""
    for text in (*VERSIONS, f"runs/{PARENT}"):
        snapshot = packed(registry(ALL).read(addressed(text))).snapshot()
        registry(folder).write(snapshot, WritePolicy())


@NEEDS_IMPORTER
def test_the_importer_takes_what_was_written(
    importing_server: MlflowServer, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    write_all(folder)
    run_importer(
        importing_server,
        ("run", "--input-dir", f"{folder}/experiments/1/{FIRST}", "--experiment-name", "one"),
        ("experiment", "--input-dir", f"{folder}/experiments/1", "--experiment-name", "two"),
        (
            *("model", "--input-dir", f"{folder}/models/wine", "--model", "wine again"),
            *("--experiment-name", "three", "--sleep-time", "1"),
        ),
        ("all", "--input-dir", str(folder)),
    )
    client = MlflowClient(importing_server.uri, importing_server.uri)

    (run,) = runs_of(client, "one").values()
    assert run.data.params == {"depth": "3", "solver": "lbfgs"}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert sorted((p.step, p.timestamp, repr(p.value)) for p in history) == [
        (step, 1_700_000_000_000 + step, value)
        for step, value in enumerate(["0.5", "nan", "0.25", "5e-324", "0.30000000000000004"])
    ]
    note = Path(run.info.artifact_uri, "report", "notes", "Zoë's plan.txt")
    assert note.read_text() == "hello\n"

    family = runs_of(client, "two")
    assert set(family) == {"sweep", "training", "again"}
    parent = family["sweep"].info.run_id
    assert family["training"].data.tags["mlflow.parentRunId"] == parent

    expected = {
        "1": ("Archived", "not a pickle 1\n", {"checked": "yes"}),
        "2": ("None", "not a pickle 2\n", {}),
    }
    assert versions_of(client, "wine again") == expected
    assert versions_of(client, "wine") == expected
    assert client.get_registered_model("wine").description == "Says which wine."
    experiment = client.get_experiment_by_name("wine")
    assert experiment is not None
    assert experiment.tags["team"] == "cellar"


@pytest.mark.parametrize("text", VERSIONS)
def test_an_export_arrives_complete(clinic: MlflowRegistry, text: str) -> None:
    package = packed(registry(ALL).read(addressed(text)))
    receipt = clinic.write(package.snapshot(), WritePolicy(rename="exported wine"))
    assert not receipt.losses
    there = packed(clinic.read(receipt.target))
    assert [there.content_id, there.state_id] == AT_THE_SERVER[text]


def test_a_server_of_today_goes_into_an_export_with_its_losses_listed(
    lab: MlflowRegistry, wine: Seeded, tmp_path: Path
) -> None:
    package = package_of(lab, wine.name, 2)
    receipt = registry(tmp_path / "export").write(package.snapshot(), WritePolicy())
    assert {loss.field for loss in receipt.losses} == {
        "params",
        "tags",
        "metric accuracy",
        "metric loss",
    }
    back = registry(tmp_path / "export").read(receipt.target)
    assert not back.losses


@NEEDS_IMPORTER
def test_the_importer_takes_a_logged_model_of_today(
    lab: MlflowRegistry, wine: Seeded, importing_server: MlflowServer, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    package = package_of(lab, wine.name, 2)
    registry(folder).write(package.snapshot(), WritePolicy(rename="wine of today"))
    run_importer(importing_server, ("all", "--input-dir", str(folder)))
    client = MlflowClient(importing_server.uri, importing_server.uri)
    (version,) = client.search_model_versions("name = 'wine of today'")
    assert (version.description, version.current_stage) == ("The better one.", "None")
    assert (Path(str(version.source)) / "MLmodel").is_file()
