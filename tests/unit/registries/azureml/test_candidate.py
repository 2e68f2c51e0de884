"""What Azure ML cannot hold of a model is said, file by file and field by field."""

import dataclasses
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlarchive.errors import UnsupportedError
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.candidate import candidate, losses_of
from mlarchive.registries.azureml.writing_run import experiment_name
from mlarchive.registries.base import WritePolicy
from tests.support.innereye import DOCK, copied, read
from tests.support.snapshots import model_version


def test_files_that_are_not_the_models_own_are_losses(tmp_path: Path) -> None:
    (copied(tmp_path, DOCK) / DOCK / "notes.txt").write_text("by hand")
    snapshot = read(tmp_path / "downloaded", "dock")
    found = losses_of(snapshot, "dock", in_registry=False)
    assert {(loss.record, loss.field) for loss in found} == {("folder dock_1", "1 other files")}


@pytest.mark.parametrize(
    ("length", "in_registry", "kept"),
    [(940, False, True), (945, False, False), (894, True, True), (920, True, False)],
)
def test_a_name_that_is_too_long_with_where_it_goes_is_a_loss(
    length: int, *, in_registry: bool, kept: bool
) -> None:
    long = "/".join(["d" * 99] * 8).ljust(length, "x")
    snapshot = model_version(name="wine", files={long: b"1", "w": b"2"})
    made = candidate(snapshot, WritePolicy(), in_registry=in_registry)
    lost = [loss.field for loss in losses_of(snapshot, "wine", in_registry=in_registry)]
    assert (long in [sent.file.path for sent in made.files]) is kept
    assert (long in lost) is not kept


def test_the_experiment_stays_known_where_no_run_comes_along() -> None:
    snapshot = model_version(files={"w": b"2"})
    version = snapshot.record(snapshot.subject)
    also = {keys.EXPERIMENT: "wine experiment"}
    marked = replace(version, run="", native=replace(version.native, also=also))
    records = tuple(marked if one is version else one for one in snapshot.records)
    for one in (snapshot, dataclasses.replace(snapshot, records=records)):
        lineage = candidate(one, WritePolicy(), in_registry=True).lineage
        assert lineage[keys.EXPERIMENT] == "wine experiment"


@pytest.mark.parametrize("name", ["w" * 256, "wine.7", "_wine", "-wine", ""])
def test_a_name_that_azure_ml_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"is no name for a model of Azure ML: .*begin"):
        candidate(model_version(name=name), WritePolicy(), in_registry=False)


def test_names_of_experiments_are_made_such_as_azure_ml_takes() -> None:
    assert experiment_name("training-2") == "training-2"
    assert experiment_name("/Users/me@x/Wine 1") == "Users_me_x_Wine_1"
    assert experiment_name("Prüfung") == "Pr_fung"
    assert experiment_name("???") == "experiment"
