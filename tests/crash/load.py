"""Random load on an MLflow server that dies now and then: each act is repeated until it is done."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("version", "version", "logging", "finish", "alias", "tag", "describe", "retag-run")
"""What is done, each as likely as it is often here."""


@dataclass(slots=True, kw_only=True)
class Load:
    """What people do at the source, one act after the other.

    Attributes:
        uri: The server.
        folder: For files that are logged.
        rng: Says what is done.
        models: So many models at most.
        versions: So many versions of each at most.
        allowed: So many of each until somebody allows more.
        logging: Runs that still log, by their version.
        done: How many acts were done, by kind.
    """

    uri: str
    folder: Path
    rng: random.Random
    models: int
    versions: int
    allowed: int = 1
    logging: dict[tuple[str, int], str] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    _acting: threading.Lock = field(default_factory=threading.Lock)
    _made: dict[str, int] = field(default_factory=dict)

    def keep_acting(self, stop: threading.Event, pause: float) -> None:
        """Act until told to stop, waiting for so many seconds on average in between."""
        while not stop.wait(self.rng.random() * 2 * pause):
            with self._acting:
                self.act()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Nobody acts within the block."""
        with self._acting:
            yield

    def act(self) -> None:
        """One act, repeated until the server has taken it."""
        kind = self.rng.choice(KINDS)
        model = f"model-{self.rng.randrange(self.models)}"
        word = f"{self.rng.random():.6f}"
        number = self.rng.randrange(1, self._made.get(model, 0) + 1) if model in self._made else 0
        if kind in {"version", "logging"}:
            if self._made.get(model, 0) >= min(self.allowed, self.versions):
                return
            number = self._made[model] = self._made.get(model, 0) + 1
            self._until_done(lambda client: self._register(client, model, number))
            if kind == "version":
                self._until_done(lambda client: self._finish(client, model, number))
        elif kind == "finish" and self.logging:
            unfinished = self.rng.choice(sorted(self.logging))
            self._until_done(lambda client: self._finish(client, *unfinished))
        elif number and kind != "finish":
            self._until_done(lambda client: self._relabel(client, kind, (model, number), word))
        self.done[kind] = self.done.get(kind, 0) + 1

    def end(self) -> None:
        """Let every run that still logs end."""
        for unfinished in sorted(self.logging):
            self._until_done(lambda client, one=unfinished: self._finish(client, *one))

    def _until_done(self, act: Any) -> None:  # noqa: ANN401
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        for _ in range(600):
            try:
                act(MlflowClient(self.uri, self.uri))
            except (MlflowException, RequestException, OSError):
                time.sleep(0.5)
            else:
                return
        raise AssertionError("the source did not take an act in time")

    def _register(self, client: Any, model: str, number: int) -> None:  # noqa: ANN401
        """A run that logs, and a version of it; what an earlier try made is found again."""
        experiment = client.get_experiment_by_name(f"{model} experiment")
        made = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(f"{model} experiment")
        )
        name = f"{model} run {number}"
        found = client.search_runs([made], f"attributes.run_name = '{name}'")
        run = found[0].info.run_id if found else client.create_run(made, run_name=name).info.run_id
        client.log_param(run, "number", number)
        for step in range(5):
            client.log_metric(run, "loss", 1 / (number + step + 1), 1_700_000_000_000 + step, step)
        files = self.folder / model / str(number)
        files.mkdir(parents=True, exist_ok=True)
        (files / "MLmodel").write_text("artifact_path: model\nflavors: {}\n")
        weights = random.Random(f"{model} {number}").randbytes(200_000)  # noqa: S311  (reproducible)
        (files / "weights.bin").write_bytes(weights)
        client.log_artifacts(run, str(files), "model")
        if not client.search_registered_models(f"name = '{model}'"):
            client.create_registered_model(model)
        if not client.search_model_versions(f"name = '{model}' and run_id = '{run}'"):
            client.create_model_version(model, f"runs:/{run}/model", run, await_creation_for=0)
        self.logging[model, number] = run

    def _finish(self, client: Any, model: str, number: int) -> None:  # noqa: ANN401
        run = self.logging[model, number]
        client.log_metric(run, "last", 0.5, 1_700_000_001_000, 99)
        client.set_terminated(run, "FINISHED", 1_700_000_002_000)
        del self.logging[model, number]

    def _relabel(self, client: Any, kind: str, of: tuple[str, int], word: str) -> None:  # noqa: ANN401
        model, number = of
        match kind:
            case "alias":
                client.set_registered_model_alias(model, "champion", str(number))
            case "tag":
                client.set_model_version_tag(model, str(number), "word", word)
            case "describe":
                client.update_model_version(model, str(number), f"It is {word}.")
            case _:
                (version,) = client.search_model_versions(
                    f"name = '{model}' and version_number = {number}"
                ) or (client.get_model_version(model, str(number)),)
                client.set_tag(version.run_id, "word", word)
