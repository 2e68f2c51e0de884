"""A server is not copied into itself, and its list tells each alias once."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.command import environment, within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

USAGE, CONFIG = 2, 10


def test_a_copy_into_itself_is_refused_and_changes_nothing(
    source_server: MlflowServer, tmp_path: Path
) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    experiment = client.create_experiment("into itself")
    run = client.create_run(experiment).info.run_id
    client.set_terminated(run)
    client.delete_run(run)
    before = client.get_run(run).to_dictionary()
    named = f"{source_server.locator}#runs/{run}"

    for target in (
        source_server.locator,
        f"{source_server.locator}/",
        source_server.locator.replace("127.0.0.1", "LOCALHOST"),
        source_server.locator.replace("127.0.0.1", "0.0.0.0"),  # noqa: S104  (asked, not bound)
    ):
        done = within("copy", named, target, cwd=tmp_path)
        assert done.status == USAGE, done.err
        assert "is in the target itself" in done.err
        assert "--to-experiment" in done.err
        assert client.get_run(run).to_dictionary() == before

    client.create_registered_model("of itself")
    client.create_model_version("of itself", client.get_run(run).info.artifact_uri, run)
    version = f"{source_server.locator}#models/of itself/1"
    # Neither gives it another place.
    for more in (("--to-experiment", "beside itself"), ("--rename", "of itself")):
        done = within("copy", version, source_server.locator, *more, cwd=tmp_path)
        assert done.status == USAGE, done.err
        assert client.get_model_version("of itself", "1").tags == {}
    assert client.get_experiment_by_name("beside itself") is None

    beside = ("--to-experiment", "beside itself")
    assert within("copy", named, source_server.locator, *beside, cwd=tmp_path).status == 0
    assert client.get_experiment_by_name("beside itself") is not None


MIRROR = """
state = "state"

[registries.a]
locator = "{source}"

[registries.b]
locator = "{target}"

[[mirror]]
name = "self"
source = "a#models/*"
vault = "vault"
targets = ["b"]
"""


def test_a_mirror_into_its_own_source_is_refused_and_changes_nothing(
    source_server: MlflowServer, tmp_path: Path
) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    client.create_registered_model("mirrored into itself")
    run = client.create_run("0").info.run_id
    client.set_terminated(run)
    client.create_model_version("mirrored into itself", client.get_run(run).info.artifact_uri, run)
    twin = source_server.locator.replace("127.0.0.1", "localhost")
    config = MIRROR.format(source=source_server.locator, target=twin)
    (tmp_path / "mlarchived.toml").write_text(config, "utf-8")
    for command in ("check", "once"):
        words = [sys.executable, "-m", "mlarchived.cli", command, "--config", "mlarchived.toml"]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == CONFIG, done.stderr
        assert "is the very server that it reads" in done.stdout + done.stderr
    assert client.get_model_version("mirrored into itself", "1").tags == {}


def test_an_alias_is_told_once_in_a_list(source_server: MlflowServer, tmp_path: Path) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    client.register_prompt("told-once", "Why?")
    client.set_prompt_alias("told-once", "prod", 1)

    listed = within("ls", f"{source_server.locator}#prompts/told-once", cwd=tmp_path)
    (line,) = [one for one in listed.out.splitlines() if "told-once" in one]
    assert "@prod" in line
    assert line.count("prod") == 1
