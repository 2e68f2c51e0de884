"""A file that a server will not give is a loss by itself, and comes when it can be had."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.command import Done, within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

AT_ONCE = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}


@pytest.fixture
def run(source_server: MlflowServer, here: MlflowClient, tmp_path: Path) -> tuple[str, Path]:
    """A run with a version, a link out of its artifacts, and one that leads nowhere."""
    experiment = here.create_experiment(f"withheld {tmp_path.name}")
    run_id = here.create_run(experiment, run_name="torn").info.run_id
    here.log_param(run_id, "depth", "3")
    for path in ("model/weights.bin", "out/sound.txt", "broken/sound.txt"):
        here.log_text(run_id, "sound", path)
    here.set_terminated(run_id)
    here.create_registered_model(f"torn-{run_id}")
    for source in ("model", "out"):
        here.create_model_version(f"torn-{run_id}", f"runs:/{run_id}/{source}", run_id)
    artifacts = source_server.folder / "artifacts" / experiment / run_id / "artifacts"
    (tmp_path / "elsewhere").write_text("elsewhere")
    (artifacts / "out" / "link").symlink_to(tmp_path / "elsewhere")
    (artifacts / "broken" / "link").symlink_to(tmp_path / "nowhere")
    return run_id, artifacts


def _copy(server: MlflowServer, what: str, tmp_path: Path) -> Done:
    sides = f"{server.locator}#{what}", "mlflow+sqlite:///target.db"
    return within("copy", *sides, "--json", cwd=tmp_path, env=AT_ONCE)


def test_the_rest_of_a_run_travels_and_a_later_copy_brings_what_can_be_had_by_then(
    source_server: MlflowServer, run: tuple[str, Path], empty_database: Path, tmp_path: Path
) -> None:
    run_id, artifacts = run
    (tmp_path / "target.db").write_bytes(empty_database.read_bytes())
    done = _copy(source_server, f"runs/{run_id}", tmp_path)
    assert done.status == 3, done.err
    (losses,) = [one["read_losses"] for one in done.documents if "receipt" in one]
    assert {(one["record"], one["field"]) for one in losses} == {
        (f"run {run_id}", "broken"),
        (f"run {run_id}", "out/link"),
    }
    assert (
        f"loss: run {run_id}: out/link: the server gives other files, and not this one" in done.err
    )

    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    (target,) = there.search_runs([e.experiment_id for e in there.search_experiments()])
    assert target.data.params == {"depth": "3"}
    folder = Path(target.info.artifact_uri)
    held = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert held == {"model/weights.bin", "out/sound.txt"}

    for link in (artifacts / "out" / "link", artifacts / "broken" / "link"):
        link.unlink()
        link.write_text("mended")
    again = _copy(source_server, f"runs/{run_id}", tmp_path)
    assert again.status == 0, again.err
    assert (folder / "out" / "link").read_text() == "mended"
    assert (folder / "broken" / "link").read_text() == "mended"


def test_a_version_comes_without_a_file_that_is_not_its_own_and_fails_without_one_that_is(
    source_server: MlflowServer, run: tuple[str, Path], empty_database: Path, tmp_path: Path
) -> None:
    run_id, artifacts = run
    (tmp_path / "target.db").write_bytes(empty_database.read_bytes())
    done = _copy(source_server, f"models/torn-{run_id}/1", tmp_path)
    assert done.status == 3, done.err
    failed = _copy(source_server, f"models/torn-{run_id}/2", tmp_path)
    assert failed.status == 21
    assert "out/link not: it answers 400" in failed.err
    assert f"it is a file of models/torn-{run_id}/2" in failed.err

    (artifacts / "out" / "link").unlink()
    done = _copy(source_server, f"models/torn-{run_id}", tmp_path)
    assert done.status == 3, done.err
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    versions = there.search_model_versions(f"name = 'torn-{run_id}'")
    assert {str(one.version) for one in versions} == {"1", "2"}
