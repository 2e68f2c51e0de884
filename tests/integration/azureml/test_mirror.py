"""`mlarchived once` mirrors a workspace into an MLflow server with nothing but a configuration."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from tests.support.azureml import Emulator, Place, assets, tracking
from tests.support.azureml.answers import Answer
from tests.support.azureml.trained import TRAINED, job_of
from tests.support.command import environment, within
from tests.support.mirroring import Workbench
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

CONFIG = """\
[registries.lab]
locator = "{lab}"
[registries.clinic]
locator = "{clinic}"
[[mirror]]
name = "models"
source = "lab"
vault = "vault"
targets = ["clinic"]
"""

FILES = {"MLmodel": b"flavors:\n  sklearn: {}\n", "model.pkl": bytes(70_000)}


class Once:
    """The command, run in a folder with a configuration and the variables of a tenant."""

    def __init__(
        self, lab: Place, clinic: MlflowServer | Place, folder: Path, variables: Mapping[str, str]
    ) -> None:
        text = CONFIG.format(lab=lab.locator, clinic=clinic.locator)
        (folder / "mirror.toml").write_text(text)
        self._bench = Workbench(folder)
        self._variables = variables

    def __call__(self, verb: str = "once", *, status: int = 0) -> list[dict[str, Any]]:
        """What it says, as events; it never shows a traceback."""
        with mock.patch.dict(os.environ, environment(self._variables), clear=True):
            done = self._bench.run(verb, "--json")
        assert done.status in ({status} if status else {0, 3}), done.out + done.err
        return done.events


def outcomes(events: list[dict[str, Any]]) -> list[str]:
    return sorted(e["outcome"] for e in events if e["event"] == "ended" and e["target"] == "clinic")


def test_a_workspace_arrives_once(
    azureml: Emulator,
    source_server: MlflowServer,
    target_server: MlflowServer,
    tmp_path: Path,
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    lab.tracking = source_server.uri
    tracked = MlflowClient(source_server.uri)
    experiment = tracked.create_experiment(f"training {tmp_path.name}")
    run = tracked.create_run(experiment).info.run_id
    tracked.log_param(run, "depth", "3")
    for step in range(3):
        tracked.log_metric(run, "rmse", 1 / (step + 1), step=step)
    tracked.set_terminated(run)
    azureml.put_job(lab, run, experimentName=f"training {tmp_path.name}")
    wine, oak = f"wine-{tmp_path.name}", f"oak-{tmp_path.name}"
    wine, oak = wine.replace("_", "-"), oak.replace("_", "-")
    azureml.put_model(lab, wine, "7", FILES, modelType="mlflow_model", jobName=run)
    azureml.put_environment(lab, "gpu", "1", image="ubuntu:22.04")
    tags = {"python_environment_name": "gpu", "team": "cellar"}
    azureml.put_model(lab, oak, "1", {"w.bin": b"1"}, tags=tags)
    azureml.put_model(lab, oak, "2", {"w.bin": b"2"}, tags=tags)
    once = Once(lab, target_server, tmp_path, azureml.environment(lab.tenant))

    first = once()

    assert outcomes(first) == [*["copied"] * 3, "passed-over"]
    clinic = MlflowClient(target_server.uri)
    version = clinic.get_model_version(wine, "7")
    history = clinic.get_metric_history(version.run_id or "", "rmse")
    assert [point.value for point in history] == [1, 1 / 2, 1 / 3]
    assert clinic.get_run(version.run_id or "").data.params == {"depth": "3"}
    assert clinic.get_model_version(oak, "2").tags["team"] == "cellar"
    losses = [loss for e in first if e["event"] == "ended" for loss in e.get("losses", ())]
    # MLflow has no environments that are objects of their own: of two models and by itself.
    assert [loss.startswith("environments/gpu/1, all of it:") for loss in losses].count(True) == 3
    changes = [change for e in first if e["event"] == "ended" for change in e["changes"]]
    assert any(change.startswith("run ") for change in changes), changes
    lab.version("models", oak, "2")["properties"]["tags"]["team"] = "attic"
    assert outcomes(once()) == ["relabelled"]
    assert clinic.get_model_version(oak, "2").tags["team"] == "attic"
    assert clinic.get_model_version(oak, "1").tags["team"] == "cellar"
    assert azureml.wire.leaks == ()


def test_a_mirror_goes_on_with_what_a_command_copied_and_a_command_with_what_it_mirrored(
    azureml: Emulator, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = (azureml.workspace(tenant, name) for name in ("lab", "clinic"))
    azureml.put_model(lab, "m", "1", {"w": b"1"})
    env = azureml.environment(lab.tenant)

    def copied(source: Place, target: Place) -> None:
        done = within("copy", f"{source.locator}#models/m", target.locator, cwd=tmp_path, env=env)
        assert done.status == 0, done.out + done.err

    copied(lab, clinic)
    once = Once(lab, clinic, tmp_path, env)
    assert outcomes(once()) == ["relabelled"]
    assert outcomes(once()) == []
    said = lab.version("models", "m", "1")["properties"]
    said["tags"] = {"team": "cellar"}
    assert outcomes(once()) == ["relabelled"]
    there = clinic.version("models", "m", "1")["properties"]
    assert there["tags"].pop("team") == "cellar"
    there["tags"]["team"] = "attic"
    copied(clinic, lab)
    assert lab.version("models", "m", "1")["properties"]["tags"] == {"team": "attic"}
    assert "mlarchive." not in repr(lab.version("models", "m", "1"))


def test_what_is_archived_is_left_alone_and_told_or_mirrored_as_such(
    azureml: Emulator, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = (azureml.workspace(tenant, name) for name in ("lab", "clinic"))
    for number in ("1", "2"):
        azureml.put_model(lab, "m", number, {"w": number.encode()})
    lab.version("models", "m", "2")["properties"]["isArchived"] = True
    once = Once(lab, clinic, tmp_path, azureml.environment(tenant))
    why = "archived at its source; `archived = true` mirrors such, too"
    for archived in (1, 2):
        assert once()[-1]["left_alone"]["clinic"] == {why: archived}
        assert set(clinic.of("models")["m"].versions) == {"1"}
        lab.version("models", "m", "1")["properties"]["isArchived"] = True
    assert not clinic.version("models", "m", "1")["properties"]["isArchived"]
    config = tmp_path / "mirror.toml"
    config.write_text(f"{config.read_text('utf-8')}archived = true\n", "utf-8")
    assert outcomes(once()) == ["copied", "relabelled"]
    for number in ("1", "2"):
        assert clinic.version("models", "m", number)["properties"]["isArchived"] is True
    assert outcomes(once()) == []


def test_what_a_run_gets_after_its_version_was_mirrored_is_news(
    azureml: Emulator, trained: tuple[Place, str], target_server: MlflowServer, tmp_path: Path
) -> None:
    lab, job = trained
    clinic = azureml.workspace(lab.tenant, "clinic")
    clinic.tracking = target_server.uri
    once = Once(lab, clinic, tmp_path, azureml.environment(lab.tenant))
    ours, theirs = MlflowClient(lab.tracking), MlflowClient(clinic.tracking)
    ours.update_run(job, status="RUNNING")
    azureml.put_model(lab, TRAINED, "2", {"w": b"2"})
    assert outcomes(once()) == ["copied", "unsettled"]
    (stood,) = (one for one in once("status") if one.get("target") == "clinic")
    waits = (stood["behind"], stood["waiting"], stood["waiting_why"])
    assert waits == (1, 1, "not settled: its run still logs")
    ours.set_terminated(job)
    assert outcomes(once()) == ["copied"]
    made = job_of(clinic)
    ours.log_metric(job, "tested", 0.7)
    assert outcomes(once()) == ["copied"]
    ours.set_tag(job, "review", "approved")
    assert outcomes(once()) == ["relabelled"]
    data = theirs.get_run(made).data
    assert (data.metrics["tested"], data.tags["review"]) == (0.7, "approved")
    assert outcomes(once()) == []
    # It ends anew, and people have logged to it where it was mirrored to.
    theirs.log_metric(made, "people", 1.0)
    ours.update_run(job, status="RUNNING")
    ours.set_terminated(job)
    assert outcomes(once()) == ["copied"]
    ended = theirs.get_run(made).data.tags["mlarchive.run_facts"]
    assert str(ours.get_run(job).info.end_time) in ended
    assert outcomes(once()) == []
    # Nobody can say that this is news; it is told once, and news that come with it are none of it.
    ours.set_terminated(job, end_time=ours.get_run(job).info.end_time - 1)
    assert outcomes(once()) == ["passed-over"]
    assert outcomes(once()) == []
    ours.set_terminated(job, end_time=ours.get_run(job).info.end_time - 1)
    lab.version("models", TRAINED, "1")["properties"]["description"] = "news"
    assert outcomes(once()) == ["relabelled"]
    assert clinic.version("models", TRAINED, "1")["properties"]["description"] == "news"
    assert outcomes(once()) == []


@pytest.mark.parametrize("answer", [403, 401])
def test_a_round_in_which_the_runs_of_a_workspace_could_not_be_asked_for_is_no_success(
    azureml: Emulator,
    trained: tuple[Place, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: int,
) -> None:
    lab, _ = trained
    azureml.put_model(lab, "plain", "1", {"w": b"1"})
    refused = (answer, [("Content-Type", "application/json")], b"{}")
    monkeypatch.setattr(tracking, "_upstream", lambda *_: refused)
    once = Once(
        lab, azureml.workspace(lab.tenant, "clinic"), tmp_path, azureml.environment(lab.tenant)
    )
    events = once(status=13)
    assert outcomes(events) == ["copied", "wait"]
    assert events[-1]["exit_status"] == 13


def test_labels_of_a_version_whose_run_grew_are_new_in_a_registry_and_nothing_else_is(
    azureml: Emulator, trained: tuple[Place, str], tmp_path: Path
) -> None:
    lab, job = trained
    once = Once(
        lab, azureml.registry(lab.tenant, "shared"), tmp_path, azureml.environment(lab.tenant)
    )
    assert outcomes(once()) == ["copied"]
    MlflowClient(lab.tracking).log_param(job, "late", "1")
    lab.version("models", TRAINED, "1")["properties"]["description"] = "news"
    assert outcomes(once()) == ["relabelled"]
    assert outcomes(once()) == []


def test_a_name_whose_list_is_behind_holds_up_nothing_but_itself(
    azureml: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = azureml.tenant()
    lab, clinic, fresh = (azureml.workspace(tenant, name) for name in ("lab", "clinic", "fresh"))
    for name, number in (("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")):
        azureml.put_model(lab, name, number, {"w": name.encode()})
    env = azureml.environment(tenant)
    once, send = Once(lab, clinic, tmp_path, env), ("send", lab.locator, "outbox:o", "--deletions")
    assert outcomes(once()) == ["copied"] * 4
    assert within(*send, cwd=tmp_path, env=env).status == 0

    every = assets.versions

    def lagging(place: Place, kind: str, name: str, *rest: Any) -> Answer:  # noqa: ANN401
        if (place, name) == (lab, "b"):
            return Answer(body={"value": [], "nextLink": None})
        return every(place, kind, name, *rest)

    monkeypatch.setattr(assets, "versions", lagging)
    lab.version("models", "a", "1")["properties"]["description"] = "news"
    del lab.of("models")["c"]
    why = "models/b has a version 2, and shows none of it"
    for done in (["relabelled"], []):
        events = once(status=12)
        assert outcomes(events) == [*done, *["wait"] * 3]
        (failed,) = [e for e in events if e["event"] == "ended" and e["outcome"] == "failed"]
        assert (failed["object"], failed["exit_status"]) == ("models/b", 12)
        assert failed["reason"].endswith(why)
    sent = within(*send, cwd=tmp_path, env=env)
    assert (sent.status, "gone, " in sent.out, why in sent.err) == (12, False, True)
    for verb in (("ls", lab.locator), ("copy", lab.locator, fresh.locator)):
        told = within(*verb, cwd=tmp_path, env=env)
        assert (told.status, "models/a/1" in told.out, why in told.err) == (12, True, True)
    assert set(fresh.of("models")) == {"a"}
    packed = within("pack", f"{lab.locator}#models/*", "-o", "one.mlpkg", cwd=tmp_path, env=env)
    assert (packed.status, (tmp_path / "one.mlpkg").exists()) == (12, False)
    monkeypatch.undo()
    assert outcomes(once()) == []
    sent = within(*send, cwd=tmp_path, env=env)
    assert (sent.status, sent.out.count("gone, ")) == (0, 1)


@pytest.mark.parametrize("kind", ["workspace", "registry", "mlflow", "mlflow of an older one"])
def test_files_that_somebody_replaces_where_they_lie_and_puts_back_are_a_version_each_time(
    azureml: Emulator, target_server: MlflowServer, tmp_path: Path, kind: str
) -> None:
    tenant, name = azureml.tenant(), f"m-{tmp_path.name}".replace("_", "-")
    lab, there = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "there")
    azureml.put_model(lab, name, "1", {"w": b"1"})
    shared = azureml.registry(tenant, "shared")
    targets: dict[str, Place | MlflowServer]
    targets = {"workspace": there, "registry": shared, "mlflow": target_server}
    target = targets[kind.partition(" ")[0]]
    once = Once(lab, target, tmp_path, azureml.environment(tenant))
    config = tmp_path / "mirror.toml"
    more = 'conflict = "new-version"\nreread = "1s"\n'
    config.write_text(config.read_text("utf-8") + more, "utf-8")
    assert outcomes(once()) == ["copied"]
    if kind.endswith("older one") and isinstance(target, MlflowServer):
        clinic = MlflowClient(target.uri)
        source = clinic.get_model_version(name, "1").source or ""
        clinic.delete_logged_model_tag(source.removeprefix("models:/"), "mlarchive.record")
    path = lab.version("models", name, "1")["properties"]["modelUri"].partition("/paths/")[2]
    store = lab.datastores["workspaceblobstore"]
    for raw in (b"2", b"1", b"2"):
        azureml.storage.put(store.account, store.container, path.rstrip("/"), {"w": raw})
        time.sleep(1.1)
        assert outcomes(once()) == ["copied"]
        time.sleep(1.1)
        assert outcomes(once()) == ["there"]
    if isinstance(target, Place):
        held = [azureml.files_of(target, name, number)["w"] for number in ("1", "2", "3", "4")]
    else:
        clinic = MlflowClient(target.uri)
        sources = [
            clinic.get_model_version_download_uri(name, number) for number in ("1", "2", "3", "4")
        ]
        held = [
            Path(download_artifacts(f"{uri}/w", tracking_uri=target.uri)).read_bytes()
            for uri in sources
        ]
    assert held == [b"1", b"2", b"1", b"2"]
