"""`mlarchived` from a live Neptune server: into a vault, a real MLflow server, and back as runs."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.mirroring import Workbench
from tests.support.mlflow_server import MlflowServer
from tests.support.neptune.running import PROJECT
from tests.support.neptune.seeding import STEPS, seed
from tests.support.neptune.server import Emulator

pytestmark = pytest.mark.mlflow

CONFIG = """\
[registries.neptune]
locator = "neptune://lab/models"
[registries.runs]
locator = "neptune://lab/runs"
[registries.mlflow]
locator = "{mlflow}"
[[mirror]]
name = "models"
source = "neptune#models/*"
vault = "vault"
targets = ["mlflow", "runs"]
[[mirror]]
name = "back"
source = "runs#runs/*"
targets = ["neptune"]
"""


def test_versions_travel_once_their_labels_after_them_and_nothing_comes_back(
    emulator: Emulator, target_server: MlflowServer, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    emulator.store.add_project("lab/runs", "RUN")
    (tmp_path / "mirror.toml").write_text(CONFIG.format(mlflow=target_server.locator))
    bench = Workbench(tmp_path)
    seeded = seed(tmp_path / "seed", key="MIRROR")

    first = bench.run("once", "--json")
    assert outcomes(first.events) == [
        ("vault:", "packed"),
        ("mlflow", "copied"),
        ("runs", "copied"),
    ], first.out
    client = MlflowClient(target_server.uri, target_server.uri)
    version = client.get_model_version(seeded.model, "1")
    assert client.get_model_version_by_alias(seeded.model, "staging").version == "1"
    run = client.get_run(str(version.run_id))
    assert run.data.params["params/lr"] == "0.1"
    assert len(client.get_metric_history(run.info.run_id, "metrics/loss")) == STEPS

    emulator.log.clear()
    again = bench.run("once", "--json")
    assert outcomes(again.events) == [], again.out
    assert emulator.counts["getExperimentAttributes"] == 1, (
        "of the project that is a source of runs"
    )
    plan = bench.run("plan", "--json").events
    assert [event["reason"] for event in plan if event["mirror"] == "back"] == [
        "echo: came from this target"
    ]

    stored = emulator.store.object(f"{PROJECT}/{seeded.version}")
    stored.attributes["sys/tags"].value.add("seen")
    relabelled = outcomes(bench.run("once", "--json", "--mirror", "models").events)
    assert {outcome for _, outcome in relabelled} == {"relabelled"}
    assert "seen" in client.get_model_version(seeded.model, "1").tags["neptune.tags"]
    (made,) = (one for one in emulator.store.objects.values() if one.custom == seeded.version)
    assert made.attributes["sys/tags"].value == {"prod", "seen", "model_version"}


def outcomes(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["target"], one["outcome"]) for one in events if one["event"] == "ended"]
