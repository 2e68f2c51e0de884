"""Several packages become one whole, or one sentence says why they cannot."""

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from mlarchive.errors import (
    ConflictError,
    MlarchiveError,
    UnavailableError,
    UnsupportedError,
    UsageError,
)
from mlarchive.records import Address, LoggedModel, Loss, Native, Notebook
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.registries.mlflow.notebooks import mark_of
from mlarchive.registries.mlflow.restore import TrackingDatabase
from mlarchive.registries.mlflow.restore.kinds import MERGEABLE, SAID_BY_FILES, WRITERS
from mlarchive.registries.mlflow.restore.merging import merge
from mlarchive.registries.mlflow.restore.places import Artifacts
from mlarchive.registries.mlflow.restore.rows import Restoration
from mlarchive.registries.notebooks.attaching import attached
from mlarchive.snapshot import Snapshot
from tests.integration.mlflow.restore.byhand import (
    RUN,
    changed,
    packages,
    planned,
    said,
    version,
    with_streams,
)
from tests.support import snapshots
from tests.support.mlflow_packages import NOON, file_stream, series_stream
from tests.support.mlflow_server import free_port

pytestmark = [pytest.mark.mlflow]


def rows(table: str, *found: Snapshot) -> list[dict[str, object]]:
    """The rows that packages make in one table, but for metrics."""
    merged = merge(packages(*found), MERGEABLE, SAID_BY_FILES)
    restoration = Restoration(merged=merged, artifacts=Artifacts(folder=Path("/a"), root="/a"))
    return [
        values
        for kind, writer in WRITERS.items()
        for held in merged.of(kind).values()
        for model, values in writer(restoration, held)
        if model.__tablename__ == table
    ]


def restored(folder: Path, *found: Snapshot) -> Path:
    """A database that packages were restored into."""
    path = folder / "new.db"
    TrackingDatabase(f"sqlite:///{path}", shown="new.db").restore(
        packages(*found), artifacts=folder / "artifacts"
    )
    return path


def test_what_packages_share_is_there_once(tmp_path: Path) -> None:
    done = planned(tmp_path, packages(version(1), version(2)))
    assert [action.what for action in done.actions] == [
        *("1 file", "1 experiment", "1 run", "1 registered model", "2 model versions"),
    ]
    assert done.losses == done.transformations == ()
    assert [str(source) for source in done.sources] == ["lab#models/wine/1", "lab#models/wine/2"]


def test_labels_that_changed_are_those_of_the_later_package(tmp_path: Path) -> None:
    renamed = changed(version(2), "run", name="renamed")
    done = planned(tmp_path, packages(version(1), renamed))
    why = "it changed between a and b; the later one is taken"
    assert done.transformations == (Loss(record=f"run {RUN}", field="name", why=why),)
    assert [row["name"] for row in rows("runs", renamed, version(1))] == ["by hand"]


@pytest.mark.parametrize(
    ("other", "differ"),
    [
        (changed(version(2), "run", end=NOON + 6000), "end"),
        (changed(version(2), "run", params={"a": "b"}), "params"),
        (with_streams(version(2), file_stream("run", "more", b"x")), "files"),
        (with_streams(version(2), series_stream("run", "loss", [1.0])), "metrics"),
    ],
)
def test_content_that_differs_under_one_id_is_a_conflict(
    other: Snapshot, differ: str, tmp_path: Path
) -> None:
    with pytest.raises(ConflictError, match=f"not the same in a and b: its {differ} differ"):
        planned(tmp_path, packages(version(1), other))


def test_packages_of_two_origins_are_refused(tmp_path: Path) -> None:
    other = version(2)
    address = type(other.address)(origin="clinic", kind="models", name="wine", version="2")
    with pytest.raises(UsageError, match="a comes from lab, and b from clinic"):
        planned(tmp_path, packages(version(1), dataclasses.replace(other, address=address)))


@pytest.mark.parametrize(
    ("key", "native"),
    [
        ("run", {"id": ""}),
        ("run", {"id": "../../../etc"}),
        ("run", {"id": "a" * 33}),
        ("experiment", {"id": ""}),
        ("experiment", {"id": "7/.."}),
        ("experiment", {"id": "99999999999"}),
    ],
)
def test_evidence_without_a_servers_id_is_refused_by_the_packages_name(
    key: str, native: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match="in b does not say the server's id of its"):
        planned(tmp_path, packages(version(1), changed(version(2), key, native=native)))


