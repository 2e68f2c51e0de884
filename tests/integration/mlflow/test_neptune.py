"""What is left of Neptune arrives in a real MLflow server: equal, or listed as a loss."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun

from mlarchive.pack import pack
from mlarchive.package import Package
from mlarchive.package.columns import decode_columns
from mlarchive.records import Field, Fields, File, MetricSeries
from mlarchive.registries.base import Receipt, Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.registries.neptune.export import NeptuneExportRegistry
from mlarchive.registries.neptune.offline import NeptuneOfflineRegistry
from mlarchive.snapshot import Snapshot, entry_name
from tests.support.mlflow_server import MlflowServer
from tests.support.neptune_exports import (
    THREE_EXPORT,
    UTC_EXPORT,
    put_file,
    registry,
    row,
    write_part,
)
from tests.support.neptune_offline import LOGS, STORE

pytestmark = pytest.mark.mlflow


@pytest.fixture
def there(target_server: MlflowServer) -> MlflowClient:
    return MlflowClient(target_server.uri, target_server.uri)


def packages(export: NeptuneExportRegistry | NeptuneOfflineRegistry) -> Iterator[Snapshot]:
    """Every object, as a package gives it."""
    for listing in export.ls(Selector()):
        out = io.BytesIO()
        pack(export.read(listing.address), out, packed_at=1)
        yield Package.open(io.BytesIO(out.getvalue())).snapshot()


def written(target: MlflowRegistry, snapshot: Snapshot) -> Receipt:
    return target.write(snapshot, WritePolicy())


def run_of(client: MlflowClient, snapshot: Snapshot) -> MlflowRun:
    """The run at the server that holds what was logged to an object."""
    (native,) = [r.native.id for r in snapshot.records if r.key.startswith("run-")]
    experiments = [e.experiment_id for e in client.search_experiments()]
    (found,) = client.search_runs(experiments, f"tags.`neptune.sys/id` = '{native}'")
    return found


def fields_of(snapshot: Snapshot) -> list[Field]:
    (fields,) = [record for record in snapshot.records if isinstance(record, Fields)]
    return [*fields.values, *fields.labels, *fields.facts]


def history(client: MlflowClient, run: MlflowRun, key: str) -> list[tuple[int, int, float]]:
    points = client.get_metric_history(run.info.run_id, key)
    return sorted((point.step, point.timestamp, point.value) for point in points)


def require_equal(
    client: MlflowClient,
    snapshot: Snapshot,
    folder: Path,
    run: MlflowRun,
    *,
    lost: Sequence[str] = (),
) -> None:
    """Compare everything that an object has, and is not listed as lost, with what came back."""
    for field in fields_of(snapshot):
        if field.path.startswith("sys/"):
            continue
        if field.type in {"bool", "int", "float", "string", "datetime"}:
            assert run.data.params[field.path] == field.value
    local = Path(client.download_artifacts(run.info.run_id, "", str(folder)))
    for stream in snapshot.streams:
        with stream.open() as file:
            raw = file.read()
        if isinstance(stream.entry, File):
            assert (local / stream.entry.path).read_bytes() == raw
        elif f"metric {entry_name(stream.entry)}" not in lost:
            assert isinstance(stream.entry, MetricSeries)
            columns = (column.tolist() for column in decode_columns(raw))
            # As text, since NaN equals nothing.
            points = history(client, run, stream.entry.key)
            assert repr(points) == repr(sorted(zip(*columns, strict=True)))


def test_every_attribute_of_a_real_export_arrives_and_a_second_write_changes_nothing(
    clinic: MlflowRegistry, there: MlflowClient, tmp_path: Path
) -> None:
    snapshots = list(packages(registry(UTC_EXPORT)))
    for number, snapshot in enumerate(snapshots):
        receipt = written(clinic, snapshot)
        assert receipt.losses == ()
        assert {change.field for change in receipt.transformations} >= {"metric metrics/frac"}
        (tmp_path / str(number)).mkdir()
        require_equal(there, snapshot, tmp_path / str(number), run_of(there, snapshot))
    again = [written(clinic, snapshot) for snapshot in snapshots]
    assert [receipt.idle for receipt in again] == [True] * len(snapshots)


@pytest.mark.parametrize(
    ("left", "lost"),
    [(LOGS, {"source_code/files": "it is an empty file_set"}), (STORE, {})],
)
def test_what_clients_left_arrives_and_a_second_write_changes_nothing(
    left: Path,
    lost: dict[str, str],
    clinic: MlflowRegistry,
    there: MlflowClient,
    tmp_path: Path,
) -> None:
    (snapshot,) = packages(NeptuneOfflineRegistry(left, origin=left.name, files_root=left))
    receipt = written(clinic, snapshot)
    assert {loss.field: loss.why.partition(",")[0] for loss in receipt.losses} == lost
    assert "types" in {change.field for change in receipt.transformations}
    require_equal(there, snapshot, tmp_path, there.get_run(receipt.target.name))
    assert written(clinic, snapshot).idle


def test_every_attribute_of_an_export_of_neptune_3_arrives_and_a_second_write_changes_nothing(
    clinic: MlflowRegistry, there: MlflowClient, tmp_path: Path
) -> None:
    snapshots = list(packages(registry(THREE_EXPORT)))
    # One has a negative zero and one an infinity, which MLflow's databases do not hold.
    lossy: tuple[list[str], ...] = (
        ["imgs/series", "metric train/one/deep"],
        ["metric train/loss"],
        [],
    )
    for number, (snapshot, lost) in enumerate(zip(snapshots, lossy, strict=True)):
        receipt = written(clinic, snapshot)
        assert [loss.field for loss in receipt.losses] == lost
        whys = {loss.field: loss.why for loss in receipt.losses}
        assert whys.get("imgs/series", ": times").endswith(": times")
        (tmp_path / str(number)).mkdir()
        run = there.get_run(receipt.target.name)
        require_equal(there, snapshot, tmp_path / str(number), run, lost=lost)
    assert all(written(clinic, snapshot).idle for snapshot in snapshots)


def test_sys_is_a_name_a_description_a_start_and_tags(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    for snapshot in packages(registry(UTC_EXPORT)):
        written(clinic, snapshot)
        run = run_of(there, snapshot)
        (record,) = [r for r in snapshot.records if r.key.startswith("run-")]
        assert run.info.start_time == record.native.created > 0
        subject = getattr(snapshot.record(snapshot.subject), "tags", {})
        for field in fields_of(snapshot):
            label = field.path.removeprefix("sys/")
            if field.path.startswith("sys/") and f"neptune.{label}" not in subject:
                shown = run.data.tags.get(f"neptune.{field.path}", run.info.run_name)
                assert shown == field.value, field.path
    model = there.get_registered_model("MOD-CHURN")
    assert model.tags["mlarchive.origin"].endswith("#registered-models/MOD-CHURN")
    assert model.tags["neptune.name"] == "churn"
    assert model.tags["neptune.tags"] == '["churn", "prod"]'
    version = there.get_model_version("MOD-CHURN", "2")
    assert version.tags["neptune.stage"] == "none"
    assert version.run_id
    assert there.get_run(version.run_id).data.tags["neptune.sys/id"] == "MOD-CHURN-2"


def test_a_stage_is_an_alias_and_moves_with_it(
    clinic: MlflowRegistry, there: MlflowClient, tmp_path: Path
) -> None:
    def write(stages: dict[int, str]) -> None:
        for number, stage in stages.items():
            rows = [
                row("sys/id", "string", f"ST-M-{number}"),
                row("sys/model_id", "string", "ST-M"),
                row("sys/stage", "string", stage),
                row("n", "int", number),
            ]
            write_part(tmp_path, f"ST-M-{number}", rows, scope="model_versions")
        for snapshot in packages(registry(tmp_path)):
            written(clinic, snapshot)

    write({1: "production", 2: "staging"})
    assert there.get_registered_model("ST-M").aliases == {"production": "1", "staging": "2"}
    write({1: "archived", 2: "production"})
    assert there.get_registered_model("ST-M").aliases == {"production": "2"}
    assert there.get_model_version("ST-M", "1").tags["neptune.stage"] == "archived"


def test_names_that_mlflow_refuses_are_changed_and_steps_with_fractions_come_back(
    clinic: MlflowRegistry, there: MlflowClient, tmp_path: Path
) -> None:
    rows = [
        row("sys/id", "string", "NA-1"),
        row("p/{a}", "int", 1),
        row("p/_a_", "int", 2),
        row("", "int", 3),
        row("acc@5", "float_series", 0.5, step=1.5, time=7),
        row("x" * 300, "float_series", 0.25, step=2, time=8),
    ]
    write_part(tmp_path, "NA-1", rows, project="ws/names")
    put_file(tmp_path, "unused", b"")
    (snapshot,) = packages(registry(tmp_path))
    receipt = written(clinic, snapshot)
    run = run_of(there, snapshot)
    assert receipt.losses == ()
    assert sorted(run.data.params.values()) == ["1", "2", "3"]
    assert run.data.params["p/_a_"] == "2"
    assert {change.field for change in receipt.transformations} >= {
        "param p/{a}",
        "param ",
        "metric acc@5",
        f"metric {'x' * 300}",
    }
    back = clinic.read(receipt.target)
    series = {s.entry.key: s for s in back.streams if isinstance(s.entry, MetricSeries)}
    (key,) = [key for key in series if key.startswith("acc_5-")]
    with series[key].open() as file:
        steps, times, values = decode_columns(file.read())
    entry = series[key].entry
    assert isinstance(entry, MetricSeries)
    assert (steps.tolist(), entry.step_decimals) == ([15], 1)
    assert (times.tolist(), values.tolist()) == ([7], [0.5])
    assert written(clinic, snapshot).idle


def test_a_point_of_before_1970_keeps_no_run_from_arriving(
    clinic: MlflowRegistry, there: MlflowClient, tmp_path: Path
) -> None:
    rows = [
        row("sys/id", "string", "OLD-1"),
        row("acc", "float_series", 0.5, step=1, time=-5),
        row("acc", "float_series", 0.75, step=2, time=7),
    ]
    write_part(tmp_path, "OLD-1", rows, project="ws/old")
    (snapshot,) = packages(registry(tmp_path))
    receipt = written(clinic, snapshot)
    (loss,) = receipt.losses
    assert loss.field == "metric acc"
    assert "1 of 2 points" in loss.why
    assert "no time before 1970" in loss.why
    points = there.get_metric_history(run_of(there, snapshot).info.run_id, "acc")
    assert [(p.step, p.timestamp, p.value) for p in points] == [(1, 0, 0.5), (2, 7, 0.75)]
    assert written(clinic, snapshot).idle


def test_models_of_one_id_in_two_projects_are_never_one_without_a_word(
    clinic: MlflowRegistry, there: MlflowClient, tmp_path: Path
) -> None:
    def export(name: str, *projects: str, number: int) -> list[Snapshot]:
        folder = tmp_path / name
        for project in projects:
            own = [row("sys/id", "string", "TWIN"), row("sys/description", "string", project)]
            write_part(folder, "TWIN", own, project=project, scope="models")
            version = [
                row("sys/id", "string", f"TWIN-{number}"),
                row("sys/model_id", "string", "TWIN"),
                row("of", "string", project),
            ]
            write_part(folder, f"TWIN-{number}", version, project=project, scope="model_versions")
        return list(packages(NeptuneExportRegistry(folder, origin=name)))

    together = export("together", "ws/p", "ws/q", number=1)
    for snapshot in together:
        assert written(clinic, snapshot).losses == ()
    assert all(written(clinic, snapshot).idle for snapshot in together)
    for project in ("ws/p", "ws/q"):
        model = there.get_registered_model(f"{project.replace('/', '.')}.TWIN")
        assert (model.description, model.tags["neptune.project"]) == (project, project)

    for snapshot in export("first", "ws/p", number=1):
        assert written(clinic, snapshot).losses == ()
    for snapshot in export("second", "other/p", number=2):
        lost = {loss.field for loss in written(clinic, snapshot).losses}
        assert lost == {"description", "tag neptune.project"}
    model = there.get_registered_model("TWIN")
    assert (model.description, model.tags["neptune.project"]) == ("ws/p", "ws/p")
