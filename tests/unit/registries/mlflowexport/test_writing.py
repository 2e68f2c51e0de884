"""An export that is written holds what it can, lists what it cannot, and changes only once."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlarchive.errors import ConflictError, MlarchiveError, UnsupportedError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import (
    Address,
    ArtifactRoot,
    Experiment,
    File,
    LoggedModel,
    ModelVersion,
    Native,
    Notebook,
    Run,
)
from mlarchive.registries.base import Receipt, Selector, WritePolicy
from mlarchive.registries.notebooks.records import Found
from mlarchive.registries.notebooks.records import notebook as notebook_of
from mlarchive.snapshot import Snapshot
from tests.support import snapshots
from tests.support.exports import (
    ALL,
    AT_THE_SERVER,
    FIRST,
    PARENT,
    SECOND,
    addressed,
    ids,
    named,
    registry,
)
from tests.support.mlflow_packages import by_hand, file_stream, packed, series_stream

POLICY = WritePolicy()


def written(snapshot: Snapshot, folder: Path, policy: WritePolicy = POLICY) -> Receipt:
    """Write by way of a package, as every command does."""
    path = folder.with_suffix(".mlpkg")
    path.unlink(missing_ok=True)
    pack_file(snapshot, path, packed_at=1)
    with Package.open(path) as package:
        target = registry(folder)
        plan = target.plan_write(package.snapshot(), policy)
        receipt = target.write(package.snapshot(), policy)
    assert (plan.actions, plan.losses) == (receipt.actions, receipt.losses)
    return receipt


def lost(receipt: Receipt) -> list[str]:
    return [f"{loss.record}: {loss.field}" for loss in receipt.losses]


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def version_entry(folder: Path, name: str = "wine") -> dict[str, Any]:
    model = document(folder / "models" / name / "model.json")["mlflow"]["registered_model"]
    entry: dict[str, Any] = model["versions"][-1]
    return entry


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_export_written_from_an_export_has_the_same_ids(tmp_path: Path) -> None:
    for text in ("models/wine/1", "models/wine/2", f"runs/{PARENT}"):
        written(registry(ALL).read(addressed(text)), tmp_path / "out")
    assert named(tmp_path / "out") == named(ALL)
    for text, both in AT_THE_SERVER.items():
        assert ids(tmp_path / "out", text, tmp_path) == both


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    objects = ("models/wine/1", "models/wine/2", f"runs/{PARENT}")
    for text in objects:
        written(registry(ALL).read(addressed(text)), folder)
    before = tree(folder)
    for text in objects:
        receipt = written(registry(ALL).read(addressed(text)), folder)
        assert receipt.idle
        assert receipt.bytes == 0
    assert tree(folder) == before


def test_the_importer_finds_what_it_asks_for(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(registry(ALL).read(addressed("models/wine/1")), folder)
    experiments = document(folder / "experiments" / "experiments.json")["mlflow"]["experiments"]
    assert [(item["id"], item["name"]) for item in experiments] == [("1", "wine")]
    experiment = document(folder / "experiments" / "1" / "experiment.json")
    assert experiment["mlflow"]["runs"] == [FIRST]
    assert experiment["info"]["failed_runs"] == []
    assert document(folder / "models" / "models.json")["mlflow"]["models"] == ["wine"]
    entry = version_entry(folder)
    assert entry["source"] == f"{FIRST}/artifacts/model"
    assert (entry["run_id"], entry["_experiment_name"], entry["current_stage"]) == (
        FIRST,
        "wine",
        "Archived",
    )


def test_a_run_beside_its_model_takes_no_room(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(registry(ALL).read(addressed("models/wine/1")), folder)
    once = folder / "experiments" / "1" / FIRST / "artifacts" / "model" / "model.pkl"
    again = folder / "models" / "wine" / FIRST / "artifacts" / "model" / "model.pkl"
    assert once.samefile(again)


def test_a_parent_is_linked_when_it_is_written_too(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    receipt = written(registry(ALL).read(addressed(f"runs/{SECOND}")), folder)
    child = folder / "experiments" / "1" / SECOND / "run.json"
    assert lost(receipt) == [f"run {SECOND}: parent"]
    assert "mlflow.parentRunId" not in document(child)["mlflow"]["tags"]
    receipt = written(registry(ALL).read(addressed(f"runs/{PARENT}")), folder)
    assert [action.verb for action in receipt.actions if SECOND in action.what] == ["update"]
    assert document(child)["mlflow"]["tags"]["mlflow.parentRunId"] == PARENT


def test_what_the_layout_cannot_hold_is_listed(tmp_path: Path) -> None:
    receipt = written(snapshots.model_version(), tmp_path / "out")
    assert lost(receipt) == ["run run-a: metric rmse"]
    assert [(x.record, x.field) for x in receipt.transformations] == [
        ("logged-model model", "files")
    ]


def test_every_fact_of_a_logged_model_is_listed(tmp_path: Path) -> None:
    snapshot = snapshots.model_version()
    records = tuple(
        msgspec.structs.replace(
            record, model_type="agent", params={"a": "1"}, tags={"b": "2"}, step=3, status="FAILED"
        )
        if record.key == "m-a"
        else record
        for record in snapshot.records
    )
    streams = (*snapshot.streams, snapshots.series("m-a", "auc", [(0, 1, 0.5)]))
    changed = Snapshot(
        address=snapshot.address, subject=snapshot.subject, records=records, streams=streams
    )
    fields = ("type", "status", "params", "tags", "step", "metric auc")
    assert set(lost(written(changed, tmp_path / "out"))) == {
        "run run-a: metric rmse",
        *(f"logged model m-a: {field}" for field in fields),
    }


def test_files_of_a_logged_model_lie_among_the_artifacts(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(snapshots.model_version(), folder)
    artifacts = folder / "experiments" / "e-a" / "run-a" / "artifacts"
    assert {p.name for p in (artifacts / "model").iterdir()} == set(snapshots.MODEL_FILES)
    assert version_entry(folder)["source"] == "run-a/artifacts/model"
    snapshot = registry(folder).read(addressed("models/wine/3"))
    version = snapshot.record(snapshot.subject)
    assert isinstance(version, ModelVersion)
    assert version.root == ArtifactRoot(record="run/run-a", path="model")
    assert not snapshot.losses


def test_a_version_without_a_run_comes_back_without_one(tmp_path: Path) -> None:
    whole = by_hand("beer", own_files=True, streams=[file_stream("version", "MLmodel", b"x: 1\n")])
    version = msgspec.structs.replace(whole.record("version"), run="")
    snapshot = Snapshot(
        address=whole.address,
        subject="version",
        records=(whole.record("model"), version),
        streams=whole.streams,
    )
    receipt = written(snapshot, tmp_path / "out")
    assert not receipt.losses
    assert named(tmp_path / "out") == ["models/beer/1"]
    assert ids(tmp_path / "out", "models/beer/1", tmp_path)[0] == receipt.content_id
    listed = [item.address.kind for item in registry(tmp_path / "out").ls(Selector(kind="runs"))]
    assert not listed


def test_own_files_of_a_version_keep_its_run(tmp_path: Path) -> None:
    streams = [
        file_stream("version", "MLmodel", b"x: 1\n"),
        file_stream("run", "model/notes.txt", b"in the way\n"),
        series_stream("run", "loss", [0.5]),
    ]
    written(by_hand("beer", own_files=True, streams=streams), tmp_path / "out")
    assert version_entry(tmp_path / "out", "beer")["source"].endswith("/artifacts/model-2")


def test_changed_labels_are_put_right_alone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(snapshots.model_version(aliases=("champion",)), folder)
    written(
        snapshots.model_version(version="4", aliases=(), files={"MLmodel": b"a: 1\n"}, ids="b"),
        folder,
    )
    receipt = written(
        snapshots.model_version(
            version="4", aliases=("champion",), files={"MLmodel": b"a: 1\n"}, ids="b"
        ),
        folder,
    )
    assert receipt.bytes == 0
    model = document(folder / "models" / "wine" / "model.json")["mlflow"]["registered_model"]
    assert model["aliases"] == [{"alias": "champion", "version": "4"}]
    assert [(v["version"], v["aliases"]) for v in model["versions"]] == [
        ("3", []),
        ("4", ["champion"]),
    ]


def test_a_taken_number_follows_the_policy(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(snapshots.model_version(), folder)
    other = snapshots.model_version(ids="b", files={"MLmodel": b"other: 1\n"})
    with pytest.raises(ConflictError, match="has something else as version 3"):
        written(other, folder)
    receipt = written(other, folder, WritePolicy(conflict="skip"))
    assert (receipt.idle, receipt.content_id) == (True, "")
    receipt = written(other, folder, WritePolicy(conflict="new-version"))
    assert receipt.target.version == "4"


def test_versions_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for number in ("10", "9", "2"):
        files = {"MLmodel": f"a: {number}\n".encode()}
        written(
            snapshots.model_version(version=number, ids=number, files=files, aliases=()), folder
        )
    model = document(folder / "models" / "wine" / "model.json")["mlflow"]["registered_model"]
    assert [version["version"] for version in model["versions"]] == ["2", "9", "10"]


def test_a_run_with_other_content_is_a_conflict(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(by_hand("beer", streams=[file_stream("run", "model/MLmodel", b"a: 1\n")]), folder)
    more = by_hand("beer", streams=[file_stream("run", "model/MLmodel", b"a: 2\n")], version="2")
    records = tuple(
        msgspec.structs.replace(r, native=msgspec.structs.replace(r.native, id="run-of-beer-1"))
        if r.key == "run"
        else r
        for r in more.records
    )
    changed = Snapshot(
        address=more.address, subject="version", records=records, streams=more.streams
    )
    with pytest.raises(ConflictError, match="is another run, or the same with more in it"):
        written(changed, folder)
    alone = Snapshot(
        address=msgspec.structs.replace(more.address, kind="runs", name="run-of-beer-1"),
        subject="run",
        records=tuple(r for r in records if r.key in {"run", "experiment"}),
        streams=more.streams,
    )
    receipt = written(alone, folder, WritePolicy(conflict="skip"))
    assert (receipt.idle, receipt.content_id) == (True, "")


def test_experiments_of_two_servers_do_not_meet(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(snapshots.model_version(), folder)
    other = snapshots.model_version(origin="elsewhere", name="beer")
    records = tuple(
        msgspec.structs.replace(r, native=msgspec.structs.replace(r.native, id="run-other"))
        if r.key == "run-a"
        else r
        for r in other.records
    )
    written(
        Snapshot(
            address=other.address, subject=other.subject, records=records, streams=other.streams
        ),
        folder,
    )
    listed = document(folder / "experiments" / "experiments.json")["mlflow"]["experiments"]
    assert len({item["id"] for item in listed}) == 2
    assert [item["ok_runs"] for item in listed] == [1, 1]


def test_an_export_that_the_tool_wrote_is_never_added_to(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ConflictError, match="holds something that mlarchive did not write"):
        written(snapshots.model_version(), tmp_path)
    assert (tmp_path / "run.json").read_text() == "{}"


def test_a_name_that_can_be_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"has the component '\.\.'"):
        written(snapshots.model_version(name="../wine"), tmp_path / "out")
    assert not (tmp_path / "wine").exists()


def test_an_experiment_by_itself_is_its_document_and_stays_it_when_runs_come(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "out"
    address = Address(origin="lab", kind="experiments", name="wine")
    alone = Snapshot(
        address=address,
        subject="e",
        records=(
            Experiment(key="e", native=Native(id="7"), name="wine", tags={"team": "cellar"}),
            LoggedModel(key="m", native=Native(id="m-1"), name="loose"),
        ),
    )
    receipt = written(alone, folder)
    assert lost(receipt) == ["logged-model-1: all of it"]
    document = json.loads((folder / "experiments" / "7" / "experiment.json").read_text())
    assert document["mlflow"]["experiment"]["tags"] == {"team": "cellar"}
    written(snapshots.model_version(), folder)
    assert written(alone, folder).actions[0].verb == "keep"
    holding = registry(folder).holding(address, POLICY)
    assert holding is not None
    assert holding.content_id == receipt.content_id


def test_a_folder_of_files_has_no_place(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="only for model versions, runs and experiments"):
        written(snapshots.folder({"a": b"1"}), tmp_path / "out")


def test_an_environment_by_itself_is_passed_over_as_a_loss(tmp_path: Path) -> None:
    receipt = written(snapshots.environment("gpu", "2"), tmp_path / "out")
    assert [action.verb for action in receipt.actions] == ["skip"]
    assert lost(receipt) == ["environments/gpu/2: all of it"]
    assert not (tmp_path / "out").exists()


def test_what_is_held_is_remembered(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    snapshot = snapshots.model_version()
    assert registry(folder).holding(snapshot.address, POLICY) is None
    receipt = written(snapshot, folder)
    held = registry(folder).holding(snapshot.address, POLICY)
    assert held is not None
    assert (held.content_id, held.state_id) == (receipt.content_id, receipt.state_id)


@pytest.mark.parametrize("step", range(6))
def test_an_interrupted_write_is_finished_by_the_next(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system fails at one publication after another; nothing half-made is seen."""
    from mlarchive import fsops

    publish, count = fsops.publish, 0

    def failing(*arguments: Any, **options: Any) -> None:  # noqa: ANN401
        nonlocal count
        count += 1
        if count > step + 1:
            raise OSError(28, "No space left on device")
        publish(*arguments, **options)

    folder = tmp_path / "out"
    path = tmp_path / "wine.mlpkg"
    pack_file(snapshots.model_version(), path, packed_at=1)
    with Package.open(path) as package:
        snapshot = package.snapshot()
        with monkeypatch.context() as broken:
            broken.setattr(fsops, "publish", failing)
            with pytest.raises(MlarchiveError, match="no space left"):
                registry(folder).write(snapshot, POLICY)
        assert "models/wine/3" not in (named(folder) if (folder / "models").exists() else [])
        registry(folder).write(snapshot, POLICY)
        assert registry(folder).write(snapshot, POLICY).idle
    assert named(folder) == ["models/wine/3"]