def test_a_package_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="a is about a folder"):
        planned(tmp_path, packages(snapshots.folder(files={"a": b"b"})))


def test_an_alias_of_a_version_that_no_package_holds_is_a_loss(tmp_path: Path) -> None:
    known = version(1, aliases={"champion": "1", "next": "2"})
    assert planned(tmp_path, packages(known)).losses == (
        Loss(
            record="models/wine",
            field="alias next",
            why="it points at version 2, which no package holds",
        ),
    )
    assert [(row["alias"], row["version"]) for row in rows("registered_model_aliases", known)] == [
        ("champion", 1)
    ]


def test_an_alias_that_moved_between_two_packages_is_where_the_later_one_says(
    tmp_path: Path,
) -> None:
    before = changed(version(1, aliases={"champion": "1"}), "version", aliases=("champion",))
    after = changed(version(2, aliases={"champion": "2"}), "version", aliases=("champion",))
    assert [row["version"] for row in rows("registered_model_aliases", before, after)] == [2]
    (change,) = planned(tmp_path, packages(before, after)).transformations
    assert (change.record, change.field) == ("models/wine/1", "alias champion")


@pytest.mark.parametrize(
    ("key", "missing"), [("experiment", "experiment 8"), ("model", "registered model wine")]
)
def test_what_an_object_belongs_to_must_be_in_a_package(
    key: str, missing: str, tmp_path: Path
) -> None:
    base = changed(version(), "version", registered_model="")
    if key == "experiment":
        answer = said(info={"experiment_id": "8"})
        base = changed(base, "run", experiment="", native={"verbatim": answer})
    rest = tuple(record for record in base.records if record.key != key)
    with pytest.raises(UnsupportedError, match=f"no package holds {missing}, which"):
        planned(tmp_path, packages(dataclasses.replace(base, records=rest)))


def test_without_a_servers_answer_the_usual_tags_are_assumed_and_it_is_a_loss(
    tmp_path: Path,
) -> None:
    silent = changed(version(), "run", user="ada", native={"verbatim": ""})
    (loss,) = planned(tmp_path, packages(silent)).losses
    assert (loss.record, loss.field) == (f"run {RUN}", "what no field says")
    assert {row["key"]: row["value"] for row in rows("tags", silent)} == {
        "mlflow.runName": "by hand",
        "mlflow.user": "ada",
    }


def test_a_deletion_time_that_was_read_is_kept(tmp_path: Path) -> None:
    deleted = changed(version(), "run", lifecycle="deleted", native={"also": {"deleted_time": "5"}})
    assert planned(tmp_path, packages(deleted)).losses == ()
    assert [row["deleted_time"] for row in rows("runs", deleted)] == [5]


def test_tags_of_an_earlier_mirror_come_back_and_none_are_added() -> None:
    marked = changed(version(), "version", native={"also": {"mlarchive.state_id": "x"}})
    assert [(row["key"], row["value"]) for row in rows("model_version_tags", marked)] == [
        ("mlarchive.state_id", "x")
    ]


def logged_model(*points: dict[str, object]) -> Snapshot:
    """A version with a logged model that has a metric, logged as the server said."""
    answer = said(experiment_id="7", metrics=list(points))
    model = LoggedModel(
        key="logged",
        native=Native(id="m-1", verbatim=answer, also={"lifecycle_stage": "deleted"}),
        name="model",
        status="READY",
        run="run",
    )
    base = version()
    series = series_stream("logged", "loss", [0.5])
    return dataclasses.replace(
        base, records=(*base.records, model), streams=(*base.streams, series)
    )


def test_a_point_that_a_run_logged_which_no_package_holds_is_a_loss(tmp_path: Path) -> None:
    point = {"key": "loss", "step": 0, "timestamp": NOON, "value": 0.5}
    ours, theirs = logged_model({**point, "run_id": RUN}), logged_model({**point, "run_id": "f00"})
    assert planned(tmp_path, packages(ours)).losses == ()
    (loss,) = planned(tmp_path, packages(theirs)).losses
    assert loss == Loss(
        record="logged model m-1",
        field="metric loss",
        why="points that run f00 logged; no package holds that run",
    )
    redacted = logged_model({**point, "run_id": RUN, "value": "[redacted]"})
    with sqlite3.connect(restored(tmp_path, redacted)) as connection:
        query = "SELECT metric_value, run_id FROM logged_model_metrics"
        assert list(connection.execute(query)) == [(0.5, RUN)]


