"""Models and versions become runs: whole, once, and found again after any failure."""

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mlarchive.copy import Copied, Way, copy
from mlarchive.errors import ConflictError, MlarchiveError, UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.directory import DirectoryRegistry
from mlarchive.registries.neptune.live import NeptuneRegistry
from mlarchive.registries.neptune.objects import (
    Attribute,
    AttributeFile,
    NeptuneObject,
    float_series,
)
from mlarchive.registries.neptune.snapshots import snapshot
from tests.support.neptune.running import PROJECT
from tests.support.neptune.seeding import Seeded, seed
from tests.support.neptune.server import Emulator, Fault
from tests.support.neptune.store import Attribute as Stored
from tests.support.neptune.store import Object
from tests.support.neptune_offline import operation, point, read, write_log

ORIGIN = f"neptune://{PROJECT}"


@pytest.fixture
def seeded(emulator: Emulator, tmp_path: Path) -> Seeded:
    found = seed(tmp_path)
    emulator.log.clear()
    return found


@pytest.fixture
def registry(emulator: Emulator) -> Iterator[NeptuneRegistry]:
    with NeptuneRegistry.open(PROJECT, token=emulator.api_token, origin=ORIGIN) as opened:
        yield opened


def migrate(
    registry: NeptuneRegistry,
    folder: Path,
    *kinds: str,
    target: NeptuneRegistry | None = None,
    policy: WritePolicy | None = None,
) -> list[Copied]:
    way = Way(scratch=folder, packed_at=1_700_000_000_000)
    addresses = [
        listing.address
        for kind in kinds or ("registered-models", "models")
        for listing in registry.ls(Selector(kind=kind))
    ]
    return [
        copy(registry.read(address), target or registry, policy or WritePolicy(), way)
        for address in addresses
    ]


def run_of(emulator: Emulator, custom: str, project: str = PROJECT) -> Object:
    (found,) = (
        one
        for one in emulator.store.objects.values()
        if one.type == "run" and one.custom == custom and one.project.path == project
    )
    return found


def told(one: Object) -> dict[str, object]:
    """All that was logged, points and bytes too."""
    return {
        path: (a.type, a.value, a.points, a.files, a.ext)
        for path, a in one.attributes.items()
        if not path.startswith(("sys/", "old_sys", "mlarchive/"))
    }


