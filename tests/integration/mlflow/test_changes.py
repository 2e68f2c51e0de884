"""Seeing a server from afar: what moves a mark, and what does not."""

import os
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.errors import NotFoundError, RemoteError, UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import Ref, Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, marks
from tests.support.mlflow_seed import Seeded
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow


@pytest.fixture
def client(source_server: MlflowServer) -> MlflowClient:
    return MlflowClient(source_server.uri, source_server.uri)


def make_version(client: MlflowClient, name: str, folder: Path) -> str:
    """A finished run with one file, registered as version 1."""
    run_id: str = client.create_run("0", run_name=name).info.run_id
    (folder / "weights.txt").write_text("1 2 3")
    client.log_artifact(run_id, str(folder / "weights.txt"), "model")
    client.log_metric(run_id, "loss", 0.5, step=1)
    client.set_terminated(run_id)
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run_id}/model", run_id)
    return run_id


def seen(registry: MlflowRegistry, name: str) -> Ref:
    (ref,) = registry.changes(Selector(kind="models", name=name))
    return ref


def test_versions_are_seen_newest_first_and_settled(lab: MlflowRegistry, wine: Seeded) -> None:
    refs = list(lab.changes(Selector(kind="models", name=wine.name)))

    assert [ref.address.version for ref in refs] == ["3", "2", "1"]
    assert all(ref.settled for ref in refs)
    assert refs == list(lab.changes(Selector(kind="models", name=wine.name)))


def test_a_read_says_which_labels_it_took_as_a_look_does(
    lab: MlflowRegistry, client: MlflowClient, wine: Seeded, tmp_path: Path
) -> None:
    run_id = make_version(client, "aliased", tmp_path)
    client.set_registered_model_alias("aliased", "best", "1")
    client.register_prompt("aliased-prompt", "Taste {{wine}}.", tags={"a": "b"})
    client.set_prompt_alias("aliased-prompt", "best", 1)
    named = {
        "models": ("aliased", wine.name),
        "runs": (run_id, wine.run_id, wine.old_run_id),
        "prompts": ("aliased-prompt",),
    }
    for kind, names in named.items():
        for name in names:
            seen_from_afar = list(lab.changes(Selector(kind=kind, name=name)))
            assert seen_from_afar
            for ref in seen_from_afar:
                assert lab.read(ref.address).state_mark == ref.state_mark, ref.address


def test_labels_move_the_state_mark_only(
    lab: MlflowRegistry, client: MlflowClient, tmp_path: Path
) -> None:
    run_id = make_version(client, "relabelled", tmp_path)
    before = seen(lab, "relabelled")
    changes = (
        lambda: client.set_registered_model_alias("relabelled", "best", "1"),
        lambda: client.set_model_version_tag("relabelled", "1", "a", "b"),
        lambda: client.update_model_version("relabelled", "1", "words"),
        lambda: client.set_registered_model_tag("relabelled", "a", "b"),
        lambda: client.set_tag(run_id, "a", "b"),
    )
    for change in changes:
        change()
        after = seen(lab, "relabelled")
        assert after.content_mark == before.content_mark
        assert after.state_mark != before.state_mark
        before = after


def test_more_content_moves_the_content_mark(
    lab: MlflowRegistry, client: MlflowClient, tmp_path: Path
) -> None:
    run_id = make_version(client, "growing", tmp_path)
    before = seen(lab, "growing")
    (tmp_path / "late.txt").write_text("one more thing")
    changes = (
        lambda: client.log_metric(run_id, "loss", 0.25, step=2),
        lambda: client.log_param(run_id, "late", "yes"),
        lambda: client.log_artifact(run_id, str(tmp_path / "late.txt"), "deep/down"),
    )
    for change in changes:
        change()
        after = seen(lab, "growing")
        assert after.content_mark != before.content_mark
        assert after.state_mark == before.state_mark
        before = after


def test_a_running_run_is_not_settled(
    lab: MlflowRegistry, client: MlflowClient, tmp_path: Path
) -> None:
    run_id = make_version(client, "unfinished", tmp_path)
    client.update_run(run_id, status="RUNNING")

    assert not seen(lab, "unfinished").settled


def test_the_marks_of_a_mirror_move_nothing(
    lab: MlflowRegistry, client: MlflowClient, tmp_path: Path
) -> None:
    make_version(client, "marked", tmp_path)
    before = seen(lab, "marked")
    client.set_model_version_tag("marked", "1", "mlarchive.origin", "far#models/marked/1")
    after = seen(lab, "marked")

    assert (after.content_mark, after.state_mark) == (before.content_mark, before.state_mark)
    assert after.origin == "far#models/marked/1"


def test_patterns_and_aliases_select(lab: MlflowRegistry, wine: Seeded) -> None:
    by_pattern = lab.changes(Selector(kind="models", name="win?", pattern=True, version="1"))
    by_alias = lab.changes(Selector(kind="models", name=wine.name, alias="champion"))

    assert [ref.address.version for ref in by_pattern] == ["1"]
    assert [ref.address.version for ref in by_alias] == ["2"]
    with pytest.raises(NotFoundError, match="no alias 'nobody'"):
        list(lab.changes(Selector(kind="models", name=wine.name, alias="nobody")))


