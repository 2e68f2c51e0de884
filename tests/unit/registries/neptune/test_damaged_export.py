"""What is damaged, missing or hostile in an export is a sentence and a loss; the rest arrives."""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlarchive.errors import DamageError, NotFoundError, UsageError
from mlarchive.package.limits import Limits, allow, allowed
from mlarchive.records import MetricSeries, ModelVersion, RegisteredModel, Run
from mlarchive.registries.base import Selector
from mlarchive.snapshot import Snapshot, entry_name
from tests.support.neptune_exports import (
    UTC_EXPORT,
    copied,
    damaged_part,
    put_file,
    put_zip,
    read,
    registry,
    row,
    write_part,
)

RUN = "runs/MOD-1"


def named(folder: Path, pattern: str) -> Path:
    (path,) = folder.rglob(pattern)
    return path


def losses(snapshot: Snapshot) -> dict[str, str]:
    return {loss.field: loss.why for loss in snapshot.losses}


def names(snapshot: Snapshot) -> set[str]:
    return {entry_name(stream.entry) for stream in snapshot.streams}


def read_all(snapshot: Snapshot) -> None:
    for stream in snapshot.streams:
        with stream.open() as file:
            file.read()


def with_two_parts(folder: Path, second: Callable[[Path], object]) -> Snapshot:
    """A run with a param in each of two parts, the second of which is treated somehow."""
    write_part(folder, "P-1", [row("sys/id", "string", "P-1"), row("a", "int", 1)])
    second(write_part(folder, "P-1", [row("b", "int", 2)], part=1))
    return read(folder)


def params(snapshot: Snapshot) -> dict[str, str]:
    run = snapshot.record(snapshot.subject)
    assert isinstance(run, Run)
    return run.params


def test_a_part_that_is_there_twice_counts_once_and_is_a_loss(tmp_path: Path) -> None:
    rows = [row("m", "float_series", 0.5, step=step, time=1) for step in (1, 2)]
    part = write_part(tmp_path, "P-1", rows)
    again = part.with_name(part.name.replace("_part_0", "_part_1"))
    again.write_bytes(part.read_bytes())
    write_part(tmp_path, "P-1", [row("m", "float_series", 0.5, step=3, time=1)], part=2)
    found = read(tmp_path)
    (series,) = [one.entry for one in found.streams if isinstance(one.entry, MetricSeries)]
    assert series.points == 3
    assert losses(found)[f"table {again.name}"] == (
        f"it is {part.name} a second time, byte for byte, and is left out"
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def corrupt(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4:200] = bytes(196)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("treat", "why"),
    [
        (cut, "cannot be read as Parquet"),
        (corrupt, "cannot be read as Parquet"),
        (lambda path: path.write_bytes(b""), "cannot be read as Parquet"),
        (lambda path: path.write_text("PAR1, not at all PAR1"), "cannot be read as Parquet"),
    ],
)
def test_a_damaged_part_is_a_loss_and_the_other_parts_arrive(
    treat: Callable[[Path], object], why: str, tmp_path: Path
) -> None:
    found = with_two_parts(tmp_path, treat)
    assert params(found) == {"a": "1"}
    ((field, said),) = [item for item in losses(found).items() if item[0].startswith("table")]
    assert field.startswith("table P-1-")
    assert why in said


def test_a_part_that_is_not_there_is_a_loss(tmp_path: Path) -> None:
    write_part(tmp_path, "P-1", [row("c", "int", 3)], part=2)
    found = with_two_parts(tmp_path, lambda path: path.unlink())
    assert params(found) == {"a": "1", "c": "3"}
    assert "part 1 of its table is not there" in losses(found)["table"]


def test_a_part_that_was_not_finished_is_a_loss(tmp_path: Path) -> None:
    found = with_two_parts(tmp_path, lambda path: path.rename(f"{path}.tmp"))
    assert params(found) == {"a": "1"}
    assert "was not finished by the exporter" in losses(found)["table"]


def test_a_part_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    def link(path: Path) -> None:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")

    assert params(with_two_parts(tmp_path, link)) == {"a": "1"}


def test_a_part_with_rows_of_another_object_is_a_loss(tmp_path: Path) -> None:
    def swap(path: Path) -> None:
        other = write_part(tmp_path, "P-2", [row("b", "int", 9)])
        other.rename(path)

    found = with_two_parts(tmp_path, swap)
    assert params(found) == {"a": "1"}
    assert any("rows of several objects" in why for why in losses(found).values())