def test_a_version_becomes_a_run_that_has_everything(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    copied = migrate(registry, tmp_path)
    run = run_of(emulator, seeded.version)
    version = emulator.store.object(f"{PROJECT}/{seeded.version}")
    assert told(run) == told(version)
    assert run.attributes["sys/tags"].value == {"prod", "model_version"}
    assert run.attributes["sys/group_tags"].value == {seeded.model}
    for name in ("id", "creation_time", "owner", "stage", "model_id", "modification_time"):
        old, new = version.attributes[f"sys/{name}"], run.attributes[f"old_sys/{name}"]
        assert (new.type, new.value) == (old.type, old.value)
    model = run_of(emulator, seeded.model)
    assert told(model) == told(emulator.store.object(f"{PROJECT}/{seeded.model}"))
    assert model.attributes["sys/tags"].value == {"wine", "cellar", "model"}
    assert model.attributes["sys/name"].value == f"the {seeded.model.partition('-')[2]} model"
    assert [one.receipt.losses for one in copied] == [(), ()]
    assert emulator.violations == []


def test_a_second_time_writes_nothing(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    migrate(registry, tmp_path)
    before = told(run_of(emulator, seeded.version))
    emulator.log.clear()
    again = migrate(registry, tmp_path)
    assert all(one.receipt.idle for one in again)
    assert not {"createExperiment", "executeOperations", "fileAtomUpload"} & set(emulator.counts)
    assert told(run_of(emulator, seeded.version)) == before


def test_a_stage_may_be_a_tag(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    migrate(registry, tmp_path, "models", policy=WritePolicy(stage="tag"))
    run = run_of(emulator, seeded.version)
    assert run.attributes["sys/tags"].value == {"prod", "model_version", "staging"}
    assert "old_sys/stage" not in run.attributes


def test_new_labels_travel_alone(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    migrate(registry, tmp_path)
    version = emulator.store.object(f"{PROJECT}/{seeded.version}")
    version.attributes["sys/tags"].value = {"new"}
    emulator.log.clear()
    migrate(registry, tmp_path, "models")
    run = run_of(emulator, seeded.version)
    assert run.attributes["sys/tags"].value == {"new", "model_version"}
    assert not [name for name in emulator.counts if "pload" in name]


def test_what_people_added_to_a_run_stays(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    migrate(registry, tmp_path, "models")
    run = run_of(emulator, seeded.version)
    version = emulator.store.object(f"{PROJECT}/{seeded.version}")
    run.attributes["notes/mine"] = Stored("int", 1)
    run.attributes["sys/tags"].value.add("mytag")
    version.attributes["later"] = Stored("int", 5)
    del version.attributes["README"]
    (content,) = migrate(registry, tmp_path, "models")
    assert told(run) == {**told(version), "notes/mine": ("int", 1, [], {}, "")}
    assert run.attributes["sys/tags"].value == {"prod", "model_version", "mytag"}
    version.attributes["sys/tags"].value = {"new"}
    (labels,) = migrate(registry, tmp_path, "models")
    assert run.attributes["sys/tags"].value == {"new", "model_version", "mytag"}
    for copied in (content, labels):
        assert [one.field for one in copied.receipt.transformations] == ["sys"]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_people_added_outlasts_an_update_that_fails(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path, *, at: int
) -> None:
    migrate(registry, tmp_path, "models")
    run = run_of(emulator, seeded.version)
    version = emulator.store.object(f"{PROJECT}/{seeded.version}")
    run.attributes["notes/mine"] = Stored("int", 1)
    run.attributes["sys/tags"].value.add("mytag")
    version.attributes["later"] = Stored("int", 5)
    version.attributes["sys/tags"].value = {"new"}
    del version.attributes["README"]
    emulator.faults.append(Fault(operation="executeOperations", at=at, status=400))
    with pytest.raises(MlarchiveError):
        migrate(registry, tmp_path, "models")
    migrate(registry, tmp_path, "models")
    assert told(run) == {**told(version), "notes/mine": ("int", 1, [], {}, "")}
    assert run.attributes["sys/tags"].value == {"new", "model_version", "mytag"}


def test_what_people_changed_in_a_run_is_listed_when_it_is_replaced(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    migrate(registry, tmp_path, "models")
    run = run_of(emulator, seeded.version)
    version = emulator.store.object(f"{PROJECT}/{seeded.version}")
    version.attributes["answer"] = Stored("int", 5)
    migrate(registry, tmp_path, "models")
    run.attributes["answer"].value = 6
    run.attributes["later"] = Stored("string", "mine")
    version.attributes["later"] = Stored("int", 7)
    (copied,) = migrate(registry, tmp_path, "models")
    said = {one.field: one.why for one in copied.receipt.transformations}
    assert said.keys() == {"sys", "answer", "later"}
    assert said["answer"].endswith("6")
    assert said["later"].endswith("'mine'")
    assert told(run) == told(version)


def test_a_name_that_is_deleted_at_the_source_is_so_at_the_target(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    version = emulator.store.object(f"{PROJECT}/{seeded.version}")
    version.attributes["sys/description"] = Stored("string", "old")
    migrate(registry, tmp_path, "models")
    run = run_of(emulator, seeded.version)
    assert run.attributes["sys/description"].value == "old"
    del version.attributes["sys/description"]
    migrate(registry, tmp_path, "models")
    assert run.attributes["sys/description"].value == ""


def test_what_has_grown_is_written_again_without_doubles(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    migrate(registry, tmp_path)
    version = emulator.store.object(f"{PROJECT}/{seeded.version}")
    version.attributes["metrics/loss"].points.pop()
    version.attributes["later"] = Stored("int", 5)
    del version.attributes["README"]
    migrate(registry, tmp_path, "models")
    assert told(run_of(emulator, seeded.version)) == told(version)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(operation="createExperiment", status=400),
        Fault(operation="executeOperations", at=3, status=400),
        Fault(operation="executeOperations", at=4, status=400),
        Fault(operation="fileAtomMultipartUploadPart", at=2, status=400),
        Fault(operation="uploadFileSetAttributeTar", status=400),
        Fault(operation="createNewArtifact", status=400),
        Fault(operation="getFloatSeriesValues", at=2, status=400),
    ],
    ids=lambda fault: f"{fault.operation}-{fault.at}",
)
def test_a_failure_at_any_step_is_mended_by_the_next_time(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path, *, fault: Fault
) -> None:
    emulator.faults.append(replace(fault))
    with pytest.raises(MlarchiveError):
        migrate(registry, tmp_path)
    assert emulator.faults == []
    migrate(registry, tmp_path)
    for sys_id in (seeded.model, seeded.version):
        assert told(run_of(emulator, sys_id)) == told(emulator.store.object(f"{PROJECT}/{sys_id}"))


def test_lost_answers_are_outlasted_without_doubles(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    emulator.faults += [
        Fault(operation="createExperiment", status=0),
        Fault(operation="executeOperations", at=5, status=0),
        Fault(operation="fileAtomMultipartUploadFinish", at=1, status=503),
        Fault(operation="fileAtomMultipartUploadFinish", at=1, status=0),
    ]
    migrate(registry, tmp_path)
    assert emulator.faults == []
    for sys_id in (seeded.model, seeded.version):
        assert told(run_of(emulator, sys_id)) == told(emulator.store.object(f"{PROJECT}/{sys_id}"))


def test_a_run_that_is_in_the_trash_is_said_and_does_not_count_as_there(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    migrate(registry, tmp_path)
    run_of(emulator, seeded.version).attributes["sys/trashed"].value = True
    with pytest.raises(ConflictError, match="is in the trash"):
        migrate(registry, tmp_path, "models")
    source = Address(origin=ORIGIN, kind="models", name=seeded.model, version="1")
    assert registry.holding(source, WritePolicy()) is None


def test_a_run_of_somebody_else_is_never_touched(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    project = emulator.store.project(PROJECT)
    theirs = emulator.store.create(
        {"projectIdentifier": project.id, "type": "run", "customId": seeded.version}
    )
    theirs.attributes["precious"] = Stored("int", 1)
    with pytest.raises(ConflictError, match="not made by mlarchive"):
        migrate(registry, tmp_path, "models")
    assert told(theirs) == {"precious": ("int", 1, [], {}, "")}


def test_runs_are_copied_into_another_project_and_not_into_their_own(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    emulator.store.add_project("lab/second", "SEC")
    with pytest.raises(UnsupportedError, match="already"):
        migrate(registry, tmp_path, "runs")
    with NeptuneRegistry.open(
        "lab/second", token=emulator.api_token, origin="neptune://lab/second"
    ) as second:
        migrate(registry, tmp_path, "runs", target=second)
        copy_of = run_of(emulator, "run-CHURN", "lab/second")
        assert told(copy_of) == told(emulator.store.object(f"{PROJECT}/{seeded.run}"))
        (ref,) = second.changes(Selector(kind="runs"))
        assert ref.origin == f"{ORIGIN}#runs/{seeded.run}"
        assert ref.through == (ORIGIN,)
        address = Address(origin=ORIGIN, kind="runs", name=seeded.run)
        held = second.holding(address, WritePolicy())
        assert held is not None
        assert held.address.name == copy_of.sys_id


def test_several_projects_go_into_one_of_them_again(emulator: Emulator, tmp_path: Path) -> None:
    for path, key in (("lab/one", "ONE"), ("lab/all", "ALL")):
        emulator.store.add_project(path, key)
    project = emulator.store.project("lab/one")
    emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    token = emulator.api_token
    with (
        NeptuneRegistry.open("lab/*", token=token, origin="neptune://lab/*") as several,
        NeptuneRegistry.open("lab/all", token=token, origin="neptune://lab/all") as one,
    ):
        (first,) = migrate(several, tmp_path, "runs", target=one)
        again = migrate(several, tmp_path, "runs", target=one)
        assert not first.receipt.idle
        assert [copied.receipt.idle for copied in again] == [True, True]
        assert {copied.receipt.target for copied in again} == {first.receipt.target}


def test_what_became_a_run_is_copied_on_with_what_it_was_twice(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    emulator.store.add_project("lab/next", "NEXT")
    migrate(registry, tmp_path)
    first = run_of(emulator, seeded.version)
    with NeptuneRegistry.open("lab/next", token=emulator.api_token, origin="next") as onward:
        migrate(registry, tmp_path, "runs", target=onward)
        again = migrate(registry, tmp_path, "runs", target=onward)
    second = run_of(emulator, seeded.version, "lab/next")
    assert told(second) == told(first)
    assert second.attributes["old_sys/stage"].value == "staging"
    assert second.attributes["old_sys/id"].value == seeded.version
    assert second.attributes["old_sys_2/id"].value == first.sys_id
    assert all(one.receipt.idle for one in again)
    first.attributes["sys/tags"].value = {"other"}
    with NeptuneRegistry.open("lab/next", token=emulator.api_token, origin="next") as onward:
        migrate(registry, tmp_path, "runs", target=onward)
    assert second.attributes["sys/tags"].value == {"other"}
    assert second.attributes["old_sys/id"].value == seeded.version


def test_what_a_target_noted_for_itself_is_never_taken_for_another_ones(
    registry: NeptuneRegistry, tmp_path: Path
) -> None:
    write_log(tmp_path, operation("AssignString", "mlarchive/origin", value="elsewhere#runs/1"))
    way = Way(scratch=tmp_path, packed_at=1_700_000_000_000)
    first = copy(read(tmp_path), registry, WritePolicy(), way)
    assert "mlarchive/origin" in {loss.field for loss in first.receipt.losses}
    assert copy(read(tmp_path), registry, WritePolicy(), way).receipt.idle


def test_a_value_where_a_namespace_is_stands_in_no_others_way(
    emulator: Emulator, registry: NeptuneRegistry, tmp_path: Path
) -> None:
    attributes = tuple(
        Attribute(path=path, type="int", value="1") for path in ("a", "a/b/c", "a/d", "ab")
    )
    found = NeptuneObject(kind="run", project="w/p", id="RUN-7", attributes=attributes)
    way = Way(scratch=tmp_path, packed_at=1_700_000_000_000)
    copied = copy(snapshot(found, "export"), registry, WritePolicy(), way)
    assert [loss.field for loss in copied.receipt.losses] == ["a"]
    assert told(run_of(emulator, "RUN-7")).keys() == {"a/b/c", "a/d", "ab"}


def test_members_of_one_name_are_both_written(
    emulator: Emulator, registry: NeptuneRegistry, tmp_path: Path
) -> None:
    files = tuple(
        AttributeFile(path="set/twice", name="twice", size=1, open=partial(io.BytesIO, raw))
        for raw in (b"1", b"2")
    )
    attributes = (Attribute(path="set", type="file_set", files=files),)
    found = NeptuneObject(kind="run", project="w/p", id="RUN-8", attributes=attributes)
    way = Way(scratch=tmp_path, packed_at=1_700_000_000_000)
    copy(snapshot(found, "export"), registry, WritePolicy(), way)
    held = run_of(emulator, "RUN-8").attributes["set"].files
    assert held == {"twice": b"1", "twice~2": b"2"}


def test_objects_of_several_projects_go_into_their_own(emulator: Emulator, tmp_path: Path) -> None:
    for path, key in (("lab/second", "SEC"), ("lab/third", "THI")):
        project = emulator.store.add_project(path, key)
        made = emulator.store.create(
            {"projectIdentifier": project.id, "type": "model", "key": "WINE"}
        )
        made.attributes["answer"] = Stored("int", 42)
    with NeptuneRegistry.open("lab/*", token=emulator.api_token, origin="lab") as registry:
        migrate(registry, tmp_path)
    for path, key in (("lab/second", "SEC"), ("lab/third", "THI")):
        assert run_of(emulator, f"{key}-WINE", path).attributes["answer"].value == 42


def test_it_does_not_matter_whether_an_object_is_read_as_one_of_several_projects(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    emulator.store.add_project("lab/second", "SEC")
    migrate(registry, tmp_path)
    before = told(run_of(emulator, seeded.version))
    with NeptuneRegistry.open(
        "lab/*", token=emulator.api_token, origin="neptune://lab/*"
    ) as several:
        assert all(one.receipt.idle for one in migrate(several, tmp_path))
        assert all(one.receipt.idle for one in migrate(several, tmp_path, target=registry))
        for target in (several, registry):
            with pytest.raises(UnsupportedError, match="already"):
                migrate(several, tmp_path, "runs", target=target)
        held = several.holding(
            Address(origin="neptune://lab/*", kind="models", name=seeded.model, version="1"),
            WritePolicy(),
        )
        assert held is not None
    assert told(run_of(emulator, seeded.version)) == before


def test_what_the_server_refuses_is_a_listed_loss(
    emulator: Emulator, registry: NeptuneRegistry, tmp_path: Path
) -> None:
    attributes = (
        Attribute(path="git", type="git_ref", value="{}"),
        Attribute(path="images", type="file_series"),
        Attribute(path="infinite", type="float", value="Infinity"),
        Attribute(
            path="series",
            type="float_series",
            series=float_series([0, 1, 1, 2], [1, 2, 3, 4], [1.0, 2.0, 3.0, float("nan")]),
        ),
    )
    found = NeptuneObject(kind="model", project="w/p", id="MOD-ODD", attributes=attributes)
    way = Way(scratch=tmp_path, packed_at=1_700_000_000_000)
    copied = copy(snapshot(found, "export"), registry, WritePolicy(), way)
    assert [loss.field for loss in copied.receipt.losses] == [
        "git",
        "images",
        "infinite",
        "series",
        "series",
    ]
    points = run_of(emulator, "MOD-ODD").attributes["series"].points
    assert [(point.step, point.value) for point in points] == [(0.0, 1.0), (1.0, 2.0)]


def test_what_stands_below_sys_and_is_no_single_value_is_a_listed_loss(
    registry: NeptuneRegistry, tmp_path: Path
) -> None:
    write_log(
        tmp_path,
        operation("LogFloats", "sys/loss", values=[point(1.0, 0)]),
        operation("LogStrings", "sys/lines", values=[point("a", 0)]),
        operation("AssignFloat", "sys/infinite", value=float("nan")),
        operation("UploadFileContent", "sys/blob", ext="bin", file_content="aGFsbG8="),
        operation("AddStrings", "sys/set", values=["a"]),
    )
    way = Way(scratch=tmp_path, packed_at=1_700_000_000_000)
    copied = copy(read(tmp_path), registry, WritePolicy(), way)
    assert {loss.field for loss in copied.receipt.losses} >= {
        "sys/blob",
        "sys/infinite",
        "sys/lines",
        "sys/loss",
    }
    assert "sys/set" not in {loss.field for loss in copied.receipt.losses}


def test_an_id_that_is_too_long_for_a_custom_id_is_found_again(
    emulator: Emulator, registry: NeptuneRegistry, tmp_path: Path
) -> None:
    found = NeptuneObject(kind="run", project="w/p", id="RUN-" + "x" * 60, attributes=())
    way = Way(scratch=tmp_path, packed_at=1_700_000_000_000)
    first = copy(snapshot(found, "export"), registry, WritePolicy(), way)
    again = copy(snapshot(found, "export"), registry, WritePolicy(), way)
    assert not first.receipt.idle
    assert again.receipt.idle
    assert [one.field for one in first.receipt.transformations] == ["sys", found.id]
    assert [len(one.custom or "") for one in emulator.store.objects.values()][-1] == 36


def test_what_did_not_come_from_neptune_is_refused(
    registry: NeptuneRegistry, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "weights.bin").write_bytes(b"1")
    folder = DirectoryRegistry(tmp_path / "files", origin="dir:files")
    (ref,) = folder.changes(Selector())
    with pytest.raises(UnsupportedError, match="did not come from Neptune"):
        registry.plan_write(folder.read(ref.address), WritePolicy())
