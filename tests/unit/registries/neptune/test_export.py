"""What neptune-exporter wrote arrives: every attribute, equal, or listed as a loss."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from mlarchive.pack import pack
from mlarchive.package import Package
from mlarchive.package.columns import decode_columns
from mlarchive.records import Fields, MetricSeries, ModelVersion, Run
from mlarchive.registries.base import Selector
from mlarchive.registries.filtering import Chooser, Filter
from mlarchive.registries.neptune.objects import step_text, text_of
from mlarchive.snapshot import Snapshot, entry_name
from tests.support.neptune_exports import (
    NEW_YORK_EXPORT,
    UTC_EXPORT,
    put_file,
    put_zip,
    read,
    registry,
    row,
    write_part,
)

OBJECTS = (
    "models/MOD-CHURN/1",
    "models/MOD-CHURN/2",
    "registered-models/MOD-CHURN",
    "runs/MOD-1",
    "runs/MOD-2",
)
NEW_YORK = "America/New_York"


def through_a_package(snapshot: Snapshot) -> Snapshot:
    """What a package gives back of a snapshot."""
    out = io.BytesIO()
    pack(snapshot, out, packed_at=1)
    return Package.open(io.BytesIO(out.getvalue())).snapshot()


def fields_of(snapshot: Snapshot) -> Fields:
    (fields,) = [record for record in snapshot.records if isinstance(record, Fields)]
    return fields


def bytes_of(snapshot: Snapshot, name: str) -> bytes:
    (stream,) = [s for s in snapshot.streams if entry_name(s.entry) == name]
    with stream.open() as file:
        return file.read()


def points_of(snapshot: Snapshot, key: str) -> list[tuple[Decimal, int, float]]:
    (entry,) = [
        s.entry
        for s in snapshot.streams
        if isinstance(s.entry, MetricSeries) and s.entry.key == key
    ]
    steps, times, values = decode_columns(bytes_of(snapshot, key))
    exact = [Decimal(step).scaleb(-entry.step_decimals) for step in steps.tolist()]
    return list(zip(exact, times.tolist(), values.tolist(), strict=True))


def rows_of(name: str) -> Iterator[dict[str, Any]]:
    """The rows that the exporter wrote of an object, read without our code."""
    last = name.rsplit("/", 1)[-1]
    stem = f"MOD-CHURN-{last}" if name.startswith("models/") else last
    (part,) = [
        path
        for path in UTC_EXPORT.rglob(f"{stem}-*_part_0.parquet")
        if len(path.name.split(f"{stem}-")[1].split("_")[0]) == 16
    ]
    yield from parquet.read_table(part).to_pylist()


def test_runs_models_and_versions_are_listed() -> None:
    listed = list(registry(UTC_EXPORT).ls(Selector()))
    assert [str(one.address).partition("#")[2] for one in listed] == list(OBJECTS)
    assert [one.title for one in listed] == ["v0", "v1", "churn", "run0", "run1"]


@pytest.mark.parametrize("name", OBJECTS)
def test_every_attribute_of_a_real_export_arrives_in_a_package(name: str) -> None:
    found = through_a_package(read(UTC_EXPORT, name))
    fields = fields_of(found)
    held = {one.path: one for one in (*fields.values, *fields.labels, *fields.facts)}
    rows = list(rows_of(name))
    assert {(one["attribute_path"], one["attribute_type"]) for one in rows} == {
        (path, one.type) for path, one in held.items()
    }
    for one in rows:
        field, kind = held[one["attribute_path"]], one["attribute_type"]
        if kind in {"bool", "int", "float", "string", "datetime"}:
            assert field.value == text_of(one[f"{kind}_value"])
        elif kind == "string_set":
            assert field.values == tuple(sorted(one["string_set_value"]))
    for path in {one["attribute_path"] for one in rows if one["attribute_type"] == "float_series"}:
        assert points_of(found, path) == [
            (one["step"], round(one["timestamp"].timestamp() * 1000), one["float_value"])
            for one in rows
            if one["attribute_path"] == path
        ]


def test_a_text_series_is_lines_with_step_time_and_value() -> None:
    found = read(UTC_EXPORT, "runs/MOD-1")
    lines = [json.loads(line) for line in bytes_of(found, "logs/out.jsonl").splitlines()]
    wanted = [one for one in rows_of("runs/MOD-1") if one["attribute_path"] == "logs/out"]
    assert lines == [
        {
            "step": step_text(one["step"]),
            "time": round(one["timestamp"].timestamp() * 1000),
            "value": one["string_value"],
        }
        for one in wanted
    ]


def test_files_sets_series_and_lists_of_artifacts_arrive_byte_by_byte() -> None:
    found = read(UTC_EXPORT, "runs/MOD-1")
    (top,) = (UTC_EXPORT / "files").iterdir()
    place = top / "ws" / "models" / "MOD-1"
    for path in ("model/weights", "imgs/0.png", "imgs/1.png", "imgs/2.png", "ds/files_list.json"):
        assert bytes_of(found, path) == (place / path).read_bytes()
    members = {n: bytes_of(found, f"cfg/files/{n}") for n in ("a.yml", "sub/b.yml", ".hidden")}
    assert members == {"a.yml": b"a", "sub/b.yml": b"b", ".hidden": b"h"}
    (images,) = [one for one in fields_of(found).values if one.path == "imgs"]
    assert [(one.path, one.step) for one in images.files] == [
        ("imgs/0.png", "0"),
        ("imgs/1.png", "1"),
        ("imgs/2.png", "2"),
    ]


def test_what_the_exporter_never_wrote_is_a_loss() -> None:
    losses = {loss.field for loss in read(UTC_EXPORT, "runs/MOD-1").losses}
    assert losses == {"ds", "imgs", "model/weights", "sys/state", "references to git and notebooks"}


@pytest.mark.parametrize("name", OBJECTS)
def test_the_export_from_new_york_is_the_one_from_utc_once_its_zone_is_told(name: str) -> None:
    right, told, untold = (
        read(UTC_EXPORT, name),
        read(NEW_YORK_EXPORT, name, NEW_YORK),
        read(NEW_YORK_EXPORT, name),
    )
    assert fields_of(told).values == fields_of(right).values
    assert fields_of(told).labels == fields_of(right).labels
    assert told.losses == right.losses
    for stream in right.streams:
        wanted = bytes_of(right, entry_name(stream.entry))
        assert bytes_of(told, entry_name(stream.entry)) == wanted
    loss, off = (points_of(one, "metrics/loss")[0] for one in (right, untold))
    assert loss[1] - off[1] == 5 * 3_600_000


def test_a_version_in_a_stage_has_its_alias_if_no_later_one_is_in_it(tmp_path: Path) -> None:
    for number, stage in ((1, "production"), (2, "production"), (3, "staging"), (4, "archived")):
        rows = [
            row("sys/id", "string", f"P-M-{number}"),
            row("sys/model_id", "string", "P-M"),
            row("sys/stage", "string", stage),
        ]
        write_part(tmp_path, f"P-M-{number}", rows, scope="model_versions")
    found = {one.address.version: one.facts for one in registry(tmp_path).ls(Selector())}
    aliases = {number: facts.get("aliases") for number, facts in found.items()}
    assert aliases == {"1": None, "2": "production", "3": "staging", "4": None}
    (chosen,) = registry(tmp_path).ls(Selector(kind="models", name="P-M", alias="production"))
    snapshot = registry(tmp_path).read(chosen.address)
    version = snapshot.record(snapshot.subject)
    assert isinstance(version, ModelVersion)
    assert (version.version, version.aliases) == ("2", ("production",))
    assert version.tags == {"neptune.stage": "production"}


def test_types_that_only_neptune_3_has_arrive(tmp_path: Path) -> None:
    histogram = {"type": "COUNTING", "edges": [0.0, 1.0, 2.5], "values": [3.0, 4.0]}
    put_file(tmp_path, "run_a/imgs/step_0_500000", b"\x89PNG\r\n\x1a\n")
    write_part(
        tmp_path,
        "run a",
        [
            row("sys/id", "string", "P-1"),
            row("sys/custom_run_id", "string", "run a"),
            row("of another run", "int", None),
            row("hist", "histogram_series", histogram, step=0.5, time=7),
            row("imgs", "file_series", "run_a/imgs/step_0_500000", step=0.5, time=7),
        ],
    )
    found = read(tmp_path, timezone=NEW_YORK)
    assert str(found.address) == "export#runs/run%20a"
    assert {loss.field for loss in found.losses} == {"sys/state"}
    (line,) = bytes_of(found, "hist.jsonl").splitlines()
    assert json.loads(line) == {"step": "0.5", "time": 7, "value": histogram}
    (images,) = [one for one in fields_of(found).values if one.path == "imgs"]
    assert [(one.step, one.time) for one in images.files] == [("0.5", 7)]
    assert "of another run" not in {one.path for one in fields_of(found).values}


def test_a_point_that_pandas_made_nothing_of_is_nan(tmp_path: Path) -> None:
    values = [1.0, None, 3.0]
    rows = [row("loss", "float_series", v, step=n, time=n) for n, v in enumerate(values)]
    write_part(tmp_path, "P-1", rows)
    found = [value for _, _, value in points_of(read(tmp_path), "loss")]
    assert repr(found) == "[1.0, nan, 3.0]"


def test_rows_in_any_order_over_any_parts_make_one_series(tmp_path: Path) -> None:
    rows = [
        row(f"m{n % 3}", "float_series", float(n), step=n / 4, time=1000 + n) for n in range(600)
    ]
    write_part(tmp_path, "P-1", rows[300:][::-1], part=0, group=70)
    write_part(tmp_path, "P-1", rows[:300], part=1, group=40)
    found = read(tmp_path)
    for key in range(3):
        assert points_of(found, f"m{key}") == [
            (Decimal(n) / 4, 1000 + n, float(n)) for n in range(key, 600, 3)
        ]


def test_an_extension_is_recovered_where_the_content_tells_it(tmp_path: Path) -> None:
    heads = {
        "plot": b"\x89PNG\r\n\x1a\n",
        "doc": b"%PDF-1.7",
        "w": b"\x80\x02}q",
        "z": b"PK\x03\x04",
    }
    rows = [row(name, "file", f"ws/p/P-1/{name}") for name in heads]
    for name, head in heads.items():
        put_file(tmp_path, f"ws/p/P-1/{name}", head + bytes(99))
    write_part(tmp_path, "P-1", [*rows, row("sys/id", "string", "P-1")])
    found = read(tmp_path)
    assert [entry_name(s.entry) for s in found.streams] == ["doc.pdf", "plot.png", "w", "z"]
    assert {change.field for change in found.transformations} == {"doc", "plot"}
    assert {"w", "z"} <= {loss.field for loss in found.losses}


def test_one_id_in_two_projects_is_two_objects(tmp_path: Path) -> None:
    for project in ("ws/a", "ws/b"):
        write_part(tmp_path, "same", [row("n", "string", project)], project=project)
    listed = [one.address for one in registry(tmp_path).ls(Selector())]
    assert [address.name for address in listed] == ["ws/a/same", "ws/b/same"]
    for address in listed:
        snapshot = registry(tmp_path).read(address)
        run = snapshot.record(snapshot.subject)
        assert isinstance(run, Run)
        assert run.params == {"n": address.name.removesuffix("/same")}
        assert snapshot.address == address


def test_a_mark_changes_with_a_part_a_file_and_the_zone(tmp_path: Path) -> None:
    def mark(timezone: str = "") -> str:
        (ref,) = registry(tmp_path, timezone).changes(Selector())
        return ref.content_mark

    put_zip(tmp_path, "ws/p/P-1/set", {"a": b"a"})
    write_part(tmp_path, "P-1", [row("set", "file_set", "ws/p/P-1/set")])
    marks = [mark(), mark(NEW_YORK)]
    put_zip(tmp_path, "ws/p/P-1/set", {"a": b"other"})
    marks.append(mark())
    write_part(tmp_path, "P-1", [row("n", "int", 1)], part=1)
    marks.append(mark())
    assert len(set(marks)) == 4
    assert mark() == marks[-1]


def test_labels_are_found_in_whatever_row_group_they_are(tmp_path: Path) -> None:
    paths = ("a", "sys", "sys/name", "sys/tag", "sys0", "train/x", "z")
    rows = [row(path, "string", f"value of {path}") for path in paths]
    write_part(tmp_path, "P-1", rows, group=1)
    write_part(tmp_path, "P-1", [row("sys/stage", "string", "none")], part=1)
    (listed,) = registry(tmp_path).ls(Selector())
    assert (listed.title, listed.facts["stage"]) == ("value of sys/name", "none")
    held = fields_of(read(tmp_path))
    names = {one.path for one in (*held.values, *held.labels, *held.facts)}
    assert names == {*paths, "sys/stage"}


def test_objects_are_chosen_by_stage_tags_age_project_and_lifecycle(tmp_path: Path) -> None:
    made = datetime(2024, 1, 1, tzinfo=UTC)
    for number, stage in (("1", "production"), ("2", "none")):
        rows = [
            row("sys/id", "string", f"M-A-{number}"),
            row("sys/model_id", "string", "M-A"),
            row("sys/stage", "string", stage),
        ]
        write_part(tmp_path, f"M-A-{number}", rows, scope="model_versions")
    rows = [
        row("sys/id", "string", "R-1"),
        row("sys/creation_time", "datetime", made),
        row("sys/tags", "string_set", ["prod", "wine"]),
        row("sys/trashed", "bool", value=True),
    ]
    write_part(tmp_path, "R-1", rows)

    def chosen(**wanted: Any) -> list[str]:  # noqa: ANN401  (of a filter)
        choose = Chooser(Filter(**wanted), "export")
        found = choose(registry(tmp_path).ls(Selector()))
        choose.check()
        return [f"{one.address.kind}/{one.address.name}/{one.address.version}" for one in found]

    first, second, run = "models/M-A/1", "models/M-A/2", "runs/R-1/"
    at = round(made.timestamp() * 1000)
    assert chosen(stages=("production",)) == chosen(aliases=("production",)) == [first]
    assert chosen(stages=("None",)) == [second]
    assert chosen(latest=True) == [first, second]
    assert chosen(tags=(("neptune.tags", "w*"),)) == [run]
    assert chosen(since=at) == [run]
    assert chosen(since=at + 1) == []
    assert chosen(deleted="only") == [run]
    assert chosen(deleted="without") == [first, second]
    assert chosen(experiments=("ws/p",)) == [first, second, run]
