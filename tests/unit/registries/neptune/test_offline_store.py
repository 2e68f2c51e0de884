"""What a 3.x client left arrives: every operation of its store is done, or is a listed loss."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.errors import DamageError
from mlarchive.records import Experiment, MetricSeries, Run
from mlarchive.registries.base import Selector
from mlarchive.registries.neptune.offline import wire
from mlarchive.snapshot import entry_name
from tests.support.neptune_offline import (
    STORE,
    entry,
    field,
    fields,
    files,
    params,
    points,
    read,
    registry,
    varint,
    write_store,
)

UPDATE, CREATE = 0, 1


def moment(seconds: int, nanos: int = 0) -> bytes:
    return field(1, seconds) + field(2, nanos)


def at(whole: int, micro: int = 0, seconds: int = 1) -> bytes:
    return field(1, field(1, whole) + field(2, micro)) + field(2, moment(seconds))


def losses(project: Path) -> dict[str, str]:
    return {loss.field: loss.why for loss in read(project).losses}


def test_what_a_real_client_left_arrives() -> None:
    found = read(STORE, STORE)
    assert str(found.address) == "left#runs/my-run"
    assert params(found) == {"s": "x", "n": "3", "lr": "0.1"}
    assert points(found, "loss") == [(1, 1795179011479, 1.0)]
    assert fields(found)["sys/tags"].values == ("t",)
    assert files(found) == {"w.bin": (STORE / "w.bin").read_bytes()}
    (run,) = [record for record in found.records if isinstance(record, Run)]
    (experiment,) = [record for record in found.records if isinstance(record, Experiment)]
    assert (run.name, run.start, experiment.name) == ("exp", 1795179011425, "ws/p")
    assert found.losses == ()


def test_every_kind_of_value_arrives(tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    source = str((tmp_path / "plot.png").resolve())
    histogram = field(1, b"".join(field(1, edge)[1:] for edge in (0.0, 1.0, 2.0)))
    histogram += field(4, field(1, varint(3) + varint(300)))
    tags = field(1, field(1, "old") + field(2, 2)) + field(1, field(1, "new") + field(2, 1))
    assigned = (
        entry(4, "f", field(1, -0.5))
        + entry(4, "zero", field(1, 0.0))
        + entry(4, "i", field(3, -7))
        + entry(4, "b", field(5, value=True))
        + entry(4, "s", field(6, "text"))
        + entry(4, "t", field(8, moment(1700000000, 123_000_000)))
        + entry(4, "sys/tags", field(12, field(1, "old") + field(1, "kept")))
        + entry(4, "file", field(13, field(1, "there/file.png") + field(3, "image/x-odd")))
    )
    appended = (
        entry(8, "m", field(1, 0.25))
        + entry(8, "log", field(6, "line"))
        + entry(8, "hist", field(14, histogram))
        + entry(8, "imgs", field(13, field(1, "there/img.png")))
        + entry(8, "clips", field(13, field(1, "there/clip.mp4") + field(3, "video/mp4")))
    )
    created = field(3, moment(5)) + field(1, "my-run") + field(2, field(2, "parent"))
    created += field(6, field(1, "ann")) + field(8, "neptune-scale-client-0.9")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"of no known kind")
    write_store(
        tmp_path,
        [
            (CREATE, created),
            (UPDATE, assigned),
            (UPDATE, entry(5, "sys/tags", field(1, tags))),
            (UPDATE, at(3, 500_000) + appended),
            (UPDATE, field(2, moment(9)) + entry(8, "m", field(1, 0.125))),
            (UPDATE, at(5) + field(10, field(1, value=True)) + entry(8, "p", field(1, 1.0))),
        ],
        uploads={
            "there/file.png": source,
            "there/img.png": source,
            "there/clip.mp4": str(clip.resolve()),
        },
    )
    found = read(tmp_path)
    assert params(found) == {
        "f": "-0.5",
        "zero": "0.0",
        "i": "-7",
        "b": "true",
        "s": "text",
        "t": "2023-11-14T22:13:20.123Z",
    }
    assert fields(found)["sys/tags"].values == ("kept", "new")
    for path, value in {
        "sys/forking/parent": "parent",
        "sys/owner": "ann",
        "sys/diagnostics/tracker_client": "neptune-scale-client-0.9",
    }.items():
        assert fields(found)[path].value == value
    (series,) = [s.entry for s in found.streams if entry_name(s.entry) == "m"]
    assert isinstance(series, MetricSeries)
    assert series.step_decimals == 1
    assert points(found, "m") == [(35, 1000, 0.25), (45, 9000, 0.125)]
    arrived = files(found)
    assert arrived["file.png"] == arrived["imgs/3.5.png"] == b"\x89PNG\r\n\x1a\n"
    assert arrived["clips/3.5.mp4"] == b"of no known kind"
    assert json.loads(arrived["log.jsonl"])["value"] == "line"
    assert json.loads(arrived["hist.jsonl"])["value"] == {
        "type": "COUNTING",
        "edges": [0.0, 1.0, 2.0],
        "values": [3.0, 300.0],
    }
    assert {loss.field: loss.why for loss in found.losses} == {
        "p": "a point of it was a preview, which is left out",
        "file": "its media type, image/x-odd, is not told by its extension",
    }


@pytest.mark.parametrize(
    ("bad", "field_of", "why"),
    [
        ((UPDATE, b"\x22\x7fcut"), "operation 2", "goes on beyond the end"),
        ((UPDATE, b"\xff" * 20), "operation 2", "beyond the end"),
        ((7, b""), "operation 2", "its kind 7 is not known"),
        ((UPDATE, entry(4, "x", b"")), "x", "a value that is none"),
        ((UPDATE, entry(8, "x", b"")), "x", "a point of it has no value"),
        (
            (CREATE, field(2, field(1, "ws/other") + field(2, "parent"))),
            "sys/forking/parent",
            "is in the project ws/other",
        ),
        ((UPDATE, entry(4, "x", field(99, "?"))), "x", "a value of the unknown kind 99"),
        ((UPDATE, entry(8, "x", field(5, value=True))), "x", "a point of the unknown kind 5"),
        ((UPDATE, entry(4, "x", field(13, field(1, "away")))), "x", "is not here any more"),
        ((UPDATE, entry(4, "x", field(6, b"\xff"))), "operation 2", "is malformed"),
        ((UPDATE, entry(7, "x", field(3, 1))), "operation 2", "a field of it, 7, is not known"),
    ],
)
def test_what_is_damaged_is_a_sentence_and_all_else_arrives(
    bad: tuple[int, bytes], field_of: str, why: str, tmp_path: Path
) -> None:
    write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1))), bad])
    assert params(read(tmp_path)) == {"a": "1"}
    assert why in losses(tmp_path)[field_of]


def test_operations_that_are_missing_in_the_middle_are_a_loss(tmp_path: Path) -> None:
    path = write_store(tmp_path, [(UPDATE, entry(4, name, field(3, 1))) for name in "abcd"])
    with sqlite3.connect(path) as store:
        store.execute("DELETE FROM run_operations WHERE sequence_id IN (2, 3)")
    store.close()
    assert params(read(tmp_path)) == {"a": "1", "d": "1"}
    assert losses(tmp_path) == {"store": "operations 2 to 3 are not in it"}


def test_a_page_that_is_damaged_costs_the_operations_on_it(tmp_path: Path) -> None:
    names = [f"p{number:03}" for number in range(200)]
    path = write_store(tmp_path, [(UPDATE, entry(4, n, field(6, n * 50))) for n in names])
    raw = bytearray(path.read_bytes())
    page = int.from_bytes(raw[16:18], "big")
    middle = len(raw) // page // 2 * page
    raw[middle : middle + page] = b"\xee" * page
    path.write_bytes(raw)
    (listed,) = registry(tmp_path).ls(Selector())
    assert "malformed" in listed.facts["broken"]
    found = read(tmp_path)
    gone = sorted(set(names) - params(found).keys())
    assert 0 < len(gone) < 30
    first, last = (names.index(gone[end]) + 1 for end in (0, -1))
    missing = f"operations {first} to {last} are not in it"
    assert missing in {loss.why for loss in found.losses}


def test_words_of_sqlite_that_are_no_text_spoil_no_other_store(tmp_path: Path) -> None:
    path = write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1)))])
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE meta", b"CREATE TABL\xe0 meta"))
    (listed,) = registry(tmp_path).ls(Selector())
    assert "cannot be read as a store of Neptune" in listed.facts["broken"]
    with pytest.raises(DamageError, match="cannot be read as a store of Neptune"):
        read(tmp_path)


def test_a_store_of_a_later_version_is_read_with_a_loss(tmp_path: Path) -> None:
    write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1)))], version="v9")
    assert params(read(tmp_path)) == {"a": "1"}
    assert "'v9' is not known" in losses(tmp_path)["store"]


def test_a_path_outside_of_the_project_is_not_followed(tmp_path: Path) -> None:
    value = entry(4, "x", field(13, field(1, "there")))
    write_store(tmp_path / "project", [(UPDATE, value)], uploads={"there": "/etc/passwd"})
    assert files(read(tmp_path / "project")) == {}
    assert "--files-root" in losses(tmp_path / "project")["x"]


def test_a_file_of_another_size_is_not_the_one_that_was_logged(tmp_path: Path) -> None:
    value = entry(4, "x", field(13, field(1, "there"))) + entry(4, "a", field(3, 1))
    write_store(
        tmp_path / "project", [(UPDATE, value)], uploads={"there": "/runs/1/w"}, sizes={"there": 5}
    )
    root = tmp_path / "disk"
    (root / "1").mkdir(parents=True)
    (root / "1" / "w").write_bytes(b"of another size")
    found = read(tmp_path / "project", root)
    (loss,) = found.losses
    assert (params(found), files(found), loss.field) == ({"a": "1"}, {}, "x")
    assert f"had 5 bytes when it was logged, and {root}/1/w has 15" in loss.why
    (root / "w").write_bytes(b"right")
    found = read(tmp_path / "project", root)
    assert (files(found), found.losses) == ({"x": b"right"}, ())


def test_a_store_that_tells_no_sizes_has_files_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"there")
    value = entry(4, "x", field(13, field(1, "there")))
    uploads = {"there": str(tmp_path.resolve() / "w")}
    path = write_store(tmp_path, [(UPDATE, value)], uploads=uploads)
    with sqlite3.connect(path) as store:
        store.execute("ALTER TABLE file_upload_requests DROP COLUMN size_bytes")
    store.close()
    assert files(read(tmp_path)) == {"x": b"there"}
    with sqlite3.connect(path) as store:
        store.execute("ALTER TABLE file_upload_requests DROP COLUMN source_path")
    store.close()
    assert "has no column 'source_path'" in losses(tmp_path)["files"]


def spoil_header(path: Path) -> None:
    path.write_bytes(b"no database at all" * 99)


def drop_operations(path: Path) -> None:
    with sqlite3.connect(path) as store:
        store.execute("DROP TABLE run_operations")
    store.close()


def drop_metadata(path: Path) -> None:
    with sqlite3.connect(path) as store:
        store.execute("DROP TABLE metadata")
    store.close()


@pytest.mark.parametrize("spoil", [spoil_header, drop_metadata, drop_operations])
def test_a_store_that_is_none_is_one_sentence(
    spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    spoil(write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1)))]))
    (listed,) = registry(tmp_path).ls(Selector())
    assert "cannot be read as a store of Neptune" in listed.facts["broken"]
    with pytest.raises(DamageError, match="cannot be read as a store of Neptune"):
        read(tmp_path)


def test_a_store_that_is_whole_is_listed_as_whole_and_an_empty_one_is_not(tmp_path: Path) -> None:
    write_store(tmp_path / "whole", [(UPDATE, entry(4, "a", field(3, 1)))])
    write_store(tmp_path / "empty", [])
    whole, empty = (
        next(registry(tmp_path / name).ls(Selector())).facts for name in ("whole", "empty")
    )
    assert "broken" not in whole
    assert "it holds no operation" in empty["broken"]
    assert "it holds no operation" in losses(tmp_path / "empty")["store"]


def test_what_stands_only_in_the_stores_write_ahead_log_arrives(tmp_path: Path) -> None:
    path = write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1)))])
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    value = entry(4, "b", field(3, 2))
    writer.execute("INSERT INTO run_operations VALUES (2, 0, 0, ?, 0)", (value,))
    writer.commit()
    try:
        assert params(read(tmp_path)) == {"a": "1", "b": "2"}
    finally:
        writer.close()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused_with_a_sentence(raw: bytes) -> None:
    try:
        found = wire.message(raw)
    except ValueError as error:
        assert str(error)  # noqa: PT017  (either may happen)
    else:
        assert all(number >= 0 for number in found)


def another_store(project: Path, operations: list[tuple[int, bytes]], at: int) -> None:
    """A store that another process of the same run left, begun at some time."""
    path = write_store(project, operations)
    with sqlite3.connect(path) as store:
        store.execute("UPDATE run_operations SET timestamp = ?", (at,))
    store.close()
    path.parent.rename(path.parent.with_name(f"ws_p_my-run_{at:09}"))


def test_stores_of_one_run_are_one_object_in_the_order_of_their_times(tmp_path: Path) -> None:
    for at, name in ((2, "b"), (10, "c"), (1, "a")):
        value = entry(4, "n", field(3, at)) + entry(4, name, field(3, at))
        another_store(tmp_path, [(UPDATE, value)], at)
    assert params(read(tmp_path)) == {"a": "1", "b": "2", "c": "10", "n": "10"}


def test_a_time_that_there_cannot_be_is_a_loss_and_its_point_arrives(tmp_path: Path) -> None:
    late = field(1, field(1, 1)) + field(2, moment(2**62)) + entry(8, "m", field(1, 0.5))
    write_store(tmp_path, [(UPDATE, at(0) + entry(8, "m", field(1, 0.25))), (UPDATE, late)])
    assert points(read(tmp_path), "m") == [(0, 1000, 0.25), (1, 0, 0.5)]
    assert "a time that there cannot be" in losses(tmp_path)["m"]


def test_a_store_that_says_nothing_of_its_run_spoils_no_other(tmp_path: Path) -> None:
    for number, name in enumerate(("good", "bad"), 1):
        another_store(tmp_path, [(UPDATE, entry(4, name, field(3, 1)))], number)
    bad = tmp_path / ".neptune" / "ws_p_my-run_000000002" / "run_operations.sqlite3"
    with sqlite3.connect(bad) as store:
        store.execute("DELETE FROM metadata")
    store.close()
    listed = {one.address.name: one.facts for one in registry(tmp_path).ls(Selector())}
    assert "broken" not in listed["my-run"]
    assert "does not say which run it is of" in listed["ws_p_my-run_000000002"]["broken"]


def test_operations_without_numbers_are_done_and_listed(tmp_path: Path) -> None:
    path = write_store(tmp_path, [])
    with sqlite3.connect(path) as store:
        store.execute("DROP TABLE run_operations")
        store.execute(
            "CREATE TABLE run_operations (sequence_id, timestamp, operation_type, operation)"
        )
        value = entry(4, "a", field(3, 1))
        store.execute("INSERT INTO run_operations VALUES ('x', 0, 0, ?)", (value,))
    store.close()
    assert params(read(tmp_path)) == {"a": "1"}
    assert "1 of its operations have no number" in losses(tmp_path)["store"]


def test_what_the_server_had_refused_is_a_loss_whatever_its_words_are(tmp_path: Path) -> None:
    path = write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1)))])
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE operation_errors (error_type TEXT, error_details TEXT)")
        store.execute("INSERT INTO operation_errors VALUES ('bad', CAST(X'ff80' AS TEXT))")
    store.close()
    assert "the server had refused an operation: bad" in losses(tmp_path)["store"]


def test_reading_a_store_with_a_log_makes_nothing_beside_it(tmp_path: Path) -> None:
    path = write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1)))])
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO run_operations VALUES (2, 0, 0, ?, 0)", (b"",))
    writer.commit()
    copy = tmp_path / "copy" / ".neptune" / "left"
    copy.mkdir(parents=True)
    for name in (path.name, f"{path.name}-wal"):
        (copy / name).write_bytes((path.parent / name).read_bytes())
    writer.close()
    before = {one.name: one.read_bytes() for one in copy.iterdir()}
    assert params(read(tmp_path / "copy")) == {"a": "1"}
    assert {one.name: one.read_bytes() for one in copy.iterdir()} == before


def test_a_store_that_is_being_written_to_is_refused(tmp_path: Path) -> None:
    path = write_store(tmp_path, [(UPDATE, entry(4, "a", field(3, 1)))])
    writer = sqlite3.connect(path)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(DamageError, match="locked"):
            read(tmp_path)
    finally:
        writer.close()
