"""Writing to a real server: the same thing arrives, once, and only what changed travels."""

import math
from dataclasses import replace
from pathlib import Path

import mlflow.sklearn
import msgspec
import pytest
from mlflow import MlflowClient

from mlarchive.records import Address, Experiment, Run
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, marks
from tests.support.mlflow_packages import (
    PRESERVE,
    by_hand,
    file_stream,
    model_package,
    numbers,
    package_of,
    packed,
    series_stream,
    version_address,
    written,
)
from tests.support.mlflow_seed import Seeded, samples, seed, tracking
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow


def origins(registry: MlflowRegistry, kind: str = "runs") -> list[str]:
    return [ref.origin for ref in registry.changes(Selector(kind=kind)) if ref.origin]


def test_a_round_trip_over_two_servers_keeps_both_ids(
    lab: MlflowRegistry, clinic: MlflowRegistry, wine: Seeded
) -> None:
    for version in (1, 2, 3):
        package = package_of(lab, wine.name, version)
        receipt = written(clinic, package)
        back = package_of(clinic, wine.name, version)

        assert receipt.target == version_address(clinic, wine.name, version)
        assert receipt.losses == ()
        assert (back.content_id, back.state_id) == (package.content_id, package.state_id)


def test_a_written_model_loads_and_predicts_the_same(
    lab: MlflowRegistry,
    clinic: MlflowRegistry,
    source_server: MlflowServer,
    target_server: MlflowServer,
    wine: Seeded,
) -> None:
    for version in (1, 2, 3):
        written(clinic, package_of(lab, wine.name, version))
    predictions = []
    for server in (source_server, target_server):
        with tracking(server.uri):
            predictions += [
                mlflow.sklearn.load_model(f"models:/{wine.name}/{version}").predict(samples())
                for version in (1, 2, 3)
            ]

    assert all((a == b).all() for a, b in zip(predictions[:3], predictions[3:], strict=True))