def test_an_object_of_which_nothing_is_left_is_one_sentence(tmp_path: Path) -> None:
    cut(write_part(tmp_path, "P-1", [row("a", "int", 1)]))
    write_part(tmp_path, "P-2", [row("a", "int", 1)])
    first, _ = registry(tmp_path).ls(Selector())
    with pytest.raises(DamageError, match=r"part_0\.parquet cannot be read as Parquet"):
        registry(tmp_path).read(first.address)
    assert params(read(tmp_path, "runs/P-2")) == {"a": "1"}


@pytest.mark.parametrize(
    ("missing", "field"),
    [("weights", "model/weights"), ("1.png", "imgs"), ("files.zip", "cfg/files")],
)
def test_a_file_that_is_not_there_is_a_loss(missing: str, field: str, tmp_path: Path) -> None:
    export = copied(UTC_EXPORT, tmp_path / "export")
    path = next(p for p in (export / "files").rglob(missing) if "MOD-1" in p.parts)
    path.unlink()
    found = read(export, RUN)
    assert any(
        loss.field == field and loss.why.endswith(f"{missing}: its file is not there")
        for loss in found.losses
    )
    assert names(read(UTC_EXPORT, RUN)) - names(found) == {
        name
        for name in names(read(UTC_EXPORT, RUN))
        if name.startswith((field, f"{field}/"))
        and (missing == "files.zip" or name.endswith(missing))
    }
    read_all(found)


@pytest.mark.parametrize("path", ["../../../secret", "/etc/passwd", "a/../../secret", "link"])
def test_files_outside_of_the_export_are_never_read(path: str, tmp_path: Path) -> None:
    export = tmp_path / "export"
    (tmp_path / "secret").write_text("secret")
    inside = put_file(export, "inside", b"inside")
    (inside.parent / "link").symlink_to(tmp_path / "secret")
    write_part(export, "P-1", [row("f", "file", path), row("g", "file", "inside")])
    found = read(export)
    assert names(found) == {"g"}
    assert any(word in losses(found)["f"] for word in ("leads out", "a symbolic link stands"))


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    export, outside = tmp_path / "export", tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("secret")
    place = put_file(export, "x", b"x").parent
    (place / "link").symlink_to(outside)
    write_part(export, "P-1", [row("f", "file", "link/f")])
    found = read(export)
    assert names(found) == set()
    assert losses(found)["f"] == "link/f: a symbolic link stands in its place"


def file_set(folder: Path, members: dict[str, bytes]) -> Path:
    write_part(folder, "P-1", [row("set", "file_set", "ws/p/P-1/set"), row("a", "int", 1)])
    return put_zip(folder, "ws/p/P-1/set", members)


@pytest.mark.parametrize("bad", ["../out", "/etc/x", "a/../../b", "a//b", ".."])
def test_members_that_lead_out_of_their_archive_are_losses(bad: str, tmp_path: Path) -> None:
    file_set(tmp_path, {bad: b"bad", "good": b"good"})
    found = read(tmp_path)
    assert names(found) == {"set/good"}
    assert "leads out of the archive" in losses(found)[f"set/{bad}"]


def test_a_link_in_an_archive_is_a_loss(tmp_path: Path) -> None:
    path = file_set(tmp_path, {})
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    found = read(tmp_path)
    assert names(found) == set()
    assert "symbolic link" in losses(found)["set/link"]