def test_what_a_killed_write_left_is_no_artifact_and_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(snapshots.model_version(), folder)
    artifacts = folder / "experiments" / "e-a" / "run-a" / "artifacts"
    left = artifacts / ".model.mlarchive-tmp-1-0-00000000"
    left.mkdir()
    (left / "half").write_text("half")
    paths = [
        getattr(s.entry, "path", "")
        for s in registry(folder).read(addressed("models/wine/3")).streams
    ]
    assert not [path for path in paths if "half" in path]
    written(snapshots.model_version(aliases=()), folder)
    assert not left.exists()


def test_a_run_that_lost_files_is_not_built_upon(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(snapshots.model_version(), folder)
    (folder / "experiments" / "e-a" / "run-a" / "artifacts" / "plots" / "roc.svg").unlink()
    with pytest.raises(ConflictError, match=r"roc\.svg is not what was written there"):
        written(snapshots.model_version(), folder)


def test_lists_that_were_lost_are_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(snapshots.model_version(), folder)
    before = {path: raw for path, (_, raw) in tree(folder).items()}
    for path in (
        "experiments/experiments.json",
        "models/models.json",
        "experiments/e-a/experiment.json",
    ):
        (folder / path).unlink()
    receipt = written(snapshots.model_version(), folder)
    assert receipt.bytes == 0
    assert {path: raw for path, (_, raw) in tree(folder).items()} == before


def test_what_was_written_says_where_it_is_from(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(registry(ALL).read(addressed("models/wine/1")), folder)
    origins = {ref.origin for ref in registry(folder).changes(Selector(kind="models"))}
    assert origins == {"export#models/wine/1"}
    (run,) = registry(folder).changes(Selector(kind="runs"))
    assert run.origin == f"export#runs/{FIRST}"
    assert [ref.origin for ref in registry(ALL).changes(Selector(kind="models"))] == ["", ""]


def noted(text: str = "") -> Snapshot:
    """A run with an artifact, and with a notebook if there is text for one."""
    records: list[Any] = [
        Experiment(key="experiment", native=Native(id="7"), name="cellar"),
        Run(key="run", native=Native(id="r1"), experiment="experiment", status="FINISHED"),
    ]
    streams = [file_stream("run", "notebooks/own.txt", b"an artifact of its own")]
    if text:
        found = Found(
            source="by-hand",
            path="train.ipynb",
            revision="3",
            contents={"JUPYTER": ("train.ipynb", text.encode()), "HTML": ("train.html", b"<p>")},
        )
        notebook, files = notebook_of("run", found)
        records.append(notebook)
        streams += files
    address = Address(origin="elsewhere", kind="runs", name="r1")
    return Snapshot(address=address, subject="run", records=tuple(records), streams=tuple(streams))


@pytest.mark.parametrize("first", ["", "{}"])
def test_notebooks_of_a_run_come_at_once_or_later_and_come_back(tmp_path: Path, first: str) -> None:
    written(noted(first), tmp_path / "export")
    receipt = written(noted("{}"), tmp_path / "export")
    assert receipt.losses == ()
    assert "files" in {change.field for change in receipt.transformations}
    assert {a.verb for a in receipt.actions} == ({"keep"} if first else {"keep", "update"})

    address = Address(origin="elsewhere", kind="runs", name="r1")
    back = registry(tmp_path / "export").read(address)
    here, there = packed(noted("{}")), packed(back)
    assert (there.content_id, there.state_id) == (here.content_id, here.state_id)
    (notebook,) = [record for record in back.records if isinstance(record, Notebook)]
    assert (notebook.path, notebook.revision) == ("train.ipynb", "3")
    files = {stream.entry.path for stream in back.streams if isinstance(stream.entry, File)}
    assert files == {"train.ipynb", "train.html", "notebooks/own.txt"}

    before = tree(tmp_path / "export")
    other = written(noted("[]"), tmp_path / "export")
    assert any("the export got this revision before" in c.why for c in other.transformations)
    after = tree(tmp_path / "export")
    assert {path for path in before | after if before.get(path) != after.get(path)} == {
        "experiments/7/r1/run.json"
    }
