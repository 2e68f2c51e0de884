"""What reading changes is in the receipt of a copy, and a run gets no tag that it never had."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from tests.support.command import within

pytestmark = pytest.mark.mlflow


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_copy_tells_what_reading_changed(
    empty_database: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    shutil.copy(empty_database, tmp_path / "target.db")
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    here = MlflowClient(uri, uri)
    home, other = (
        here.create_experiment(name, artifact_location=str(tmp_path / name))
        for name in ("home", "other")
    )
    run = here._tracking_client.store.create_run(home, "ada", 1, [], "bare")  # noqa: SLF001  (the client adds the tag)
    model = here.create_logged_model(other, name="away", source_run_id=run.info.run_id)
    here.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    here.finalize_logged_model(model.model_id, "READY")
    here.log_text(run.info.run_id, "text", "words.txt")
    (Path(run.info.artifact_uri) / "hollow" / "deep").mkdir(parents=True)
    here.set_terminated(run.info.run_id)

    sides = f"mlflow+{uri}#runs/{run.info.run_id}", "mlflow+sqlite:///target.db"
    done = within("copy", *sides, *more, "--json", cwd=tmp_path)
    assert done.status == 0, done.err
    (said,) = [one["read_transformations"] for one in done.documents if "read_losses" in one]
    assert {(one["record"], one["field"]) for one in said} == {
        (f"run {run.info.run_id}", "hollow/deep"),
        (f"logged model {model.model_id}", "experiment"),
    }
    if more:
        return
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    (found,) = there.search_runs([one.experiment_id for one in there.search_experiments()])
    assert found.info.user_id == "ada"
    assert "mlflow.user" not in found.data.tags
    assert within("copy", *sides, cwd=tmp_path).out.splitlines()[0].endswith("nothing to do")