def test_a_plan_says_what_the_write_then_does_and_changes_nothing(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    package = model_package("planned")
    plan = clinic.plan_write(package.snapshot(), PRESERVE)

    assert numbers(there, "planned") == []
    assert there.get_experiment_by_name("planned by hand") is None
    receipt = written(clinic, package)
    assert (receipt.actions, receipt.target) == (plan.actions, plan.target)


def test_writing_twice_changes_nothing(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, tmp_path: Path
) -> None:
    seed(str(here.tracking_uri), "twice", tmp_path / "files")
    package = package_of(lab, "twice", 1)
    first = written(clinic, package)
    second = written(clinic, package)

    assert not first.idle
    assert first.bytes > 0
    assert second.idle
    assert second.bytes == 0
    assert {action.verb for action in second.actions} == {"keep"}


def test_the_target_remembers_what_it_holds(clinic: MlflowRegistry) -> None:
    package = model_package("remembered")
    source = package.meaning.address
    before = clinic.holding(source, PRESERVE)
    written(clinic, package)
    holding = clinic.holding(source, PRESERVE)

    assert before is None
    assert holding is not None
    assert holding.address == version_address(clinic, "remembered", 1)
    assert (holding.content_id, holding.state_id) == (package.content_id, package.state_id)


def test_versions_of_one_run_share_one_run(
    lab: MlflowRegistry, clinic: MlflowRegistry, there: MlflowClient, wine: Seeded
) -> None:
    for version in (1, 2):
        written(clinic, package_of(lab, wine.name, version))
    first, second = (there.get_model_version(wine.name, number) for number in ("1", "2"))

    assert first.run_id == second.run_id
    assert origins(clinic).count(f"lab#runs/{wine.run_id}") == 1
    outputs = there.get_run(str(first.run_id)).outputs
    assert outputs is not None
    made = [there.get_logged_model(one.model_id) for one in outputs.model_outputs]
    # Other tests have these at this server under other names of their source.
    own = there.get_run(str(first.run_id)).info.experiment_id
    assert len([one for one in made if one.experiment_id == own]) == 2


def test_changed_labels_travel_alone(
    lab: MlflowRegistry,
    clinic: MlflowRegistry,
    here: MlflowClient,
    there: MlflowClient,
    tmp_path: Path,
) -> None:
    seeded = seed(str(here.tracking_uri), "labelled", tmp_path / "files")
    for version in (1, 2):
        written(clinic, package_of(lab, "labelled", version))
    here.set_registered_model_alias("labelled", "champion", "1")
    here.delete_registered_model_alias("labelled", "previous")
    here.set_model_version_tag("labelled", "1", "reviewed", "ja")
    here.delete_model_version_tag("labelled", "1", "checked")
    here.update_model_version("labelled", "1", "Now the best.")
    here.set_tag(seeded.run_id, "purpose", "more tests")
    here.update_registered_model("labelled", "Says it better.")
    package = package_of(lab, "labelled", 1)
    receipt = written(clinic, package)
    held = there.get_model_version("labelled", "1")

    assert receipt.bytes == 0
    assert {action.verb for action in receipt.actions} == {"update", "keep"}
    assert "moves from version 2" in {action.why for action in receipt.actions}
    assert held.aliases == ["champion"]
    assert held.description == "Now the best."
    assert held.tags["reviewed"] == "ja"
    assert "checked" not in held.tags
    assert there.get_run(str(held.run_id)).data.tags["purpose"] == "more tests"
    assert package_of(clinic, "labelled", 1).state_id == package.state_id
    assert written(clinic, package).idle


def test_what_was_relabelled_at_the_target_is_put_right(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    package = model_package("meddled")
    written(clinic, package)
    there.set_model_version_tag("meddled", "1", "stray", "tag")
    there.update_model_version("meddled", "1", "not what the source says")
    receipt = written(clinic, package)

    assert not receipt.idle
    assert receipt.bytes == 0
    assert package_of(clinic, "meddled", 1).state_id == package.state_id


def test_a_run_without_an_experiment_finds_a_home(clinic: MlflowRegistry) -> None:
    snapshot = by_hand("stray", streams=[file_stream("run", "model/w", b"w")])
    records = (
        msgspec.structs.replace(record, experiment="") if isinstance(record, Run) else record
        for record in snapshot.records
        if not isinstance(record, Experiment)
    )
    package = packed(replace(snapshot, records=tuple(records)))
    receipt = written(clinic, package)

    assert receipt.target == version_address(clinic, "stray", 1)
    assert package_of(clinic, "stray", 1).content_id == package.content_id
    assert written(clinic, package).idle


def test_another_name_is_written_where_the_policy_says_so(clinic: MlflowRegistry) -> None:
    package = model_package("plain")
    receipt = written(clinic, package, WritePolicy(rename="fancy"))

    assert receipt.target == version_address(clinic, "fancy", 1)
    assert package_of(clinic, "fancy", 1).content_id == package.content_id


def test_a_versions_own_files_find_a_home_and_come_back(clinic: MlflowRegistry) -> None:
    streams = [
        file_stream("version", "weights/ü 1.bin", b"\x00\x01"),
        file_stream("run", "a", b"b"),
    ]
    package = packed(by_hand("homeless", streams=streams, own_files=True))
    receipt = written(clinic, package)
    back = package_of(clinic, "homeless", 1)

    assert receipt.losses == ()
    assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
    assert written(clinic, package).idle


def test_a_name_of_a_versions_own_file_that_mlflow_cannot_hold_is_a_loss_each_time(
    clinic: MlflowRegistry,
) -> None:
    streams = [file_stream("version", "a#b", b"1"), file_stream("version", "c", b"2")]
    package = packed(by_hand("odd", streams=streams, own_files=True))
    plan = clinic.plan_write(package.snapshot(), PRESERVE)
    first, again = written(clinic, package), written(clinic, package)
    assert [loss.field for loss in plan.losses] == ["a#b"]
    assert first.losses == again.losses == plan.losses
    assert again.idle


def test_values_that_mlflow_cannot_hold_are_listed_losses(clinic: MlflowRegistry) -> None:
    streams = [
        series_stream("run", "loss", [0.5, math.inf, math.nan]),
        series_stream("run", "fine", [1.0, 2.0]),
        file_stream("run", "model/weights.txt", b"w"),
        file_stream("run", "model/a%20b.txt", b"w"),
    ]
    snapshot = by_hand("lossy", streams=streams)
    params = {"short": "1", "long": "x" * 6001}
    records = (
        msgspec.structs.replace(record, params=params) if isinstance(record, Run) else record
        for record in snapshot.records
    )
    package = packed(replace(snapshot, records=tuple(records)))

    plan = clinic.plan_write(package.snapshot(), PRESERVE)
    receipt = written(clinic, package)

    fields = {loss.field for loss in receipt.losses}
    assert fields == {"metric loss", "param long", "model/a%20b.txt"}
    assert set(plan.losses) == set(receipt.losses)
    again = written(clinic, package)
    assert again.idle
    assert {loss.field for loss in again.losses} == {"param long", "model/a%20b.txt"}
    (held,) = clinic.changes(Selector(kind="models", name="lossy"))
    assert held.origin == "elsewhere#models/lossy/1"


def test_a_run_deleted_at_the_source_is_deleted_at_the_target(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, tmp_path: Path
) -> None:
    seeded = seed(str(here.tracking_uri), "buried", tmp_path / "files")
    here.delete_run(seeded.run_id)
    packages = [package_of(lab, "buried", version) for version in (1, 2)]
    for package in packages:
        written(clinic, package)

    for version, package in enumerate(packages, start=1):
        assert package_of(clinic, "buried", version).state_id == package.state_id
        assert package_of(clinic, "buried", version).content_id == package.content_id
        assert written(clinic, package).idle
    here.restore_run(seeded.run_id)
    written(clinic, package_of(lab, "buried", 1))
    assert package_of(clinic, "buried", 1).state_id == package_of(lab, "buried", 1).state_id


def test_what_is_deleted_on_both_sides_is_still_written_to(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    experiment = here.create_experiment("closed")
    here.create_registered_model("closed")
    runs = [here.create_run(experiment).info.run_id for _ in range(2)]
    for run_id in runs:
        here.log_text(run_id, "1 2 3", "model/weights.txt")
        here.set_terminated(run_id)
        here.create_model_version("closed", f"runs:/{run_id}/model", run_id)
    here.delete_experiment(experiment)
    for version in (1, 2):
        written(clinic, package_of(lab, "closed", version))
    here.restore_experiment(experiment)
    here.set_tag(runs[0], "seen", "late")
    here.set_experiment_tag(experiment, "seen", "late")
    here.delete_experiment(experiment)
    packages = [package_of(lab, "closed", version) for version in (1, 2)]
    for package in packages:
        written(clinic, package)

    for version, package in enumerate(packages, start=1):
        assert package_of(clinic, "closed", version).content_id == package.content_id
        assert package_of(clinic, "closed", version).state_id == package.state_id
        assert written(clinic, package).idle
    there_too = there.get_experiment_by_name("closed")
    assert there_too is not None
    assert there_too.lifecycle_stage == "deleted"


def test_a_deleted_run_gets_labels_and_stays_deleted(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, tmp_path: Path
) -> None:
    seeded = seed(str(here.tracking_uri), "put away", tmp_path / "files")
    here.delete_run(seeded.run_id)
    written(clinic, package_of(lab, "put away", 1))
    here.restore_run(seeded.run_id)
    here.set_tag(seeded.run_id, "seen", "late")
    here.delete_run(seeded.run_id)
    package = package_of(lab, "put away", 1)
    written(clinic, package)

    assert package_of(clinic, "put away", 1).state_id == package.state_id
    assert written(clinic, package).idle


def test_a_versions_link_to_a_run_elsewhere_is_kept(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    run_id = here.create_run("0").info.run_id
    here.set_terminated(run_id)
    here.create_registered_model("linked")
    link = "https://lab.example/runs/7"
    here.create_model_version("linked", f"runs:/{run_id}/model", run_id, run_link=link)
    written(clinic, package_of(lab, "linked", 1))

    assert there.get_model_version("linked", "1").run_link == link


def test_a_models_points_arrive_where_its_run_has_nan(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    """MLflow keeps such a point as NaN for the run and as 0 for the model."""
    run_id = here.create_run("0").info.run_id
    model = here.create_logged_model("0", name="diverged", source_run_id=run_id)
    for step, value in enumerate((0.5, math.nan, 0.0)):
        here.log_metric(run_id, "loss", value, step=step, model_id=model.model_id)
    here.finalize_logged_model(model.model_id, "READY")
    here.set_terminated(run_id)
    here.create_registered_model("diverged")
    here.create_model_version(
        "diverged", f"models:/{model.model_id}", run_id, model_id=model.model_id
    )
    package = package_of(lab, "diverged", 1)
    receipt = written(clinic, package)

    assert receipt.losses == ()
    assert package_of(clinic, "diverged", 1).content_id == package.content_id
    arrived = there.get_model_version("diverged", "1")
    history = there.get_metric_history(str(arrived.run_id), "loss")
    assert [str(point.value) for point in history] == ["0.5", "nan", "0.0"]


def test_an_interrupted_version_with_its_own_files_is_finished_with_the_files_of_now(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    before, now = (
        packed(by_hand("own", own_files=True, streams=[file_stream("version", "weights", raw)]))
        for raw in (b"before", b"now!!!")
    )
    written(clinic, before)
    for tag in ("mlarchive.content_id", "mlarchive.state_id"):
        there.delete_model_version_tag("own", "1", tag)
    written(clinic, now)

    assert package_of(clinic, "own", 1).content_id == now.content_id


def test_what_came_through_several_registries_remembers_them_all(
    lab: MlflowRegistry, clinic: MlflowRegistry, wine: Seeded
) -> None:
    policy = WritePolicy(rename="well travelled", versions="next")
    written(clinic, package_of(lab, wine.name, 1), policy)
    (once,) = clinic.changes(Selector(kind="models", name="well travelled"))
    written(lab, packed(clinic.read(once.address)), policy)
    (twice,) = lab.changes(Selector(kind="models", name="well travelled"))

    assert once.through == ("lab",)
    assert twice.through == ("lab", "clinic")


def test_a_run_that_grew_gets_what_is_new(
    lab: MlflowRegistry,
    clinic: MlflowRegistry,
    here: MlflowClient,
    tmp_path: Path,
) -> None:
    seeded = seed(str(here.tracking_uri), "grown", tmp_path / "files")
    written(clinic, package_of(lab, "grown", 1))
    here.log_metric(seeded.run_id, "late", 1.5, step=3)
    here.log_text(seeded.run_id, "an afterthought", "late.txt")
    package = package_of(lab, "grown", 2)
    written(clinic, package)

    assert package_of(clinic, "grown", 2).content_id == package.content_id
    assert origins(clinic).count(f"lab#runs/{seeded.run_id}") == 1


def test_what_others_have_at_the_target_stays(clinic: MlflowRegistry, there: MlflowClient) -> None:
    there.create_registered_model("shared", {"owner": "them"}, "Theirs.")
    there.create_experiment("shared by hand", tags={"owner": "them"})
    package = packed(
        by_hand("shared", description="Ours.", streams=[file_stream("run", "model/w", b"w")])
    )
    receipt = written(clinic, package)

    assert there.get_registered_model("shared").description == "Theirs."
    assert there.get_registered_model("shared").tags == {"owner": "them"}
    experiment = there.get_experiment_by_name("shared by hand")
    assert experiment is not None
    assert marks.state_tags(experiment.tags) == {"owner": "them"}
    assert [loss.field for loss in receipt.losses] == ["description"]


def test_a_run_alone_makes_the_round_trip(
    lab: MlflowRegistry, clinic: MlflowRegistry, wine: Seeded
) -> None:
    source = Address(origin="lab", kind="runs", name=wine.run_id)
    package = packed(lab.read(source))
    receipt = written(clinic, package)
    back = packed(clinic.read(receipt.target))
    holding = clinic.holding(source, PRESERVE)

    assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
    assert holding is not None
    assert (holding.address, holding.content_id) == (receipt.target, package.content_id)
    assert written(clinic, package).idle


def test_a_parent_that_was_mirrored_is_linked(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    parent = here.create_run("0", run_name="parent").info.run_id
    child = here.create_run("0", run_name="child", tags={"mlflow.parentRunId": parent}).info.run_id
    for run_id in (parent, child):
        here.set_terminated(run_id)
    parent_there, child_there = (
        written(
            clinic, packed(lab.read(Address(origin="lab", kind="runs", name=run_id)))
        ).target.name
        for run_id in (parent, child)
    )

    assert there.get_run(child_there).data.tags["mlflow.parentRunId"] == parent_there


def test_a_database_takes_a_version_with_local_artifacts(
    lab: MlflowRegistry, wine: Seeded, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with tracking(uri):
        mlflow.create_experiment("makes the tables", artifact_location=tmp_path.as_uri())

    with MlflowRegistry.open(uri) as registry:
        for version in (1, 3):
            package = package_of(lab, wine.name, version)
            written(registry, package)
            back = package_of(registry, wine.name, version)
            assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
            assert written(registry, package).idle
    with tracking(uri):
        model = mlflow.sklearn.load_model(f"models:/{wine.name}/1")
    assert len(model.predict(samples())) == len(samples())
