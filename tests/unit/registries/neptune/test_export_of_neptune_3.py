"""What neptune-exporter wrote of Neptune 3 arrives: every attribute, equal, or listed."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from mlarchive.errors import DamageError
from mlarchive.records import Field, Run
from mlarchive.registries.base import Selector
from mlarchive.snapshot import Snapshot, entry_name
from tests.support.neptune_exports import (
    THREE_EXPORT,
    copied,
    put_file,
    read,
    registry,
    row,
    write_part,
)
from tests.unit.registries.neptune.test_export import bytes_of, fields_of, points_of

FIRST, FORK, PLAIN = "runs/Lauf%20%C3%A4%2F1", "runs/fork-of-1", "runs/plain"
CREATED = 1_700_000_000_123
STATE = ("sys/state", "the exporter never writes it")


def held(snapshot: Snapshot) -> dict[str, Field]:
    fields = fields_of(snapshot)
    return {one.path: one for one in (*fields.values, *fields.labels, *fields.facts)}


def run_of(snapshot: Snapshot) -> Run:
    (run,) = [record for record in snapshot.records if isinstance(record, Run)]
    return run


def losses(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(loss.field, loss.why) for loss in snapshot.losses]


def test_runs_go_by_their_own_ids_and_their_folders_of_files_are_no_runs() -> None:
    listed = list(registry(THREE_EXPORT).ls(Selector()))
    assert [str(one.address).partition("#")[2] for one in listed] == [FIRST, FORK, PLAIN]
    assert [one.title for one in listed] == ["exp one", "exp two", ""]


def test_single_values_arrive_with_their_types() -> None:
    found = held(read(THREE_EXPORT, FIRST))
    texts = {path: (one.type, one.value) for path, one in found.items() if one.value}
    assert texts == {
        "big": ("int", "9007199254740992"),
        "flag": ("bool", "true"),
        "lr": ("float", "0.001"),
        "mixed": ("float", "2.5"),
        "n": ("int", "-7"),
        "note": ("string", 'zwölf\n"x"'),
        "when": ("datetime", "2023-11-14T22:13:20.130Z"),
        "sys/archived": ("bool", "false"),
        "sys/creation_time": ("datetime", "2023-11-14T22:13:20.123Z"),
        "sys/custom_run_id": ("string", "Lauf ä/1"),
        "sys/description": ("string", "first"),
        "sys/experiment/is_head": ("bool", "true"),
        "sys/experiment/name": ("string", "exp one"),
        "sys/experiment/running_time_seconds": ("float", "12.5"),
        "sys/failed": ("bool", "true"),
        "sys/id": ("string", "VIS-1"),
        "sys/modification_time": ("datetime", "2023-11-14T22:14:59.123Z"),
        "sys/name": ("string", "exp one"),
        "sys/owner": ("string", "ann"),
        "sys/relative_creation_time_ms": ("int", "5"),
        "sys/size": ("int", "4096"),
        "sys/trashed": ("bool", "false"),
    }
    assert (found["empty"].type, found["empty"].value) == ("string", "")
    assert found["labels"].values == ("x", "y")
    assert found["sys/tags"].values == ("a", "b")
    assert found["sys/group_tags"].values == ("g",)


def test_what_two_runs_have_of_different_types_is_of_each_its_own() -> None:
    assert held(read(THREE_EXPORT, FORK))["mixed"].type == "int"
    assert held(read(THREE_EXPORT, FORK))["only/two"].value == "here"


def test_points_arrive_exactly_whatever_zone_the_exporter_had() -> None:
    for zone in ("", "America/New_York"):
        found = read(THREE_EXPORT, FIRST, zone)
        assert points_of(found, "train/loss") == [
            (Decimal(n), CREATED + 1000 * n, 1 / (n + 1)) for n in range(300)
        ]
        assert points_of(found, "train/frac") == [
            (Decimal(n) / 4, CREATED + 1000 * n, 1 / (n + 1)) for n in range(4)
        ]
        assert points_of(found, "train/micro") == [
            (Decimal("0.000001"), CREATED, 1.0),
            (Decimal("0.3"), CREATED + 1, 2.0),
        ]
        assert repr(points_of(found, "train/one/deep")[0][2]) == "-0.0"
    values = [value for _, _, value in points_of(read(THREE_EXPORT, FORK), "train/loss")]
    assert repr(values) == "[0.5, nan, inf]"


def test_texts_and_histograms_are_lines() -> None:
    found = read(THREE_EXPORT, FIRST)
    lines = [json.loads(line) for line in bytes_of(found, "log/out.jsonl").splitlines()]
    assert lines == [
        {"step": "0", "time": CREATED, "value": "line 1"},
        {"step": "1.5", "time": CREATED + 5, "value": "zeile ä"},
    ]
    histograms = [json.loads(line)["value"] for line in bytes_of(found, "hist.jsonl").splitlines()]
    assert histograms == [
        {"type": "COUNTING", "edges": [0.0, 1.0, 2.0], "values": [3.0, 4.0]},
        {"type": "DENSITY", "edges": [0.0, 0.5], "values": [2.0]},
    ]


def test_files_have_the_extensions_of_their_media_types() -> None:
    found = read(THREE_EXPORT, FIRST)
    image = b"\x89PNG\r\n\x1a\n" + b"png" * 5
    files = {
        "conf.json": b"{}",
        "imgs/series/0.png": image + b"0",
        "imgs/series/2.5.png": image + b"1",
        "model/net.pt": b"PKpt",
        "model/weights.bin": b"\x00\x01weights",
        "odd": b"odd",
        "plot.v2.png": image,
        "table.csv": b"a,b\n1,2\n",
    }
    streams = {entry_name(stream.entry) for stream in found.streams}
    series = {"hist.jsonl", "log/out.jsonl"}
    series |= {f"train/{name}" for name in ("frac", "loss", "micro", "one/deep")}
    assert streams == {*files, *series}
    assert {name: bytes_of(found, name) for name in files} == files
    images = [(one.step, one.time) for one in held(found)["imgs/series"].files]
    assert images == [("0", CREATED), ("2.5", CREATED + 9)]


def test_what_the_exporter_lost_is_listed_what_is_particular_first() -> None:
    rounded = "the exporter rounds whole numbers of more than 53 bits that another run has not"
    assert losses(read(THREE_EXPORT, FIRST)) == [
        ("big", f"9007199254740992 may not be exact: {rounded}"),
        ("imgs/series", "item at step 3: the exporter wrote no file"),
        ("odd", "its extension was not exported, and its content does not tell one"),
        STATE,
    ]
    one_over_the_other = "the exporter wrote it and a.b to one place, fork-of-1/a_b.txt"
    (two, state) = losses(read(THREE_EXPORT, FORK))
    assert (two[0], state) == ("a_b", STATE)
    assert one_over_the_other in two[1]


@pytest.mark.parametrize(("run", "names"), [(FIRST, ("gone",)), (PLAIN, ("lr",))])
def test_rows_without_a_value_that_may_stand_for_one_are_named(
    run: str, names: tuple[str, ...]
) -> None:
    (why,) = [
        change.why
        for change in read(THREE_EXPORT, run).transformations
        if change.field == "rows without a value"
    ]
    assert set(names) <= set(why.rpartition(": ")[2].split(", "))
    assert "n" not in why.rpartition(": ")[2].split(", ")


def test_a_run_whose_table_got_lost_is_named_by_its_files(tmp_path: Path) -> None:
    export = copied(THREE_EXPORT, tmp_path / "export")
    (table,) = export.rglob("fork-of-1-*.parquet")
    table.unlink()
    (found,) = [one for one in registry(export).ls(Selector()) if one.address.name == "fork-of-1"]
    assert "its table is not there" in found.facts["broken"]


def test_a_run_of_which_the_exporter_wrote_nothing_is_named_by_its_log(tmp_path: Path) -> None:
    export = copied(THREE_EXPORT, tmp_path / "export")
    failures = [("ws/vision", "lost"), ("ws/vision", "plain"), ("ws/other", "plain")]
    lines = [
        {"project_id": project, "run_id": run, "attribute_path": None, "exception": "TimeoutError"}
        for project, run in failures
    ]
    log = export / "neptune_exporter_errors.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    listed = {one.address.name: one.facts for one in registry(export).ls(Selector())}
    assert set(listed) == {"Lauf ä/1", "fork-of-1", "lost", "ws/vision/plain", "ws/other/plain"}
    assert "wrote nothing of it: TimeoutError" in listed["lost"]["broken"]
    with pytest.raises(DamageError, match="wrote nothing of it: TimeoutError"):
        read(export, "runs/lost")
    assert ("attributes", "the exporter failed to write it: TimeoutError") in losses(
        read(export, "runs/ws%2Fvision%2Fplain")
    )
    log.rename(tmp_path / log.name)
    beside = {one.address.name for one in registry(export).ls(Selector())}
    assert beside == {"Lauf ä/1", "fork-of-1", "lost", "plain"}


def test_a_run_without_its_sys_is_of_neptune_3_if_its_id_could_not_be_of_neptune_2(
    tmp_path: Path,
) -> None:
    write_part(tmp_path, "my-run", [row("m", "float_series", 1.0, step=0, time=3_600_000)])
    write_part(tmp_path, "KEY-1", [row("m", "float_series", 1.0, step=0, time=3_600_000)])
    zone = "Etc/GMT-1"
    assert points_of(read(tmp_path, "runs/my-run", zone), "m")[0][1] == 3_600_000
    assert points_of(read(tmp_path, "runs/KEY-1", zone), "m")[0][1] == 0


def test_an_archived_run_is_deleted(tmp_path: Path) -> None:
    put_file(tmp_path, "my-run/w.bin", b"w")
    write_part(
        tmp_path,
        "my-run",
        [row("sys/archived", "bool", True), row("w", "file", "my-run/w.bin")],  # noqa: FBT003
    )
    found = read(tmp_path)
    assert run_of(found).lifecycle == "deleted"
    assert [one.path for one in fields_of(found).labels] == ["sys/archived"]
