"""What a copy puts right at its target is told with the true reason; the rest `diff` finds."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.command import Done, within

pytestmark = pytest.mark.mlflow


class Lab:
    """A server with a run of which a version is made, and one that gets copies."""

    def __init__(self, folder: Path, empty: Path) -> None:
        self.folder = folder
        self.here, self.there = (self._client(name, empty) for name in ("source", "target"))
        self.where = self.here.create_experiment("home", artifact_location=str(folder / "home"))
        kept = str(folder / "kept")
        self.kept = self.there.create_experiment("kept", artifact_location=kept)
        run = self.here.create_run(self.where, run_name="maker").info
        self.here.log_text(run.run_id, "weights", "model/weights.bin")
        self.here.set_terminated(run.run_id)
        self.here.create_registered_model("wine")
        self.here.create_model_version("wine", f"{run.artifact_uri}/model", run.run_id)

    def _client(self, name: str, empty: Path) -> MlflowClient:
        uri = f"sqlite:///{shutil.copy(empty, self.folder / f'{name}.db')}"
        return MlflowClient(uri, uri)

    def copied(self, what: str, *more: str) -> Done:
        sides = (f"mlflow+sqlite:///source.db#{what}", "mlflow+sqlite:///target.db")
        done = within("copy", *sides, *more, cwd=self.folder)
        assert done.status == 0, done.err
        return done


@pytest.fixture
def lab(empty_database: Path, tmp_path: Path) -> Lab:
    return Lab(tmp_path, empty_database)


def test_what_people_added_at_the_target_is_taken_away_as_what_the_source_does_not_have(
    lab: Lab,
) -> None:
    to = ("--to-experiment", "kept")
    lab.copied("models/wine", *to)
    (run,) = lab.there.search_runs([lab.kept])
    lab.there.set_tag(run.info.run_id, "people", "said")
    lab.there.set_registered_model_alias("wine", "theirs", "1")
    done = lab.copied("models/wine", *to)
    assert "update tag 'people' of run 'maker' (the source does not have it)" in done.out
    assert "alias 'theirs' of models/wine/1 (the source does not have it)" in done.out
    assert "removed at the source" not in done.out
    assert "nothing to do" in lab.copied("models/wine", *to).out


def test_an_experiment_that_people_renamed_and_deleted_at_the_target_is_told_by_both_names(
    lab: Lab,
) -> None:
    lab.copied("experiments/home")
    there = lab.there.get_experiment_by_name("home")
    assert there is not None
    lab.there.rename_experiment(there.experiment_id, "theirs")
    lab.there.delete_experiment(there.experiment_id)
    lab.here.set_experiment_tag(lab.where, "said", "later")
    done = lab.copied("experiments/home")
    assert "#experiments/theirs, which is experiments/home at the source: done" in done.out
    assert "(restored, since it is active at the source)" in done.out
    assert "restored at the source" not in done.out


def test_a_file_that_the_target_lost_is_found_by_a_comparison_and_by_no_copy(lab: Lab) -> None:
    to = ("--to-experiment", "kept")
    lab.copied("models/wine", *to)
    (file,) = (lab.folder / "kept").rglob("weights.bin")
    file.write_text("rotten!")
    assert "nothing to do" in lab.copied("models/wine", *to).out
    sides = (f"mlflow+sqlite:///{name}.db#models/wine/1" for name in ("source", "target"))
    compared = within("diff", *sides, cwd=lab.folder)
    assert (compared.status, "weights.bin" in compared.out) == (5, True), compared.out
