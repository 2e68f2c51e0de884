"""What Azure ML cannot hold of a model is said, file by file and field by field."""

from pathlib import Path

from mlarchive.registries.azureml.candidate import losses_of
from mlarchive.registries.azureml.writing_run import experiment_name
from tests.support.innereye import DOCK, copied, read


def test_files_that_are_not_the_models_own_are_losses(tmp_path: Path) -> None:
    (copied(tmp_path, DOCK) / DOCK / "notes.txt").write_text("by hand")
    snapshot = read(tmp_path / "downloaded", "dock")
    lost = {(loss.record, loss.field) for loss in losses_of(snapshot, keeps_runs=True)}
    assert lost == {("folder dock_1", "1 other files")}


def test_names_of_experiments_are_made_such_as_azure_ml_takes() -> None:
    assert experiment_name("training-2") == "training-2"
    assert experiment_name("/Users/me@x/Wine 1") == "Users_me_x_Wine_1"
    assert experiment_name("Prüfung") == "Pr_fung"
    assert experiment_name("???") == "experiment"