def test_runs_are_seen_by_id(lab: MlflowRegistry, wine: Seeded) -> None:
    (ref,) = lab.changes(Selector(kind="runs", name=wine.run_id))

    assert (ref.address.kind, ref.address.name, ref.settled) == ("runs", wine.run_id, True)


def test_an_experiment_is_seen_to_change_with_its_tags(
    lab: MlflowRegistry, client: MlflowClient, wine: Seeded
) -> None:
    selector = Selector(kind="experiments", name=wine.experiment)
    (before,) = lab.changes(selector)
    found = client.get_experiment_by_name(wine.experiment)
    assert found
    client.set_experiment_tag(found.experiment_id, "seen", "from afar")
    (after,) = lab.changes(selector)
    client.delete_experiment_tag(found.experiment_id, "seen")

    assert after.content_mark == before.content_mark
    assert after.state_mark != before.state_mark


def test_a_listing_says_aliases_stage_and_run(lab: MlflowRegistry, wine: Seeded) -> None:
    lines = list(lab.ls(Selector(kind="models", name=wine.name)))

    assert [line.address.version for line in lines] == ["3", "2", "1"]
    assert lines[1].title == "@champion"
    assert lines[2].facts["stage"] == "Archived"
    assert lines[2].facts["run"] == wine.run_id


def test_runs_and_experiments_are_listed(lab: MlflowRegistry, wine: Seeded) -> None:
    (run,) = lab.ls(Selector(kind="runs", name=wine.run_id))
    (experiment,) = lab.ls(Selector(kind="experiments", name=wine.experiment))

    assert (run.title, run.facts["status"]) == ("training", "FINISHED")
    assert experiment.address.name == wine.experiment


def test_one_folder_that_the_server_cannot_list_hides_no_other_object(
    lab: MlflowRegistry,
    client: MlflowClient,
    source_server: MlflowServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    run_id = make_version(client, "unspeakable 1", tmp_path)
    make_version(client, "unspeakable 2", tmp_path)
    (folder,) = source_server.folder.glob(f"artifacts/*/{run_id}/artifacts/model")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("no Unicode")
    refs = list(lab.changes(Selector(kind="models", name="unspeakable *", pattern=True)))

    assert len(refs) == 2
    with pytest.raises(RemoteError, match="does not list 'model' of its artifacts"):
        lab.read(next(ref.address for ref in refs if ref.address.name == "unspeakable 1"))


def test_files_in_a_store_whose_client_is_not_installed_hide_no_other_object(
    lab: MlflowRegistry, client: MlflowClient
) -> None:
    client.create_registered_model("far away")
    client.create_model_version("far away", "gs://bucket/models/1")

    with pytest.raises(UnsupportedError, match="gs://bucket/models/1 cannot be reached without"):
        lab.read(seen(lab, "far away").address)


def test_a_versions_own_files_beside_its_run_move_the_content_mark(tmp_path: Path) -> None:
    client = MlflowClient(uri := f"sqlite:///{tmp_path / 'mlflow.db'}", uri)
    run_id = client.create_run(client.create_experiment("e", str(tmp_path / "runs"))).info.run_id
    client.set_terminated(run_id)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "weights.txt").write_text("1")
    client.create_registered_model("beside")
    client.create_model_version("beside", str(tmp_path / "own"), run_id)
    with MlflowRegistry.open(uri) as registry:
        before = seen(registry, "beside")
        (tmp_path / "own" / "weights.txt").write_text("1 2")

        assert seen(registry, "beside").content_mark != before.content_mark


def test_a_copy_that_somebody_made_on_the_server_is_no_echo_of_what_it_was_copied_from(
    tmp_path: Path,
) -> None:
    """`copy_model_version` takes all tags along, ours too."""
    client = MlflowClient(uri := f"sqlite:///{tmp_path / 'mlflow.db'}", uri)
    run_id = client.create_run(client.create_experiment("e", str(tmp_path / "runs"))).info.run_id
    client.set_terminated(run_id)
    client.create_registered_model("mirrored")
    tags = {marks.ORIGIN: "lab#models/mirrored/1", marks.CONTENT_ID: "c", "stays": "yes"}
    client.create_model_version("mirrored", f"runs:/{run_id}/m", run_id, tags)
    client.copy_model_version("models:/mirrored/1", "promoted")
    client.copy_model_version("models:/mirrored/1", "mirrored")
    with MlflowRegistry.open(uri) as registry:
        found = {str(ref.address).partition("#")[2]: ref for ref in registry.changes(Selector())}
        assert {name: ref.origin for name, ref in found.items() if "models/" in name} == {
            "models/mirrored/1": "lab#models/mirrored/1",
            "models/mirrored/2": "",
            "models/promoted/1": "",
        }
        assert found["models/promoted/1"].traits.tags == {"stays": ("yes",)}
        source = Address(origin="lab", kind="models", name="mirrored", version="1")
        held = registry.holding(source, WritePolicy())
        assert held
        assert held.address.version == "1"
