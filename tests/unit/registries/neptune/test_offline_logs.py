"""What a 2.x client left arrives: every operation is done, or is a listed loss."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import DamageError, NotFoundError
from mlarchive.records import Run
from mlarchive.registries.base import Selector
from mlarchive.snapshot import entry_name
from tests.support.neptune_offline import (
    ID,
    LOGS,
    fields,
    files,
    log_lines,
    losses,
    operation,
    params,
    point,
    points,
    read,
    registry,
    write_log,
)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SHRUG = base64.b64encode(PNG).decode()


def test_what_a_real_client_left_arrives() -> None:
    found = read(LOGS, LOGS)
    assert str(found.address) == f"left#runs/{ID}"
    assert {path: (one.type, one.value) for path, one in fields(found).items() if one.value} == {
        "art": ("artifact", '{"tracked": [["cfg", null]]}'),
        "copy": ("int", "1"),
        "dt": ("datetime", "2026-01-01T00:00:00.000Z"),
        "p/b": ("bool", "true"),
        "p/lr": ("float", "0.1"),
        "p/n": ("int", "3"),
        "p/s": ("string", "x"),
        "source_code/entrypoint": ("string", "mk.py"),
        "sys/creation_time": ("datetime", "2026-11-20T12:49:56.974Z"),
        "sys/failed": ("bool", "false"),
        "sys/name": ("string", "n"),
    }
    assert fields(found)["sys/tags"].values == ("t1",)
    assert [value for _, _, value in points(found, "loss")] == [1.0, 0.5, 0.25]
    assert [step for step, _, _ in points(found, "loss")] == [0, 1, 2]
    arrived = files(found)
    assert arrived["w.bin"] == (LOGS / "w.bin").read_bytes()
    assert arrived["cfg/a.yml"] == (LOGS / "cfg" / "a.yml").read_bytes()
    (kept,) = LOGS.rglob("mem-*.txt")
    assert arrived["mem.txt"] == kept.read_bytes()
    assert json.loads(arrived["txt.jsonl"])["value"] == "l1"
    assert set(losses(found)) == {"art"}
    (run,) = [record for record in found.records if isinstance(record, Run)]
    assert run.start == 1795178996974


def test_every_operation_is_done(tmp_path: Path) -> None:
    write_log(
        tmp_path,
        operation("AssignFloat", "a/float", value=1),
        operation("AssignInt", "a/int", value=2),
        operation("AssignBool", "a/bool", value=False),
        operation("AssignString", "a/string", value="x"),
        operation("AssignString", "a/string", value="y"),
        operation("AssignDatetime", "a/datetime", value=1_700_000_000_123),
        operation("AssignArtifact", "a/artifact", hash="abc"),
        operation("UploadFileContent", "content", ext="txt", file_content="aGVsbG8="),
        operation("LogFloats", "f", values=[point(1.0, 2), point(2.0), point(3.0, 4.5, ts=2.0)]),
        operation("ConfigFloatSeries", "f", min=0, max=None, unit="m"),
        operation("LogStrings", "s", values=[point("one", 0.5), point("two")]),
        operation(
            "LogImages",
            "i",
            values=[point({"data": SHRUG, "name": "n", "description": "d"}, 10)],
        ),
        operation("AddStrings", "sys/tags", values=["a", "b"]),
        operation("RemoveStrings", "sys/tags", values=["a"]),
        operation("AddStrings", "sys/group_tags", values=["a"]),
        operation("ClearStringSet", "sys/group_tags"),
        operation(
            "CopyAttribute",
            "copied",
            container_id=ID,
            container_type="run",
            source_path=["a", "int"],
            source_attr_name="Integer",
        ),
        operation("AssignInt", "gone", value=1),
        operation("DeleteAttribute", "gone"),
        operation("TrackFilesToArtifact", "t", entries=[["s3://b", None]], project_id="p"),
        operation("TrackFilesToArtifact", "t", entries=[["c", "under"]], project_id="p"),
        *(
            one
            for kind, log in (("Float", "LogFloats"), ("String", "LogStrings"))
            for one in (
                operation(log, f"cleared{kind}", values=[point("1")]),
                operation(f"Clear{kind}Log", f"cleared{kind}"),
            )
        ),
        operation("ClearImageLog", "clearedImage"),
        operation("ClearArtifact", "clearedArtifact"),
    )
    found = read(tmp_path)
    texts = {path: one.value for path, one in fields(found).items() if one.value}
    del texts["sys/creation_time"]
    assert texts == {
        "a/float": "1.0",
        "a/int": "2",
        "a/bool": "false",
        "a/string": "y",
        "a/datetime": "2023-11-14T22:13:20.123Z",
        "a/artifact": '{"hash": "abc"}',
        "copied": "2",
        "t": '{"tracked": [["s3://b", null], ["c", "under"]]}',
    }
    assert points(found, "f") == [(20, 1000, 1.0), (30, 1000, 2.0), (45, 2000, 3.0)]
    arrived = files(found)
    assert arrived["content.txt"] == b"hello"
    assert arrived["i/10.png"] == PNG
    (image,) = fields(found)["i"].files
    assert (image.name, image.description, image.step, image.time) == ("n", "d", "10", 1000)
    lines = [json.loads(line) for line in arrived["s.jsonl"].splitlines()]
    assert [(line["step"], line["value"]) for line in lines] == [("0.5", "one"), ("1.5", "two")]
    assert fields(found)["sys/tags"].values == ("b",)
    assert points(found, "clearedFloat") == []
    assert set(losses(found)) == {"a/artifact", "f", "t"}


ALL_OPERATIONS = """
import neptune
from datetime import datetime, timezone
from neptune.types import File, StringSeries, FloatSeries
run = neptune.init_run(mode="offline", capture_hardware_metrics=False, capture_stdout=False,
    capture_stderr=False, capture_traceback=False, git_ref=False, source_files=[], name="all",
    description="told", tags=["one"])
