"""Fills an MLflow 2 server with what `tests/fixtures/mlflow-export` shows.

Runs by itself with MLflow 2 (`python mlflow_export_seed.py URI`): it may import nothing else of the
project.
"""

import math
import sys
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric

NOON = 1_700_000_000_000
LOSSES = (0.5, math.nan, 0.25, 5e-324, 0.1 + 0.2)

_MODEL = """artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    python_version: 3.11.7
  sklearn:
    pickled_model: model.pkl
run_id: {run_id}
"""


def seed(uri: str) -> None:
    """Log a parent with two children, and register both children's models."""
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("wine", tags={"team": "cellar"})
    client.create_experiment("empty")
    parent = _run(client, experiment, "sweep", purpose="tests")
    first = _run(client, experiment, "training", **{"mlflow.parentRunId": parent})
    second = _run(client, experiment, "again", **{"mlflow.parentRunId": parent})
    _fill_first(client, first)
    _log_model(client, second, b"not a pickle 2\n")
    client.log_param(second, "depth", 4)
    client.log_metric(second, "loss", math.inf, NOON, 0)
    for number, (run_id, status) in enumerate(
        [(first, "FINISHED"), (second, "FAILED"), (parent, "FINISHED")]
    ):
        client.set_terminated(run_id, status, NOON + 9000 + 1000 * number)
    _register(client, first, second)


def _run(client: MlflowClient, experiment: str, name: str, **tags: str) -> str:
    tags = {"mlflow.runName": name, "mlflow.user": "ada", **tags}
    run = client.create_run(experiment, start_time=NOON + 123, tags=tags, run_name=name)
    return str(run.info.run_id)


def _fill_first(client: MlflowClient, run_id: str) -> None:
    points = [Metric("loss", value, NOON + i, i) for i, value in enumerate(LOSSES)]
    others = [Metric("auc", 0.75, NOON + 500, 7), Metric("val/acc", 1.0, NOON + 500, 0)]
    client.log_batch(run_id, metrics=[*points, *others])
    client.log_param(run_id, "depth", 3)
    client.log_param(run_id, "solver", "lbfgs")
    _log_model(client, run_id, b"not a pickle 1\n")
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder, "notes")
        notes.mkdir()
        (notes / "Zoë's plan.txt").write_text("hello\n")
        Path(folder, "empty.bin").write_bytes(b"")
        client.log_artifacts(run_id, folder, "report")


def _log_model(client: MlflowClient, run_id: str, payload: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "MLmodel").write_text(_MODEL.format(run_id=run_id))
        Path(folder, "model.pkl").write_bytes(payload)
        Path(folder, "conda.yaml").write_text("dependencies:\n- python=3.11.7\n- pip\n")
        Path(folder, "python_env.yaml").write_text("python: 3.11.7\n")
        Path(folder, "requirements.txt").write_text("scikit-learn\n")
        client.log_artifacts(run_id, folder, "model")


def _register(client: MlflowClient, first: str, second: str) -> None:
    client.create_registered_model("wine", tags={"area": "wine"}, description="Says which wine.")
    tags = {"checked": "yes"}
    source = f"runs:/{first}/model"
    client.create_model_version("wine", source, first, tags=tags, description="The first.")
    source = f"{client.get_run(second).info.artifact_uri}/model"
    client.create_model_version("wine", source, second)
    client.set_registered_model_alias("wine", "champion", "2")
    client.set_registered_model_alias("wine", "previous", "1")
    client.transition_model_version_stage("wine", "1", "Archived")


if __name__ == "__main__":
    seed(sys.argv[1])