def test_a_member_with_a_wrong_check_sum_is_a_loss_and_the_others_arrive(tmp_path: Path) -> None:
    path = file_set(tmp_path, {"good": b"good"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bad", b"stored as it is")
    path.write_bytes(path.read_bytes().replace(b"stored as it is", b"stored as it WAS"[:15]))
    found = read(tmp_path)
    assert names(found) == {"set/good"}
    assert "Bad CRC-32" in losses(found)["set/bad"]


@pytest.mark.parametrize("raw", [b"", b"no archive", b"PK\x03\x04" + bytes(99)])
def test_an_archive_that_is_none_is_a_loss(raw: bytes, tmp_path: Path) -> None:
    file_set(tmp_path, {}).write_bytes(raw)
    found = read(tmp_path)
    assert params(found) == {"a": "1"}
    assert "is no zip archive" in losses(found)["set"]


def overlapping(count: int) -> bytes:
    """An archive of which all members share the bytes of one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", bytes(10_000_000))
    raw = out.getvalue()
    start = raw.index(b"PK\x01\x02")
    end = raw.index(b"PK\x05\x06")
    entry = raw[start:end]
    entries = b"".join(entry[:-1] + bytes([48 + n]) for n in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    return raw[:start] + entries + tail


def test_an_archive_whose_members_share_their_bytes_is_a_loss(tmp_path: Path) -> None:
    file_set(tmp_path, {}).write_bytes(overlapping(9))
    found = read(tmp_path)
    assert names(found) == set()
    assert "its members overlap" in losses(found)["set"]


def test_an_archive_that_unpacks_to_more_than_is_allowed_is_a_loss(tmp_path: Path) -> None:
    file_set(tmp_path, {"zeros": bytes(3_000_000)})
    before = allowed()
    allow(Limits(unpacked=2_000_000))
    try:
        found = read(tmp_path)
    finally:
        allow(before)
    assert "more than may be unpacked" in losses(found)["set"]
    assert params(found) == {"a": "1"}


def test_what_the_exporter_says_that_it_failed_to_write_is_a_loss(tmp_path: Path) -> None:
    write_part(tmp_path / "exports", "P-1", [row("a", "int", 1)])
    lines = [
        {"project_id": "ws/p", "run_id": "P-1", "attribute_path": "w", "exception": "OSError"},
        {"project_id": "ws/p", "run_id": "P-1", "attribute_path": "a", "exception": "Timeout"},
        {"project_id": "ws/p", "run_id": "P-2", "attribute_path": "v", "exception": "OSError"},
    ]
    log = tmp_path / "neptune_exporter_errors.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"half')
    found = losses(read(tmp_path / "exports", "runs/P-1"))
    assert found["w"] == "the exporter failed to write it: OSError"
    assert found["a"].startswith("the exporter failed to write it: Timeout; some of it is here")
    assert "v" not in found
    assert "1 of its lines cannot be read" in found["the exporter's error log"]


def test_an_attribute_of_an_unknown_type_is_a_loss(tmp_path: Path) -> None:
    write_part(tmp_path, "P-1", [row("a", "int", 1), {**row("b", "int", 2), "attribute_type": "x"}])
    found = read(tmp_path)
    assert params(found) == {"a": "1"}
    assert "the type 'x'" in losses(found)["b"]


def test_an_attribute_without_a_value_and_one_with_two_are_losses(tmp_path: Path) -> None:
    rows = [row("a", "int", None), row("b", "int", 1), row("b", "int", 2), row("b", "string", "x")]
    write_part(tmp_path, "P-1", rows)
    found = read(tmp_path)
    said = [why for loss in found.losses if loss.field in {"a", "b"} for why in [loss.why]]
    assert params(found) == {"b": "2"}
    assert said == [
        "the exporter wrote no value for it",
        "it has 2 values, of which the last one is taken",
        "it is there a second time, as string",
    ]


@pytest.mark.parametrize("make", [Path.resolve, Path.mkdir, Path.touch])
def test_a_folder_that_is_no_export_is_refused(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "folder")
    with pytest.raises(NotFoundError, match=r"does not exist|is no export|is not a folder"):
        list(registry(tmp_path / "folder").ls(Selector()))


def test_what_is_not_in_an_export_is_not_found() -> None:
    for selector in (Selector(kind="runs", name="MOD-9"), Selector(kind="prompts")):
        with pytest.raises(NotFoundError):
            list(registry(UTC_EXPORT).ls(selector))
    assert list(registry(UTC_EXPORT).ls(Selector(kind="runs", name="X*", pattern=True))) == []


def test_a_zone_that_there_is_not_is_wrong_usage() -> None:
    for zone in ("Atlantis/Atlantis", "../../etc/passwd", "/etc/passwd"):
        with pytest.raises(UsageError, match="no time zone"):
            registry(UTC_EXPORT, zone)


def test_a_device_in_a_files_place_is_a_loss(tmp_path: Path) -> None:
    place = put_file(tmp_path, "x", b"x").parent
    os.mkfifo(place / "pipe")
    write_part(tmp_path, "P-1", [row("f", "file", "pipe"), row("g", "file", "x/y")])
    found = losses(read(tmp_path))
    assert found["f"] == "pipe: a device stands in its place"
    assert found["g"] == "x/y: a file stands in its place"


def test_an_object_whose_table_is_lost_is_named_by_its_files(tmp_path: Path) -> None:
    folder = copied(UTC_EXPORT, tmp_path / "export")
    before = {str(one.address) for one in registry(folder).ls(Selector())}
    for path in [*folder.rglob("MOD-1-*.parquet"), *folder.rglob("MOD-CHURN-2-*.parquet")]:
        path.unlink()
    left = {str(one.address): one for one in registry(folder).ls(Selector())}
    assert len(left) == len(before)
    for name in ("runs/MOD-1", "models/MOD-CHURN-2"):
        assert left[f"export#{name}"].facts["broken"].startswith("table: its table is not there")
        with pytest.raises(DamageError, match="its table is not there"):
            read(folder, name)


def test_of_several_files_of_one_attribute_all_but_the_last_are_listed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put_file(tmp_path, f"ws/p/P-1/{name}", name.encode())
        put_zip(tmp_path, f"ws/p/P-1/set_{name}", {"member": name.encode()})
    rows = [row("f", "file", f"ws/p/P-1/{name}") for name in "ab"]
    rows += [row("s", "file_set", f"ws/p/P-1/set_{name}") for name in "ab"]
    write_part(tmp_path, "P-1", rows)
    said = [loss.field for loss in read(tmp_path).losses if "the last one is taken" in loss.why]
    assert said == ["f", "s"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_whatever_byte_of_an_archive_is_damaged_is_a_sentence(method: int, tmp_path: Path) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as archive:
        archive.writestr("é/a", b"a" * 99)
        archive.writestr("b", bytes(range(99)))
    raw = whole.getvalue()
    path = file_set(tmp_path, {})
    for place in range(0, len(raw), 3):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 0xA5]) + raw[place + 1 :])
        found = read(tmp_path)
        read_all(found)
        assert params(found) == {"a": "1"}


def test_a_version_whose_model_is_not_in_the_export_says_so(tmp_path: Path) -> None:
    write_part(tmp_path, "P-M-1", [row("n", "int", 1)], scope="model_versions")
    found = losses(read(tmp_path))
    assert "the model P-M is not in the export" in found["model"]
    assert "the version's own id tells its model" in found["sys/model_id"]


def test_two_tables_of_one_run_are_two_objects(tmp_path: Path) -> None:
    for name in ("one", "two"):
        part = write_part(tmp_path, "P-1", [row(name, "int", 1)])
        part.rename(part.with_name(f"{name}_part_0.parquet"))
    listed = [one.address for one in registry(tmp_path).ls(Selector())]
    assert [address.name for address in listed] == ["ws/p/P-1", "ws/p/P-1~2"]
    assert [params(registry(tmp_path).read(address)) for address in listed] == [
        {"one": "1"},
        {"two": "1"},
    ]


def test_a_file_that_no_row_names_tells_that_rows_are_missing(tmp_path: Path) -> None:
    for name in ("named", "model/orphan.bin"):
        put_file(tmp_path, f"ws/p/P-1/{name}", b"x")
    write_part(tmp_path, "P-1", [row("named", "file", "ws/p/P-1/named")])
    assert "ws/p/P-1/model/orphan.bin" in losses(read(tmp_path))["files"]


def test_models_of_one_id_in_two_projects_have_names_of_their_own(tmp_path: Path) -> None:
    for project in ("ws/a", "ws/b"):
        for run_id, scope in (("P-M", "models"), ("P-M-1", "model_versions")):
            rows = [row("sys/model_id", "string", "P-M"), row("n", "string", project)]
            write_part(tmp_path, run_id, rows, project=project, scope=scope)
    opened = registry(tmp_path)
    found = [opened.read(one.address) for one in opened.ls(Selector())]
    names = [
        record.name
        for snapshot in found
        for record in snapshot.records
        if isinstance(record, RegisteredModel | ModelVersion)
    ]
    assert sorted(names) == ["ws.a.P-M"] * 3 + ["ws.b.P-M"] * 3


def test_links_are_named_and_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    for number in (1, 2):
        part = write_part(folder, f"P-{number}", [row("n", "int", number)])
    part.rename(tmp_path / part.name)
    part.symlink_to(tmp_path / part.name)
    (folder / "data" / "other").symlink_to(tmp_path)
    listed = {one.address.name: one.facts for one in registry(folder).ls(Selector())}
    assert "broken" not in listed.pop("P-1")
    assert all("is a symbolic link" in facts["broken"] for facts in listed.values())
    assert len(listed) == 2
    (folder / "data").rename(tmp_path / "data")
    (folder / "data").symlink_to(tmp_path / "data")
    with pytest.raises(NotFoundError, match="data is a symbolic link"):
        list(registry(folder).ls(Selector()))


@pytest.mark.parametrize(
    ("damage", "group"), [("statistics", 2), ("string-value", 2), ("attribute-path", 1)]
)
def test_damage_that_pyarrow_trips_over_is_a_loss_of_its_row_group(
    damage: str, group: int, tmp_path: Path
) -> None:
    path = damaged_part(tmp_path, damage)
    found = read(tmp_path)
    assert f"table {path.name}, row group {group}" in losses(found)
    read_all(found)
