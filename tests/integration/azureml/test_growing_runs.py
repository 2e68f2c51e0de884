"""A run that changes after its version was copied, at its source or at the target."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput

from mlarchive.errors import ConflictError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.unpack import unpack
from tests.integration.azureml.registries import Open, carry
from tests.support.azureml import Emulator, Place
from tests.support.azureml.trained import TRAINED, Journey, job_of
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow


def test_a_run_that_grows_after_its_version_was_copied_grows_there_too(
    azureml: Emulator, journey: Journey, opened: Open, tmp_path: Path
) -> None:
    journey.bring()
    pack_file(journey.source.read(journey.what), tmp_path / "older.mlpkg", packed_at=0)
    journey.ours.log_param(journey.job, "late", "1")
    journey.ours.log_metric(journey.job, "dice", 0.99, step=40)
    grown = journey.bring()
    assert [one.why for one in grown.transformations if one.field == "run"] == [
        "it is another one than when the version was copied last"
    ]
    assert (journey.run.data.params["late"], journey.run.data.metrics["dice"]) == ("1", 0.99)
    assert set(journey.clinic.of("models")[TRAINED].versions) == {"1"}
    assert journey.bring().idle
    held = journey.target.holding(journey.what, WritePolicy())
    assert held is not None
    assert held.content_id == grown.content_id
    # What was packed before has nothing that is not there, and takes nothing away.
    with Package.open(tmp_path / "older.mlpkg") as package:
        older = unpack(package, journey.target, WritePolicy())
    told = [one.why for one in older.transformations if one.field == "run"]
    assert (older.idle, told) == (
        True,
        ["the run there has more by now than is said of it here, which stays"],
    )
    assert journey.target.holding(journey.what, WritePolicy()) == held
    assert journey.bring().idle
    # In a registry, which has no runs, nothing is another one, whichever comes last.
    shared = opened(azureml.registry(azureml.tenant(), "shared"))
    first = carry(journey.source, journey.what, shared, tmp_path).receipt
    journey.ours.log_param(journey.job, "later", "1")
    assert carry(journey.source, journey.what, shared, tmp_path).receipt.idle
    with Package.open(tmp_path / "older.mlpkg") as package:
        assert unpack(package, shared, WritePolicy()).idle
    held = shared.holding(journey.what, WritePolicy())
    assert held is not None
    assert held.content_id == first.content_id == grown.content_id
    assert carry(journey.source, journey.what, shared, tmp_path).receipt.idle
    assert azureml.wire.leaks == ()


def test_what_is_news_of_a_run_travels_or_is_lost_though_people_logged_more_to_it(
    clinic: Place, source_server: MlflowServer, opened: Open, tmp_path: Path
) -> None:
    client, name = MlflowClient(source_server.uri), f"ahead-{source_server.pid}"
    run = client.create_run(client.create_experiment(f"of {tmp_path.name}")).info.run_id
    client.log_text(run, "w", "model/w")
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run}/model", run)
    client.set_terminated(run)
    theirs = MlflowClient(clinic.tracking)
    with MlflowRegistry.open(source_server.uri) as home:
        what = Address(origin=home.origin, kind="models", name=name, version="1")
        target = opened(clinic)
        carry(home, what, target, tmp_path)
        made = job_of(clinic, name)
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
    journey: Journey,
) -> None:
    journey.bring()
    ours, theirs, made = journey.ours, journey.theirs, journey.run.info.run_id
    theirs.log_param(made, "own", "x")
    theirs.log_metric(made, "dice", 0.1, step=41)
    ours.log_param(journey.job, "last", "1")
    beside = journey.bring()
    stays = {one.field for one in beside.transformations if "logged at the target" in one.why}
    assert stays == {"param own", "1 more points of metric dice"}
    assert theirs.get_run(made).data.params["last"] == "1"
    for tag, value in {"own": "mine", "mlflow.note.content": "theirs"}.items():
        theirs.set_tag(made, tag, value)
    ours.set_tag(journey.job, "site", "news")
    theirs.set_tag(made, "site", "theirs")
    theirs.update_run(made, name="theirs")
    labelled = journey.bring()
    stay = {"name", "tag own", "tag mlflow.note.content"}
    told = {one.field: one.why for one in labelled.transformations if one.record.startswith("run")}
    assert told.keys() - {"user", "properties", "run_id"} == stay | {"tag site"}
    assert told["tag site"] == "the source's news replaces what people at the target said"
    assert journey.run.info.run_name == "theirs"
    tags = [journey.run.data.tags[one] for one in ("own", "mlflow.note.content", "site")]
    assert tags == ["mine", "theirs", "news"]
    assert not [one for one in labelled.actions if "removed at the source" in one.why]
    assert journey.bring().idle
    theirs.log_param(made, "mine", "x")
    ours.log_param(journey.job, "mine", "y")
    with pytest.raises(ConflictError, match="param 'mine' of run"):
        journey.bring()
    skipped = journey.bring(WritePolicy(conflict="skip"))
    assert [one.verb for one in skipped.actions] == ["skip"]
