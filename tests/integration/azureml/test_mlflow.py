"""Models come from and go to MLflow, and the job that made one travels with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric
from msgspec.structs import replace

from mlarchive.copy import Copied
from mlarchive.errors import ConflictError, UnavailableError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import Address, Loss, ModelVersion, Notebook, Run, Tags
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.unpack import unpack
from tests.integration.azureml.registries import Open, address, carry
from tests.integration.azureml.test_models import FILES, LABELS
from tests.support.azureml import Emulator, Place
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

# The MLflow servers are shared by the tests of a session, so each test writes a model of its own.
TRAINED, SHARED = "prostate-of-a-job", "prostate-of-a-registry"


@pytest.fixture
def trained(azureml: Emulator, source_server: MlflowServer) -> tuple[Place, str]:
    """A workspace with a model that a job made; the job is a run of the server behind it."""
    client = MlflowClient(source_server.uri)
    name = f"segmentation-{source_server.pid}"
    experiment = client.get_experiment_by_name(name)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
    run = client.create_run(experiment_id, tags={"site": "lab"}, run_name="brave_lamp_1")
    points = [
        Metric("dice", 0.5 + step / 100, 1_700_000_000_000 + step, step) for step in range(40)
    ]
    client.log_batch(run.info.run_id, metrics=points)
    client.log_param(run.info.run_id, "lr", "0.1")
    client.set_terminated(run.info.run_id)
    lab = azureml.workspace(azureml.tenant(), "lab")
    lab.tracking = source_server.uri
    job = run.info.run_id
    azureml.put_job(lab, job, experimentName=name)
    azureml.put_job_files(lab, job, {f"model/{path}": raw for path, raw in FILES.items()})
    azureml.put_model(lab, TRAINED, "1", {"x": b"x"})
    uri = lab.uri_of("workspaceartifactstore", f"ExperimentRun/dcid.{job}/model")
    version = lab.version("models", TRAINED, "1")["properties"]
    version.update({"modelUri": uri, "jobName": job, "modelType": "mlflow_model"})
    return lab, job


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
        first, second = (carry(*ends, target, tmp_path) for ends in pair)
        assert (idle(first), idle(second)) == (False, True)
        assert first.receipt.content_id == second.receipt.content_id
        left = [loss.record for one in (first, second) for loss in one.receipt.losses]
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


def test_a_model_goes_from_a_registry_into_mlflow_and_on_into_a_workspace(
    azureml: Emulator, target_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    conda = b"name: x\ndependencies:\n- python=3.11\n"
    files = {**FILES, "conda.yaml": conda}
    tags = {"site": "lab"}
    azureml.put_model(shared, SHARED, "3", files, **{**LABELS, "tags": tags})
    lineage = {"mlarchive.job": "brave_lamp_1", "mlarchive.experiment": "segmentation"}
    shared.version("models", SHARED, "3")["properties"]["properties"].update(lineage)
    source, target = opened(shared), opened(clinic)
    with MlflowRegistry.open(target_server.uri) as middle:
        for _ in range(2):
            there = carry(source, address(shared, "models", SHARED, "3"), middle, tmp_path)
            back = carry(middle, there.receipt.target, target, tmp_path)
    number = back.receipt.target.version
    said = clinic.version("models", SHARED, number)["properties"]
    assert azureml.files_of(clinic, SHARED, number) == files
    assert kept(said["tags"]) == tags
    assert said["description"] == LABELS["description"]
    assert said["modelType"] == "mlflow_model"
    assert lineage.items() <= said["properties"].items()
    lost = {(loss.field) for loss in there.receipt.losses}
    assert {"property kept", "stage", "data of flavor python_function"} & lost
    environment = clinic.version("environments", SHARED, "1")["properties"]
    assert environment["condaFile"].encode() == conda
    assert environment["image"].startswith("mcr.microsoft.com/azureml/")
    assert idle(there)
    assert idle(back)
    assert azureml.wire.leaks == ()


def test_what_a_server_has_beside_models_is_passed_over_and_lost_each_time(
    azureml: Emulator, source_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    client = MlflowClient(source_server.uri)
    run = client.create_run(client.create_experiment(f"alone {tmp_path.name}"))
    client.set_terminated(run.info.run_id)
    origin = f"mlflow+{source_server.uri}"
    run_alone = Address(origin=origin, kind="runs", name=run.info.run_id)
    experiment = Address(origin=origin, kind="experiments", name=f"alone {tmp_path.name}")
    target = opened(azureml.workspace(azureml.tenant(), "clinic"))
    with MlflowRegistry.open(source_server.uri, origin=origin) as source:
        for _ in range(2):
            done = carry(source, run_alone, target, tmp_path).receipt
            lost = [(one.record, one.field) for one in done.losses]
            assert (done.idle, lost) == (True, [(f"runs/{run.info.run_id}", "all of it")])
            done = carry(source, experiment, target, tmp_path).receipt
            assert (done.losses, [one.verb for one in done.actions]) == ((), ["skip"])
            # What was not read is lost once.
            accounts = Address(origin=origin, kind="other-objects", name="accounts")
            unread = carry(source, accounts, target, tmp_path)
            assert (len(unread.read.losses), unread.receipt.losses) == (1, ())
    assert target.holding(experiment, WritePolicy()) is None


def test_a_model_of_a_job_keeps_its_lineage_and_its_run_in_mlflow(
    trained: tuple[Place, str], target_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    lab, job = trained
    with MlflowRegistry.open(target_server.uri) as target:
        for _ in range(2):
            done = carry(opened(lab), address(lab, "models", TRAINED, "1"), target, tmp_path)
        assert idle(done)
        client = MlflowClient(target_server.uri)
        at = done.receipt.target
        version = client.get_model_version(at.name, at.version)
        assert version.run_id is not None
        run = client.get_run(version.run_id)
        assert run.data.params == {"lr": "0.1"}
        assert len(client.get_metric_history(version.run_id, "dice")) == 40
        assert job in run.data.tags["mlarchive.origin"]
        # What a mirror brought there, which calls the place otherwise, comes home as what it was.
        what = address(lab, "models", TRAINED, "1")
        mirrored = carry(opened(lab, called="lab"), replace(what, origin="lab"), target, tmp_path)
        before = runs_of(lab)
        carry(target, mirrored.receipt.target, opened(lab), tmp_path)
        assert (mirrored.receipt.target, runs_of(lab)) == (at, before)
        assert "mlarchive." not in repr(lab.version("models", TRAINED, "1"))


AGAIN = (WritePolicy(), WritePolicy(conflict="new-version"), WritePolicy(versions="next"))


def test_what_comes_back_to_a_place_that_it_came_through_is_there_already(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, _ = trained
    tenant = azureml.tenant()
    middle, shared = azureml.workspace(tenant, "middle"), azureml.registry(tenant, "shared")
    middle.tracking = target_server.uri
    target = opened(middle)
    carry(opened(lab), address(lab, "models", TRAINED, "1"), target, tmp_path)
    there = address(middle, "models", TRAINED, "1")
    version, runs = repr(middle.version("models", TRAINED, "1")), runs_of(middle).keys()
    with MlflowRegistry.open(lab.tracking) as between:
        ways = [
            (source, carry(target, there, source, tmp_path).receipt.target)
            for source in (opened(shared), between)
        ]
        for source, what in ways:
            for policy in AGAIN:
                done = carry(source, what, target, tmp_path, policy).receipt
                assert (done.idle, done.target.version, done.losses) == (True, "1", ())
        assert repr(middle.version("models", TRAINED, "1")) == version
        assert set(middle.of("models")[TRAINED].versions) == {"1"}
        assert runs_of(middle).keys() == runs
        # So it is where it went from there, though it is said by another.
        far = azureml.workspace(tenant, "far")
        far.tracking = target_server.uri
        carry(target, there, opened(far), tmp_path)
        before = runs_of(far).keys()
        for source, what in ways:
            done = carry(source, what, opened(far), tmp_path).receipt
            assert (done.idle, done.losses, runs_of(far).keys()) == (True, (), before)
        # What the run got on the way stays behind, and is told.
        at = ways[1][1]
        made = MlflowClient(lab.tracking).get_model_version(at.name, at.version).run_id
        MlflowClient(lab.tracking).log_param(str(made), "late", "1")
        late = carry(between, at, target, tmp_path).receipt
        assert (late.idle, [one.field for one in late.losses]) == (True, ["param late"])
        with pytest.raises(ConflictError, match="nothing but its run differs"):
            carry(between, at, opened(far), tmp_path)
        # Other files are another thing.
        middle.of("models")[TRAINED].versions.clear()
        azureml.put_model(middle, TRAINED, "1", {"x": b"other"})
        for source, what in ways:
            with pytest.raises(ConflictError, match="is taken by other content"):
                carry(source, what, target, tmp_path)


def test_what_comes_back_to_a_server_is_the_version_that_it_was_written_from(
    azureml: Emulator,
    source_server: MlflowServer,
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    client = MlflowClient(source_server.uri)
    run = client.create_run(client.create_experiment(f"of {tmp_path.name}")).info.run_id
    client.log_param(run, "lr", "0.1")
    client.log_metric(run, "dice", 0.5, step=1)
    files = tmp_path / "model"
    files.mkdir()
    (files / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: x\n")
    (files / "conda.yaml").write_text("name: x\ndependencies: [python=3.11]\n")
    client.log_artifacts(run, str(files), "model")
    client.set_terminated(run)
    name = f"homing-{source_server.pid}"
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run}/model", run, tags={"a": "1"})
    clinic, shared = (
        azureml.workspace(azureml.tenant(), "clinic"),
        azureml.registry(azureml.tenant(), "shared"),
    )
    clinic.tracking = target_server.uri
    away = opened(clinic), address(clinic, "models", name, "1")
    further = opened(shared), address(shared, "models", name, "1")
    with MlflowRegistry.open(source_server.uri) as home:
        what = Address(origin=home.origin, kind="models", name=name, version="1")
        carry(home, what, away[0], tmp_path)
        carry(*away, further[0], tmp_path)
        before = client.get_model_version(name, "1"), runs_of(clinic).keys()
        for policy in AGAIN:
            for ends in (away, further):
                done = carry(*ends, home, tmp_path, policy).receipt
                assert (done.idle, done.target.version) == (True, "1")
                assert not [one for one in done.losses if "environment" not in one.record]
        there = client.get_model_version(name, "1"), runs_of(clinic).keys()
        assert (there[0].tags, there[1]) == (before[0].tags, before[1])
        assert len(client.search_model_versions(f"name = '{name}'")) == 1
        # News come home, and what is news here stays.
        said = clinic.version("models", name, "1")["properties"]
        said["tags"]["a"], said["description"] = "2", "theirs"
        client.update_model_version(name, "1", "ours")
        news = carry(*away, home, tmp_path).receipt
        told = client.get_model_version(name, "1")
        assert (told.tags, told.description) == ({"a": "2"}, "ours")
        assert "description" in [one.field for one in news.losses]
        MlflowClient(clinic.tracking).log_param(version_job(clinic, name), "late", "1")
        lost = [one.field for one in carry(*away, home, tmp_path).receipt.losses]
        assert "param late" in lost
        clinic.of("models")[name].versions.clear()
        azureml.put_model(clinic, name, "1", {"MLmodel": b"flavors: {}"})
        with pytest.raises(ConflictError, match="is something else"):
            carry(*away, home, tmp_path)


def version_job(place: Place, name: str) -> str:
    """The job that a version names."""
    return str(place.version("models", name, "1")["properties"]["jobName"])


def test_a_model_of_a_job_arrives_in_another_workspace_with_its_run(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, job = trained
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    clinic.tracking = target_server.uri
    source, target = opened(lab), opened(clinic)
    what = address(lab, "models", TRAINED, "1")
    # The run is made, and nobody hears of it: the same command finds it and goes on.
    azureml.faults.plan("reset", counts=lambda *asked: asked[2].endswith("/runs/create"))
    with pytest.raises(UnavailableError):
        carry(source, what, target, tmp_path)
    assert TRAINED not in clinic.of("models")

    done = carry(source, what, target, tmp_path)

    said = clinic.version("models", TRAINED, "1")["properties"]
    run = MlflowClient(target_server.uri).get_run(said["jobName"])
    assert (run.data.params, run.data.tags["site"]) == ({"lr": "0.1"}, "lab")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "brave_lamp_1")
    history = MlflowClient(target_server.uri).get_metric_history(run.info.run_id, "dice")
    assert [point.value for point in history] == [0.5 + step / 100 for step in range(40)]
    assert said["properties"]["mlarchive.job"] == job
    assert said["properties"]["mlarchive.run"] == run.info.run_id
    assert done.receipt.losses == ()
    assert idle(carry(source, what, target, tmp_path))
    # What is read there is what was read here, with the job's properties and user.
    further = azureml.workspace(azureml.tenant(), "further")
    further.tracking = target_server.uri
    on = carry(target, address(clinic, "models", TRAINED, "1"), opened(further), tmp_path)
    assert on.receipt.content_id == done.receipt.content_id
    there = further.version("models", TRAINED, "1")["properties"]
    assert there["properties"]["mlarchive.job"] == job
    # Nor does a mirror, which calls the place otherwise.
    there = runs_of(clinic)
    carry(opened(lab, called="lab"), replace(what, origin="lab"), target, tmp_path)
    assert runs_of(clinic).keys() == there.keys()
    # What comes back, at once or by way of others, makes no second run.
    before = runs_of(lab)
    for place in (clinic, further):
        back = carry(opened(place), address(place, "models", TRAINED, "1"), source, tmp_path)
        assert (runs_of(lab), back.receipt.losses) == (before, ())
    MlflowClient(clinic.tracking).set_tag(run.info.run_id, "late", "1")
    back = carry(target, address(clinic, "models", TRAINED, "1"), source, tmp_path)
    assert (runs_of(lab), [one.field for one in back.receipt.losses]) == (before, ["tag late"])
    MlflowClient(clinic.tracking).delete_tag(run.info.run_id, "late")
    MlflowClient(lab.tracking).set_tag(job, "site", "attic")
    relabelled = carry(source, what, target, tmp_path)
    assert not idle(relabelled)
    origin = run.data.tags["mlarchive.origin"]
    (only,) = MlflowClient(target_server.uri).search_runs(
        [run.info.experiment_id], f"tags.`mlarchive.origin` = '{origin}'"
    )
    assert only.data.tags["site"] == "attic"
    assert idle(carry(source, what, target, tmp_path))
    assert azureml.wire.leaks == ()


def test_a_run_that_grows_after_its_version_was_copied_grows_there_too(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, job = trained
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    clinic.tracking = target_server.uri
    source, target = opened(lab), opened(clinic)
    what = address(lab, "models", TRAINED, "1")
    carry(source, what, target, tmp_path)
    pack_file(source.read(what), tmp_path / "older.mlpkg", packed_at=0)
    MlflowClient(lab.tracking).log_param(job, "late", "1")
    MlflowClient(lab.tracking).log_metric(job, "dice", 0.99, step=40)
    grown = carry(source, what, target, tmp_path)
    assert [one.why for one in grown.receipt.transformations if one.field == "run"] == [
        "it is another one than when the version was copied last"
    ]
    made = clinic.version("models", TRAINED, "1")["properties"]["jobName"]
    run = MlflowClient(target_server.uri).get_run(made)
    assert (run.data.params["late"], run.data.metrics["dice"]) == ("1", 0.99)
    assert set(clinic.of("models")[TRAINED].versions) == {"1"}
    assert idle(carry(source, what, target, tmp_path))
    held = target.holding(what, WritePolicy())
    assert held is not None
    assert held.content_id == grown.receipt.content_id
    # What was packed before has nothing that is not there, and takes nothing away.
    with Package.open(tmp_path / "older.mlpkg") as package:
        older = unpack(package, target, WritePolicy())
    told = [one.why for one in older.transformations if one.field == "run"]
    assert (older.idle, told) == (
        True,
        ["the run there has more by now than is said of it here, which stays"],
    )
    assert target.holding(what, WritePolicy()) == held
    assert idle(carry(source, what, target, tmp_path))
    # In a registry, which has no runs, nothing is another one, whichever comes last.
    shared = azureml.registry(azureml.tenant(), "shared")
    carry(source, what, opened(shared), tmp_path)
    MlflowClient(lab.tracking).log_param(job, "later", "1")
    assert idle(carry(source, what, opened(shared), tmp_path))
    with Package.open(tmp_path / "older.mlpkg") as package:
        assert unpack(package, opened(shared), WritePolicy()).idle
    assert idle(carry(source, what, opened(shared), tmp_path))
    assert azureml.wire.leaks == ()


def test_what_is_news_of_a_run_travels_or_is_lost_though_people_logged_more_to_it(
    azureml: Emulator,
    source_server: MlflowServer,
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    client, name = MlflowClient(source_server.uri), f"ahead-{source_server.pid}"
    run = client.create_run(client.create_experiment(f"of {tmp_path.name}")).info.run_id
    client.log_text(run, "w", "model/w")
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run}/model", run)
    client.set_terminated(run)
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    clinic.tracking = target_server.uri
    theirs = MlflowClient(target_server.uri)
    with MlflowRegistry.open(source_server.uri) as home:
        what = Address(origin=home.origin, kind="models", name=name, version="1")
        target = opened(clinic)
        carry(home, what, target, tmp_path)
        made = version_job(clinic, name)
        theirs.log_metric(made, "people", 0.5)
        dataset = Dataset("ds", "d1", "local", "{}")
        client.log_inputs(run, datasets=[DatasetInput(dataset, [])])
        for _ in range(2):
            done = carry(home, what, target, tmp_path).receipt
            assert "dataset ds" in [one.field for one in done.losses]
        # What the run made since counts in its digest, so that nobody can say who is ahead.
        client.log_text(run, "notes", "extra/notes.txt")
        client.set_tag(run, "review", "approved")
        client.update_run(run, name="renamed")
        for idle in (False, True):
            news = carry(home, what, target, tmp_path).receipt
            lost = [one.field for one in news.losses]
            assert (news.idle, lost) == (idle, ["1 other files", "dataset ds"])
        there = theirs.get_run(made)
        assert (there.info.run_name, there.data.tags["review"]) == ("renamed", "approved")
        assert there.data.metrics == {"people": 0.5}


def test_what_people_did_to_a_run_at_the_target_stays_and_what_contradicts_it_is_a_conflict(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, job = trained
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    clinic.tracking = target_server.uri
    source, target = opened(lab), opened(clinic)
    what = address(lab, "models", TRAINED, "1")
    carry(source, what, target, tmp_path)
    made = clinic.version("models", TRAINED, "1")["properties"]["jobName"]
    theirs = MlflowClient(target_server.uri)
    theirs.log_param(made, "own", "x")
    theirs.log_metric(made, "dice", 0.1, step=41)
    MlflowClient(lab.tracking).log_param(job, "last", "1")
    beside = carry(source, what, target, tmp_path).receipt
    stays = {one.field for one in beside.transformations if "logged at the target" in one.why}
    assert stays == {"param own", "1 more points of metric dice"}
    assert theirs.get_run(made).data.params["last"] == "1"
    for tag, value in {"own": "mine", "mlflow.note.content": "theirs"}.items():
        theirs.set_tag(made, tag, value)
    MlflowClient(lab.tracking).set_tag(job, "site", "news")
    theirs.set_tag(made, "site", "theirs")
    theirs.update_run(made, name="theirs")
    labelled = carry(source, what, target, tmp_path).receipt
    stay = {"name", "tag own", "tag mlflow.note.content"}
    told = {one.field: one.why for one in labelled.transformations if one.record.startswith("run")}
    assert told.keys() - {"user", "properties", "run_id"} == stay | {"tag site"}
    assert told["tag site"] == "the source's news replaces what people at the target said"
    held_run = theirs.get_run(made)
    assert held_run.info.run_name == "theirs"
    tags = [held_run.data.tags[one] for one in ("own", "mlflow.note.content", "site")]
    assert tags == ["mine", "theirs", "news"]
    assert not [one for one in labelled.actions if "removed at the source" in one.why]
    assert idle(carry(source, what, target, tmp_path))
    theirs.log_param(made, "mine", "x")
    MlflowClient(lab.tracking).log_param(job, "mine", "y")
    with pytest.raises(ConflictError, match="param 'mine' of run"):
        carry(source, what, target, tmp_path)
    skipped = carry(source, what, target, tmp_path, WritePolicy(conflict="skip")).receipt
    assert [one.verb for one in skipped.actions] == ["skip"]


def test_another_job_that_made_the_same_files_is_another_lineage(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, job = trained
    tenant = azureml.tenant()
    clinic, shared = azureml.workspace(tenant, "clinic"), azureml.registry(tenant, "shared")
    clinic.tracking = target_server.uri
    source, what = opened(lab), address(lab, "models", TRAINED, "1")
    targets = [opened(clinic), opened(shared)]
    for target in targets:
        carry(source, what, target, tmp_path)
    client = MlflowClient(lab.tracking)
    first = client.get_run(job)
    other = client.create_run(first.info.experiment_id, run_name="other").info.run_id
    client.log_param(other, "lr", "9")
    client.set_terminated(other)
    azureml.put_job(lab, other, experimentName=lab.jobs[job]["properties"]["experimentName"])
    lab.version("models", TRAINED, "1")["properties"]["jobName"] = other
    before = clinic.version("models", TRAINED, "1")["properties"]
    for target in targets:
        with pytest.raises(ConflictError, match="it differs in its job"):
            carry(source, what, target, tmp_path)
    assert clinic.version("models", TRAINED, "1")["properties"] == before
    made = carry(source, what, targets[0], tmp_path, WritePolicy(conflict="new-version")).receipt
    assert made.target.version == "2"
    assert idle(carry(source, what, targets[0], tmp_path))
    snapshot = targets[0].read(address(clinic, "models", TRAINED, "2"))
    (run,) = [one for one in snapshot.records if isinstance(one, Run)]
    assert run.params == {"lr": "9"}


def test_a_version_that_is_taken_over_names_the_run_that_made_it(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, job = trained
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    clinic.tracking = target_server.uri
    azureml.put_model(clinic, TRAINED, "1", FILES, modelType="mlflow_model")
    what = address(lab, "models", TRAINED, "1")
    done = carry(opened(lab), what, opened(clinic), tmp_path)
    told = {one.field: one.why for one in done.receipt.transformations}
    assert "Azure ML gives no job to a version that is there" in told[f"job {job}"]
    snapshot = opened(clinic).read(address(clinic, "models", TRAINED, "1"))
    version = snapshot.record(snapshot.subject)
    assert isinstance(version, ModelVersion)
    run = snapshot.record(version.run)
    assert isinstance(run, Run)
    assert (version.job, run.params) == (job, {"lr": "0.1"})
    assert idle(carry(opened(lab), what, opened(clinic), tmp_path))
    MlflowClient(lab.tracking).log_param(job, "late", "1")
    carry(opened(lab), what, opened(clinic), tmp_path)
    grown = MlflowClient(target_server.uri).get_run(version_run(clinic))
    assert grown.data.params == {"lr": "0.1", "late": "1"}
    assert idle(carry(opened(lab), what, opened(clinic), tmp_path))
    clinic.version("models", TRAINED, "1")["properties"]["jobName"] = "another"
    again = carry(opened(lab), what, opened(clinic), tmp_path)
    assert [one.field for one in again.receipt.losses] == [f"job {job}"]


def test_the_tag_model_id_follows_a_version_to_another_name_with_its_run(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, job = trained
    MlflowClient(lab.tracking).set_tag(job, "model_id", f"{TRAINED}:1")
    lab.version("models", TRAINED, "1")["properties"]["tags"]["model_id"] = f"{TRAINED}:1"
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    clinic.tracking = target_server.uri
    name = f"renamed-{job}"
    ends = opened(lab), address(lab, "models", TRAINED, "1"), opened(clinic), tmp_path
    done = carry(*ends, WritePolicy(rename=name, versions="next"))
    said = clinic.version("models", name, "1")["properties"]
    run = MlflowClient(target_server.uri).get_run(said["properties"]["mlarchive.run"])
    assert (said["tags"]["model_id"], run.data.tags["model_id"]) == (f"{name}:1", f"{name}:1")
    changed = [one.record for one in done.receipt.transformations if one.field == "tag model_id"]
    assert len(changed) == 2
    assert idle(carry(*ends, WritePolicy(rename=name, versions="next")))


def version_run(place: Place) -> str:
    """The run that the model's version names in a property."""
    said = place.version("models", TRAINED, "1")["properties"]["properties"]
    return str(said["mlarchive.run"])


def runs_of(place: Place) -> dict[str, dict[str, str]]:
    """The tags of all runs that the server behind a workspace has, by id."""
    client = MlflowClient(place.tracking)
    experiments = [one.experiment_id for one in client.search_experiments()]
    found = client.search_runs(experiments, max_results=1000)
    return {run.info.run_id: run.data.tags for run in found}


def idle(done: Copied) -> bool:
    return done.receipt.idle


def kept(tags: dict[str, Any]) -> Tags:
    return {name: value for name, value in tags.items() if not name.startswith("mlarchive.")}
