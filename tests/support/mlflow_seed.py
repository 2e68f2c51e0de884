"""A small real registry: models as people log them, with the odd things that people do."""

import contextlib
import functools
import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

ODD_NAMES = ("notes/Zoë's plan.txt", "notes/50% done.txt", "notes/räksmörgås.txt")
LOSSES = (0.5, math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What was logged.

    Attributes:
        name: The registered model; version 1 is a logged model (MLflow 3), version 2 another one of
            the same run, version 3 has a `runs:/` source as MLflow 2 made them.
        experiment: The experiment's name.
        run_id: The run behind versions 1 and 2.
        old_run_id: The run behind version 3.
        model_ids: The logged models behind versions 1 and 2.
    """

    name: str
    experiment: str
    run_id: str
    old_run_id: str
    model_ids: tuple[str, ...]


@contextlib.contextmanager
def tracking(uri: str) -> Iterator[None]:
    """Point mlflow's fluent interface at a server, and away from it again.

    The experiment that is set meanwhile is one of that server, so it is forgotten too; mlflow has
    no public function for that.
    """
    import mlflow
    from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID
    from mlflow.tracking import fluent

    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None clears it
        fluent._active_experiment_id = None  # noqa: SLF001
        MLFLOW_EXPERIMENT_ID.unset()


def seed(uri: str, name: str, folder: Path) -> Seeded:
    """Log and register a small scikit-learn model three ways.

    Args:
        uri: The server's URI.
        name: The registered model's name; the experiment is named after it.
        folder: For the files that are logged.
    """
    with tracking(uri):
        run_id, model_ids = _log_run(name, folder)
        old_run_id = _log_old_run(folder)
        _register(uri, name, run_id, model_ids, old_run_id)
    return Seeded(
        name=name,
        experiment=f"{name} experiment",
        run_id=run_id,
        old_run_id=old_run_id,
        model_ids=model_ids,
    )


@functools.cache
def fitted(strength: float) -> Any:  # noqa: ANN401  (scikit-learn has no types)
    """A model that predicts, trained on the iris data that scikit-learn carries."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, labels = load_iris(return_X_y=True)
    return LogisticRegression(C=strength, max_iter=300).fit(features, labels)


def samples() -> Any:  # noqa: ANN401  (scikit-learn has no types)
    """The features that predictions are compared on."""
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)[0]


def log_model(strength: float, name: str = "model") -> Any:  # noqa: ANN401
    """Log a fitted model into the active run, without mlflow's slow look at its requirements."""
    import mlflow.sklearn

    return mlflow.sklearn.log_model(
        fitted(strength),
        name=name,
        params={"strength": str(strength)},
        pip_requirements=["scikit-learn"],
        # pickle is what most people's registries hold.
        serialization_format="cloudpickle",
    )


def _log_run(name: str, folder: Path) -> tuple[str, tuple[str, ...]]:
    import mlflow

    mlflow.set_experiment(f"{name} experiment")
    mlflow.set_experiment_tag("team", "cellar")
    with mlflow.start_run(run_name="training", description="A *first* try.") as run:
        mlflow.log_params({"depth": 3, "solver": "lbfgs", "größe": "ü"})
        mlflow.set_tag("purpose", "tests")
        _log_values(run.info.run_id)
        _log_dataset()
        _log_files(folder)
        first = log_model(1.0)
        mlflow.log_metric("auc", 0.75, step=7, model_id=first.model_id)
        second = log_model(0.1)
    return run.info.run_id, (first.model_id, second.model_id)


def _log_values(run_id: str) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    better = [Metric("accuracy", 0.9 - 0.5 / (step + 1), now + step, step) for step in range(40)]
    MlflowClient().log_batch(run_id, metrics=better)
    points = [Metric("loss", value, 1_700_000_000_000 + i, i) for i, value in enumerate(LOSSES)]
    again = [Metric("loss", 0.25, 1_700_000_000_900, 3), Metric("loss", 0.25, 0, -5)]
    MlflowClient().log_batch(run_id, metrics=[*points, *again])


def _log_dataset() -> None:
    import mlflow
    import mlflow.data

    dataset = mlflow.data.from_numpy(samples()[:20], name="iris")  # type: ignore[attr-defined]
    mlflow.log_input(dataset, context="training", tags={"split": "first"})


def _log_files(folder: Path) -> None:
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>\n")
    (folder / "empty.bin").write_bytes(b"")
    (folder / "notes").mkdir(exist_ok=True)
    for odd in ODD_NAMES:
        (folder / odd).write_text(f"{odd}\n")
    mlflow.log_artifacts(str(folder), artifact_path="report")


def _log_old_run(folder: Path) -> str:
    """A run whose model lies among its artifacts, as MLflow 2 logged them."""
    import mlflow
    import mlflow.sklearn

    old = folder.parent / f"{folder.name}-old-model"
    mlflow.sklearn.save_model(
        fitted(0.5), old, pip_requirements=["scikit-learn"], serialization_format="cloudpickle"
    )
    with mlflow.start_run(run_name="an older one") as run:
        mlflow.log_artifacts(str(old), artifact_path="model")
    run_id: str = run.info.run_id
    return run_id


def _register(
    uri: str, name: str, run_id: str, model_ids: tuple[str, ...], old_run_id: str
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    client.create_registered_model(name, tags={"area": "wine"}, description="Says which wine.")
    for model_id in model_ids:
        client.create_model_version(
            name, f"models:/{model_id}", run_id, model_id=model_id, await_creation_for=0
        )
    client.create_model_version(name, f"runs:/{old_run_id}/model", old_run_id, await_creation_for=0)
    _label(client, name)


def _label(client: "MlflowClient", name: str) -> None:
    client.set_model_version_tag(name, "1", "checked", "yes")
    client.update_model_version(name, "2", "The better one.")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_registered_model_alias(name, "previous", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # stages are old, and people have them
        client.transition_model_version_stage(name, "1", "Archived")