def test_an_infinity_that_no_mlflow_holds_is_a_loss(tmp_path: Path) -> None:
    odd = with_streams(version(), series_stream("run", "loss", [float("inf"), 1.0]))
    (loss,) = planned(tmp_path, packages(odd)).losses
    assert (loss.record, loss.field) == (f"run {RUN}", "metric loss")


def test_an_artifact_folder_with_other_files_in_the_way_is_left_alone(tmp_path: Path) -> None:
    taken = tmp_path / "artifacts" / "7" / RUN / "artifacts" / "model" / "MLmodel"
    taken.parent.mkdir(parents=True)
    taken.write_text("somebody's")
    with pytest.raises(ConflictError, match="is not the file to restore"):
        restored(tmp_path, version())
    assert taken.read_text() == "somebody's"
    assert not (tmp_path / "new.db").exists()


def test_a_link_out_of_the_artifact_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "artifacts" / "7").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError, match="by a link"):
        restored(tmp_path, version())
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "kind", "sentence"),
    [
        ("sqlite:///{folder}/notes.db", UnsupportedError, "tables that are not MLflow's: notes"),
        ("sqlite:///{folder}/text.db", MlarchiveError, "not a database"),
        ("postgresql://127.0.0.1:{port}/x", UnavailableError, "cannot reach"),
        ("mysql://127.0.0.1:{port}/x", UnavailableError, "cannot reach"),
    ],
)
def test_a_place_that_is_no_empty_database_is_refused(
    uri: str, kind: type[Exception], sentence: str, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "notes.db") as connection:
        connection.execute("CREATE TABLE notes (line TEXT)")
    (tmp_path / "text.db").write_text("no database, but text that is long enough" * 100)
    database = TrackingDatabase(uri.format(folder=tmp_path, port=free_port()), shown="there")
    with pytest.raises(kind, match=sentence):
        database.restore(packages(version()), artifacts=tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()


def test_a_path_longer_than_mlflow_holds_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    database = TrackingDatabase(f"sqlite:///{tmp_path / 'new.db'}", shown="new.db")
    with pytest.raises(UnsupportedError, match="and MLflow's table experiments holds 256"):
        database.restore(packages(version()), artifacts=tmp_path / ("a" * 99) / ("b" * 99))
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_is_restored_with_its_run_and_read_from_it_again(tmp_path: Path) -> None:
    path = tmp_path / "train.ipynb"
    path.write_bytes(b"{}")
    again = attached(version(), [path])
    database = restored(tmp_path, version(), again)
    with MlflowRegistry.open(f"sqlite:///{database}") as registry:
        snapshot = registry.read(Address(origin="", kind="runs", name=RUN))
    (found,) = (record for record in snapshot.records if isinstance(record, Notebook))
    assert (found.source, found.path) == ("file", "train.ipynb")
    (stream,) = snapshot.streams_of(found.key)
    with stream.open() as raw:
        assert raw.read() == b"{}"


def test_the_mark_of_a_notebook_that_its_run_had_is_as_it_was() -> None:
    notebook = Notebook(
        key="notebook", record="run", formats={"HTML": "a.html"}, source="file", path="a.html"
    )
    mark = {mark_of(notebook).tag: "as it was"}
    had = changed(version(), "run", native={"also": mark})
    had = dataclasses.replace(had, records=(*had.records, notebook))
    had = with_streams(had, file_stream("notebook", "a.html", b"a"))
    tags = [row for row in rows("tags", had) if str(row["key"]).startswith("mlarchive.")]
    assert [(row["key"], row["value"]) for row in tags] == list(mark.items())


def test_a_notebook_of_no_run_is_a_loss(tmp_path: Path) -> None:
    notebook = Notebook(key="notebook", record="version", formats={"HTML": "a.html"})
    stray = dataclasses.replace(version(), records=(*version().records, notebook))
    stray = with_streams(stray, file_stream("notebook", "a.html", b"a"))
    (loss,) = planned(tmp_path, packages(stray)).losses
    assert (loss.record.split()[0], loss.field) == ("notebook", "all of it")