day = datetime(2026, 1, 1, tzinfo=timezone.utc)
run["p"] = {"f": 1.5, "i": 7, "b": True, "s": "text", "d": day}
run["m"].append(0.5, step=0.5, timestamp=1700000000.25)
run["m"].append(0.25, step=1)
run["m2"] = FloatSeries([1.0, 2.0], steps=[3, 4], timestamps=[1, 2])
run["t"].extend(["a", "b"])
run["img"].append(File.from_content(PNG, extension="png"), name="n", description="d", step=5)
run["f/inmem"].upload(File.from_content("inside", extension="txt"))
run["f/disk"].upload("disk.bin")
run["set"].upload_files(["set"])
run["set"].delete_files(["gone.txt"])
run["sys/tags"].add(["two"])
run["sys/tags"].remove(["one"])
run["copied"] = run["p/i"]
run["popped"] = 1
run.pop("popped")
run.stop()
"""


def test_what_the_installed_client_writes_arrives(tmp_path: Path) -> None:
    (tmp_path / "disk.bin").write_bytes(b"disk")
    (tmp_path / "set" / "sub").mkdir(parents=True)
    for name in ("a.txt", ".hidden", "sub/b.txt", "gone.txt"):
        (tmp_path / "set" / name).write_text(name)
    script = tmp_path / "script.py"
    script.write_text(f"PNG = {PNG!r}\n{ALL_OPERATIONS}")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    found = read(tmp_path)
    assert params(found) == {
        "p/f": "1.5",
        "p/i": "7",
        "p/b": "true",
        "p/s": "text",
        "p/d": "2026-01-01T00:00:00.000Z",
        "copied": "7",
        "source_code/entrypoint": "script.py",
    }
    assert [step for step, _, _ in points(found, "m")] == [5, 10]
    assert points(found, "m")[0] == (5, 1700000000250, 0.5)
    assert points(found, "m2") == [(3, 1000, 1.0), (4, 2000, 2.0)]
    arrived = files(found)
    assert arrived["img/5.png"].startswith(PNG[:8])
    assert arrived["f/inmem.txt"] == b"inside"
    assert arrived["f/disk.bin"] == b"disk"
    assert {n.removeprefix("set/") for n in arrived if n.startswith("set/")} == {
        "a.txt",
        ".hidden",
        "sub/b.txt",
    }
    assert fields(found)["sys/tags"].values == ("two",)
    assert losses(found) == {}


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (f"offline/{ID}", "runs"),
        (f"offline/run__{ID}", "runs"),
        (f"offline/run__{ID}__1__abc", "runs"),
        (f"async/{ID}/exec-1-2020-01-01_00.00.00.000000", "runs"),
        (f"async/run__{ID}/exec-1-2020-01-01_00.00.00.000000", "runs"),
        (f"async/run__{ID}__1__abc__x", "runs"),
        (f"async/model__{ID}__1__abc", "registered-models"),
    ],
)
def test_every_layout_that_clients_had_is_read(place: str, kind: str, tmp_path: Path) -> None:
    write_log(tmp_path, operation("AssignInt", "n", value=1), place=place)
    home = tmp_path / ".neptune"
    for folder in (tmp_path, home, home / place.partition("/")[0]):
        found = read(folder)
        assert (found.address.kind, found.address.name) == (kind, ID)
        assert params(found) == {"n": "1"}


def test_rotated_logs_and_several_processes_are_one_object(tmp_path: Path) -> None:
    place = f"async/run__{ID}"
    for process in (1, 2):
        folder = f"{place}/exec-{process}-x"
        write_log(tmp_path, operation("AssignInt", f"a{process}", value=1), place=folder)
        write_log(tmp_path, operation("AssignInt", f"b{process}", value=2), place=folder, first=2)
    assert params(read(tmp_path)) == {"a1": "1", "a2": "1", "b1": "2", "b2": "2"}


def test_processes_of_one_run_are_done_in_the_order_of_their_times(tmp_path: Path) -> None:
    for process, value, month in ((9000, 1.0, 1), (123, 2.0, 2)):
        log = write_log(
            tmp_path,
            operation("AssignFloat", "x", value=value),
            operation("LogFloats", "f", values=[point(value)]),
            place=f"async/run__{ID}__{process}__abcdefgh",
        )
        note = {"createdAt": f"2026-0{month}-01T00:00:00+00:00"}
        (log.parent / "metadata.json").write_text(json.dumps(note))
    found = read(tmp_path)
    assert params(found) == {"x": "2.0"}
    assert [value for *_, value in points(found, "f")] == [1.0, 2.0]
    assert fields(found)["sys/creation_time"].value.startswith("2026-01-01")


def test_operations_of_processes_that_ran_at_once_are_merged_by_their_times(tmp_path: Path) -> None:
    for process, times in ((1, (10, 40)), (2, (20, 30))):
        lines = [
            {"obj": operation("AssignInt", "x", value=at), "version": version, "at": at}
            for version, at in enumerate(times, 1)
        ]
        log = write_log(tmp_path, place=f"async/run__{ID}__{process}__abcdefgh")
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert params(read(tmp_path)) == {"x": "40"}


@pytest.mark.parametrize(
    ("created", "why"),
    [("2023-11-14T22:13:20", "does not say its zone"), ("yesterday", "is no time")],
)
def test_a_creation_time_that_cannot_be_taken_is_a_loss_that_says_why(
    created: str, why: str, tmp_path: Path
) -> None:
    log = write_log(tmp_path, operation("AssignInt", "a", value=1))
    (log.parent / "metadata.json").write_text(json.dumps({"createdAt": created}))
    assert why in losses(read(tmp_path))["metadata.json"]


def test_a_process_that_tells_no_time_is_a_loss(tmp_path: Path) -> None:
    for process in (1, 2):
        line = {"obj": operation("AssignInt", "x", value=process), "version": 1}
        log = write_log(tmp_path, place=f"async/run__{ID}__{process}__abcdefgh")
        log.write_text(json.dumps(line) + "\n")
    why = "nothing in it tells when it was written; what it says is done before all else"
    assert [loss.why for loss in read(tmp_path).losses].count(why) == 2


def test_what_the_server_had_taken_before_is_a_loss(tmp_path: Path) -> None:
    place = f"async/run__{ID}__1__abc"
    log = write_log(tmp_path, operation("AssignInt", "n", value=1), place=place, first=41)
    (log.parent / "last_ack_version").write_text("40")
    (log.parent / "last_put_version").write_text("43")
    found = read(tmp_path)
    said = " ".join(loss.why for loss in found.losses)
    assert params(found) == {"n": "1"}
    assert "operations 1 to 40 went to the server before" in said
    assert "operations up to 40 went to the server" in said
    assert "operations 42 to 43 are not in it" in said


GOOD = (operation("AssignInt", "a", value=1), operation("AssignInt", "b", value=2))


@pytest.mark.parametrize(
    ("spoil", "field", "why"),
    [
        (lambda text: text[:-9], "data-1.log, line 2", "it is cut off"),
        (lambda text: text + '{"obj": {"ty', "data-1.log, line 3", "it is cut off"),
        (lambda text: text + "\x00\x00\x00\n", "data-1.log, line 3", "it is no JSON"),
        (lambda text: text + "[" * 99999 + "\n", "data-1.log, line 3", "it is no JSON"),
        (lambda text: text + "[]\n", "data-1.log, line 3", "it is no operation"),
        (lambda text: text + '{"obj": 1, "version": 3}\n', "data-1.log, line 3", "no operation"),
        (
            lambda text: text + log_lines([operation("Invent", "c")], 3),
            "c",
            "the operation 'Invent' is not known",
        ),
        (lambda text: text + log_lines([{"type": "AssignInt"}], 3), "operation 3", "is malformed"),
        (
            lambda text: text + log_lines([operation("AssignInt", "c", value="1")], 3),
            "c",
            "is malformed",
        ),
        (
            lambda text: text + log_lines([operation("AssignInt", "c", value=1)], 9),
            f"run__{ID}__1__abcdefgh",
            "operations 3 to 8 are not in the logs",
        ),
        (
            lambda text: (
                text + log_lines([operation("LogFloats", "c", values=[point(1, 1e30)])], 3)
            ),
            "c",
            "the step 1e+30, which there cannot be",
        ),
    ],
)
def test_what_is_damaged_is_a_sentence_and_all_else_arrives(
    spoil: Callable[[str], str], field: str, why: str, tmp_path: Path
) -> None:
    log = write_log(tmp_path, *GOOD)
    log.write_text(spoil(log.read_text()))
    found = read(tmp_path)
    assert params(found)["a"] == "1"
    assert why in losses(found)[field]


MALFORMED: list[Any] = [
    {"type": "LogFloats", "path": ["x"], "values": 3},
    {"type": "LogFloats", "path": ["x"], "values": [point("no number")]},
    {"type": "LogFloats", "path": ["x"], "values": [{**point(1.0), "step": "step"}]},
    {"type": "LogImages", "path": ["x"], "values": [point(None)]},
    {"type": "LogImages", "path": ["x"], "values": [point({"data": "no base64!"})]},
    {"type": "AssignDatetime", "path": ["x"], "value": 10**30},
    {"type": "AddStrings", "path": ["x"], "values": [1]},
    {"type": "UploadFile", "path": ["x"], "ext": "a", "file_path": None, "tmp_file_name": None},
    {"type": "CopyAttribute", "path": ["x"], "source_path": None},
    {"type": ["AssignInt"], "path": ["x"], "value": 1},
    {"type": "AssignInt", "path": [], "value": 1},
    {"type": "AssignInt", "path": "x", "value": 1},
]


@pytest.mark.parametrize("bad", MALFORMED)
def test_a_malformed_operation_is_a_loss(bad: dict[str, Any], tmp_path: Path) -> None:
    write_log(tmp_path, *GOOD, bad)
    found = read(tmp_path)
    assert params(found) == {"a": "1", "b": "2"}
    assert len(losses(found)) == 1


def test_a_folder_that_no_client_wrote_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotFoundError, match=r"holds nothing|does not exist"):
            list(registry(folder).ls(Selector()))


def test_a_log_without_an_operation_is_one_sentence(tmp_path: Path) -> None:
    write_log(tmp_path)
    with pytest.raises(DamageError, match="hold no operation"):
        read(tmp_path)


def test_what_a_client_left_is_never_written_to(tmp_path: Path) -> None:
    project = tmp_path / "copy"
    shutil.copytree(LOGS, project)
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    files(read(project, project))
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


def test_an_object_whose_log_is_lost_is_named_by_what_lies_beside_it(tmp_path: Path) -> None:
    write_log(tmp_path, operation("AssignInt", "a", value=1))
    gone = write_log(tmp_path, place="offline/run__0c2__1__k")
    (gone.parent / "last_put_version").write_text("19\n")
    gone.unlink()
    assert len(list(registry(tmp_path).ls(Selector()))) == 2
    (lost,) = [
        one.address for one in registry(tmp_path).ls(Selector()) if "0c2" in str(one.address)
    ]
    found = registry(tmp_path).read(lost)
    assert any("operations 1 to 19 are not in it" in loss.why for loss in found.losses)


def test_operations_out_of_order_are_done_where_they_stand_and_listed(tmp_path: Path) -> None:
    first, *rest = (operation("AssignInt", "n", value=value) for value in range(3))
    log = write_log(tmp_path, first, first=9)
    log.write_text(log.read_text() + log_lines(rest, 2))
    found = read(tmp_path)
    assert params(found) == {"n": "2"}
    assert losses(found)["data-9.log"] == "operation 2 stands after 9; it is done there"


def test_an_operation_of_another_type_is_refused_as_a_server_would(tmp_path: Path) -> None:
    write_log(
        tmp_path,
        operation("LogFloats", "f", values=[point(1.0, 0)]),
        operation("AssignInt", "f", value=1),
        operation("ClearStringLog", "f"),
        operation("UploadFileContent", "f", ext="txt", file_content="aGk="),
        operation("AssignInt", "n", value=1),
        operation("AssignString", "n", value="s"),
        operation("LogFloats", "n", values=[point(1.0, None)]),
        operation("DeleteAttribute", "n"),
        operation("AssignString", "n", value="t"),
    )
    found = read(tmp_path)
    assert [value for *_, value in points(found, "f")] == [1.0]
    assert params(found) == {"n": "t"}
    refused = [(one.field, one.why) for one in found.losses if "refuses" in one.why]
    assert refused == [
        (path, f"a {kind} was written to it, which a server refuses: it is a {what}")
        for path, kind, what in (
            ("f", "int", "float_series"),
            ("f", "string_series", "float_series"),
            ("f", "file", "float_series"),
            ("n", "string", "int"),
            ("n", "float_series", "int"),
        )
    ]


@pytest.mark.parametrize("spelled", [b"\\ud800", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_text_that_is_half_a_pair_is_a_loss(spelled: bytes, tmp_path: Path) -> None:
    texts = {"bad": "\ud800", "good": "\N{GRINNING FACE}"}
    log = write_log(
        tmp_path, *(operation("AssignString", name, value=texts[name]) for name in texts)
    )
    log.write_bytes(log.read_bytes().replace(b"\\ud800", spelled))
    found = read(tmp_path)
    assert params(found) == {"good": texts["good"]}
    assert "it holds what is no Unicode" in losses(found)["data-1.log, line 1"]


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [("LogFloats", "loss", 1.0), ("LogStrings", "log", "line")],
)
@pytest.mark.parametrize("bad", [{"ts": 1e200}, {"step": float("nan")}, {"step": float("inf")}])
def test_a_point_that_there_cannot_be_is_a_loss_and_all_others_arrive(
    kind: str, path: str, value: float | str, bad: dict[str, float], tmp_path: Path
) -> None:
    write_log(
        tmp_path,
        operation(kind, path, values=[point(value, 0), {**point(value, 1), **bad}]),
        operation(kind, path, values=[point(value, 2)]),
    )
    found = read(tmp_path)
    assert "there cannot be" in losses(found)[path]
    (held,) = [s for s in found.streams if entry_name(s.entry).startswith(path)]
    with held.open() as file:
        assert file.read()


def test_one_run_in_two_modes_is_one_object(tmp_path: Path) -> None:
    for mode, value in (("async", 1), ("offline", 2)):
        write_log(
            tmp_path,
            operation("AssignInt", mode, value=value),
            place=f"{mode}/run__{ID}__1__abcdefgh",
        )
    assert params(read(tmp_path)) == {"async": "1", "offline": "2"}
