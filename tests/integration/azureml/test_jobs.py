"""The job that made a model travels with it, and is its lineage everywhere."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from msgspec.structs import replace

from mlarchive.errors import ConflictError, UnavailableError
from mlarchive.records import Loss, ModelVersion, Notebook, Run
from mlarchive.registries.base import WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place
from tests.support.azureml.files import FILES
from tests.support.azureml.trained import TRAINED, Journey, runs_of

pytestmark = pytest.mark.mlflow


def test_the_job_is_read_with_its_parameters_metrics_and_tags(
    trained: tuple[Place, str], opened: Open
) -> None:
    lab, job = trained
    snapshot = opened(lab).read(address(lab, "models", TRAINED, "1"))
    version = snapshot.record(snapshot.subject)
    assert isinstance(version, ModelVersion)
    run = snapshot.record(version.run)
    assert isinstance(run, Run)
    assert (version.job, run.native.id, run.name) == (job, job, "brave_lamp_1")
    assert run.params == {"lr": "0.1"}
    assert run.tags["site"] == "lab"
    assert run.tags["mlflow.note.content"] == "trains"
    assert run.properties == {"azureml.git.commit": "abc123"}
    assert snapshot.losses == ()
    (series,) = snapshot.streams_of(run.key)
    with series.open() as columns:
        assert len(columns.read()) == 40 * 24
    said = lab.jobs[job]["properties"]["properties"]
    said["azureml.git.repository_uri"] = "https://bob:s3cret@git.example/x"
    snapshot = opened(lab).read(address(lab, "models", TRAINED, "1"))
    (loss,) = snapshot.losses
    assert (loss.record, loss.field) == (f"job {job}", "property azureml.git.repository_uri")
    assert "s3cret" not in repr(snapshot.records)
    del said["azureml.git.repository_uri"]
    MlflowClient(lab.tracking).set_tag(job, "mlflow.note.content", "another word")
    (loss,) = opened(lab).read(address(lab, "models", TRAINED, "1")).losses
    assert (loss.record, loss.field) == (f"job {job}", "description")


def test_the_notebooks_of_a_jobs_snapshot_travel_with_its_run(
    azureml: Emulator, trained: tuple[Place, str], opened: Open, tmp_path: Path
) -> None:
    lab, job = trained
    files = {"train.ipynb": b"{}", "lib/steps.py": b"pass", "data.csv": b"1"}
    said = lab.jobs[job]["properties"]
    said["codeId"] = azureml.put_code(lab, "of-train", "1", files)
    what = address(lab, "models", TRAINED, "1")

    snapshot = opened(lab, MLARCHIVE_NOTEBOOK_FORMATS="JUPYTER,SOURCE").read(what)
    found = {one.path: one for one in snapshot.records if isinstance(one, Notebook)}
    assert {path: dict(one.formats) for path, one in found.items()} == {
        "train.ipynb": {"JUPYTER": "train.ipynb"},
        "lib/steps.py": {"SOURCE": "steps.py"},
    }
    version = snapshot.record(snapshot.subject)
    assert isinstance(version, ModelVersion)
    assert {(one.record, one.source, one.revision) for one in found.values()} == {
        (version.run, "azureml", "of-train:1")
    }
    for path, one in found.items():
        (stream,) = snapshot.streams_of(one.key)
        with stream.open() as raw:
            assert raw.read() == files[path]

    # Azure ML cannot hold them: with them or without, a version at a target is the same.
    clinic, other = (azureml.registry(azureml.tenant(), name) for name in ("clinic", "other"))
    with_them = opened(lab, MLARCHIVE_NOTEBOOK_FORMATS="JUPYTER"), what
    for target, pair in (
        (opened(clinic), [with_them, (opened(lab), what)]),
        (opened(other), [(opened(lab), what), with_them]),
    ):
        first, second = (carry(*ends, target, tmp_path).receipt for ends in pair)
        assert (first.idle, second.idle) == (False, True)
        assert first.content_id == second.content_id
        left = [loss.record for one in (first, second) for loss in one.losses]
        assert [one for one in left if "notebook" in one] == ["notebook train.ipynb (JUPYTER)"]

    assert ("code", True) in notes(opened(lab).read(what).transformations, "--notebook-formats")
    said["codeId"] = f"{lab.id}/codes/gone/versions/1"
    lost = opened(lab, MLARCHIVE_NOTEBOOK_FORMATS="JUPYTER").read(what)
    assert ("code", True) in notes(lost.losses, "cannot be read")
    said["codeId"] = None
    said["properties"] = {"ContentSnapshotId": "5ca1ab1e"}
    lost = opened(lab, MLARCHIVE_NOTEBOOK_FORMATS="JUPYTER").read(what)
    assert ("code", True) in notes(lost.losses, "classic client")


def notes(listed: Sequence[Loss], words: str) -> set[tuple[str, bool]]:
    """What is listed, and whether its reason has some words."""
    return {(one.field, words in one.why) for one in listed}


def test_a_model_of_a_job_arrives_in_another_workspace_with_its_run(
    azureml: Emulator, journey: Journey, opened: Open, tmp_path: Path
) -> None:
    # The run is made, and nobody hears of it: the same command finds it and goes on.
    azureml.faults.plan("reset", counts=lambda *asked: asked[2].endswith("/runs/create"))
    with pytest.raises(UnavailableError):
        journey.bring()
    assert TRAINED not in journey.clinic.of("models")

    done = journey.bring()

    run = journey.run
    assert (run.data.params, run.data.tags["site"]) == ({"lr": "0.1"}, "lab")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "brave_lamp_1")
    history = journey.theirs.get_metric_history(run.info.run_id, "dice")
    assert [point.value for point in history] == [0.5 + step / 100 for step in range(40)]
    assert journey.arrived["properties"]["mlarchive.job"] == journey.job
    assert journey.arrived["properties"]["mlarchive.run"] == run.info.run_id
    assert done.losses == ()
    assert journey.bring().idle
    # What is read there is what was read here, with the job's properties and user.
    further = azureml.workspace(azureml.tenant(), "further")
    further.tracking = journey.clinic.tracking
    arrived = address(journey.clinic, "models", TRAINED, "1")
    on = carry(journey.target, arrived, opened(further), tmp_path).receipt
    assert on.content_id == done.content_id
    # The job is the first one's.
    there = further.version("models", TRAINED, "1")["properties"]
    assert there["properties"]["mlarchive.job"] == journey.job
    # Nor does a mirror, which calls the place otherwise.
    before = runs_of(journey.clinic)
    mirrored = opened(journey.lab, called="lab")
    carry(mirrored, replace(journey.what, origin="lab"), journey.target, tmp_path)
    assert runs_of(journey.clinic).keys() == before.keys()
    # What comes back, at once or by way of others, makes no second run.
    before = runs_of(journey.lab)
    for place in (journey.clinic, further):
        what = address(place, "models", TRAINED, "1")
        back = carry(opened(place), what, journey.source, tmp_path).receipt
        assert (runs_of(journey.lab), back.losses) == (before, ())
    journey.theirs.set_tag(run.info.run_id, "late", "1")
    back = carry(journey.target, arrived, journey.source, tmp_path).receipt
    assert (runs_of(journey.lab), [one.field for one in back.losses]) == (before, ["tag late"])
    journey.theirs.delete_tag(run.info.run_id, "late")
    journey.ours.set_tag(journey.job, "site", "attic")
    assert not journey.bring().idle
    origin = run.data.tags["mlarchive.origin"]
    (only,) = journey.theirs.search_runs(
        [run.info.experiment_id], f"tags.`mlarchive.origin` = '{origin}'"
    )
    assert only.data.tags["site"] == "attic"
    assert journey.bring().idle
    assert azureml.wire.leaks == ()


def test_another_job_that_made_the_same_files_is_another_lineage(
    azureml: Emulator, journey: Journey, opened: Open, tmp_path: Path
) -> None:
    targets = [journey.target, opened(azureml.registry(journey.clinic.tenant, "shared"))]
    for target in targets:
        carry(journey.source, journey.what, target, tmp_path)
    first = journey.ours.get_run(journey.job)
    other = journey.ours.create_run(first.info.experiment_id, run_name="other").info.run_id
    journey.ours.log_param(other, "lr", "9")
    journey.ours.set_terminated(other)
    experiment = journey.lab.jobs[journey.job]["properties"]["experimentName"]
    azureml.put_job(journey.lab, other, experimentName=experiment)
    journey.lab.version("models", TRAINED, "1")["properties"]["jobName"] = other
    before = journey.arrived
    for target in targets:
        with pytest.raises(ConflictError, match="it differs in its job"):
            carry(journey.source, journey.what, target, tmp_path)
    assert journey.arrived == before
    assert journey.bring(WritePolicy(conflict="new-version")).target.version == "2"
    assert journey.bring().idle
    snapshot = journey.target.read(address(journey.clinic, "models", TRAINED, "2"))
    (run,) = [one for one in snapshot.records if isinstance(one, Run)]
    assert run.params == {"lr": "9"}


def test_a_version_that_is_taken_over_names_the_run_that_made_it(
    azureml: Emulator, journey: Journey
) -> None:
    azureml.put_model(journey.clinic, TRAINED, "1", FILES, modelType="mlflow_model")
    told = {one.field: one.why for one in journey.bring().transformations}
    assert "Azure ML gives no job to a version that is there" in told[f"job {journey.job}"]
    snapshot = journey.target.read(address(journey.clinic, "models", TRAINED, "1"))
    version = snapshot.record(snapshot.subject)
    assert isinstance(version, ModelVersion)
    run = snapshot.record(version.run)
    assert isinstance(run, Run)
    assert (version.job, run.params) == (journey.job, {"lr": "0.1"})
    assert journey.bring().idle
    journey.ours.log_param(journey.job, "late", "1")
    journey.bring()
    grown = journey.theirs.get_run(journey.arrived["properties"]["mlarchive.run"])
    assert grown.data.params == {"lr": "0.1", "late": "1"}
    assert journey.bring().idle
    journey.arrived["jobName"] = "another"
    assert [one.field for one in journey.bring().losses] == [f"job {journey.job}"]


def test_the_tag_model_id_follows_a_version_to_another_name_with_its_run(journey: Journey) -> None:
    journey.ours.set_tag(journey.job, "model_id", f"{TRAINED}:1")
    said = journey.lab.version("models", TRAINED, "1")["properties"]
    said["tags"]["model_id"] = f"{TRAINED}:1"
    name = f"renamed-{journey.job}"
    renaming = WritePolicy(rename=name, versions="next")
    done = journey.bring(renaming)
    said = journey.clinic.version("models", name, "1")["properties"]
    run = journey.theirs.get_run(said["properties"]["mlarchive.run"])
    assert (said["tags"]["model_id"], run.data.tags["model_id"]) == (f"{name}:1", f"{name}:1")
    changed = [one.record for one in done.transformations if one.field == "tag model_id"]
    assert len(changed) == 2
    assert journey.bring(renaming).idle
