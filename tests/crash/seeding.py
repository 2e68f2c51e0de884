"""Models to be mirrored while the mirror is killed: quick to make, slow enough to be hit."""

import random
from pathlib import Path

MEGABYTE = 1 << 20
VERSIONS = ("1", "2", "3")
"""Version 1 is a logged model, 2 a folder of the same run, 3 a logged model of another run."""


def seed_model(uri: str, name: str, folder: Path, rng: random.Random) -> None:
    """Register a model with three versions of two runs.

    Args:
        uri: The server.
        name: The model's name; its experiment is named after it.
        folder: For the files that are logged.
        rng: Makes the files' bytes and the metrics' values.
    """
    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    experiment = client.create_experiment(f"{name} experiment")
    client.create_registered_model(name, tags={"area": "crash"}, description="It survives.")
    first = _log_run(client, experiment, f"{name} one", folder / "one", rng)
    second = _log_run(client, experiment, f"{name} two", folder / "two", rng)
    models = [
        (first, _log_model(client, experiment, first, folder / "one")),
        (first, ""),
        (second, _log_model(client, experiment, second, folder / "two")),
    ]
    for run_id, model_id in models:
        source = f"models:/{model_id}" if model_id else f"runs:/{run_id}/model"
        client.create_model_version(
            name, source, run_id, model_id=model_id or None, await_creation_for=0
        )
    for run_id in (first, second):
        client.set_terminated(run_id, "FINISHED")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_model_version_tag(name, "1", "checked", "yes")


def relabel_model(uri: str, name: str, word: str) -> None:
    """Change labels of every version, and no content."""
    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    for version in VERSIONS:
        client.set_model_version_tag(name, version, "word", word)
    client.update_model_version(name, "3", f"It is {word}.")
    client.set_registered_model_alias(name, "champion", "3")


def _log_run(client, experiment: str, name: str, folder: Path, rng: random.Random) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from mlflow.entities import Metric, Param

    run_id: str = client.create_run(experiment, run_name=name).info.run_id
    params = [Param(f"p{number}", str(rng.random())) for number in range(20)]
    points = [Metric("loss", rng.random(), 1_700_000_000_000 + i, i) for i in range(1500)]
    client.log_batch(run_id, params=params)
    for start in range(0, len(points), 1000):
        client.log_batch(run_id, metrics=points[start : start + 1000])
    _write_files(folder, rng)
    client.log_artifacts(run_id, str(folder))
    return run_id


def _log_model(client, experiment: str, run_id: str, folder: Path) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from mlflow.entities import LoggedModelOutput

    model = client.create_logged_model(experiment, "model", run_id, params={"depth": "3"})
    client.log_model_artifacts(model.model_id, str(folder / "model"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 1)])
    model_id: str = model.model_id
    return model_id


def _write_files(folder: Path, rng: random.Random) -> None:
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "weights.bin").write_bytes(rng.randbytes(2 * MEGABYTE))
    (model / "MLmodel").write_text("artifact_path: model\nflavors: {}\n")
    (folder / "notes").mkdir()
    for number in range(5):
        (folder / "notes" / f"{number}.txt").write_text(f"note {number} {rng.random()}\n")
