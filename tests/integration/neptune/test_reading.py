"""What a live server has is read through its own client, whole."""

import base64
import gc
import json
import tempfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import neptune
import numpy as np
import pytest
from neptune.exceptions import CannotResolveHostname

from mlarchive.errors import (
    AccessError,
    ConfigError,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    SourceChangedError,
    UnavailableError,
)
from mlarchive.package.canonical import encode
from mlarchive.package.columns import decode_columns
from mlarchive.records import Address, Fields, File, MetricSeries
from mlarchive.registries.base import Selector
from mlarchive.registries.locator import parse
from mlarchive.registries.neptune.live import NeptuneRegistry, table
from mlarchive.registries.neptune.live.failures import speaking
from mlarchive.registries.opening import open_source
from mlarchive.snapshot import Snapshot, entry_name
from tests.support.neptune.running import PROJECT, running_emulator, variables
from tests.support.neptune.seeding import START, STEPS, Seeded, seed
from tests.support.neptune.server import Emulator, Fault, _Handler
from tests.support.neptune.service import Asked, Bytes
from tests.support.neptune.store import Attribute, Json, Point


@pytest.fixture
def seeded(emulator: Emulator, tmp_path: Path) -> Seeded:
    found = seed(tmp_path)
    emulator.log.clear()
    return found


@pytest.fixture
def registry(emulator: Emulator) -> Iterator[NeptuneRegistry]:
    with NeptuneRegistry.open(PROJECT, token=emulator.api_token, origin="lab") as opened:
        yield opened


def version_of(registry: NeptuneRegistry) -> Snapshot:
    (listing,) = registry.ls(Selector(kind="models"))
    return registry.read(listing.address)


def read(snapshot: Snapshot) -> dict[str, bytes]:
    found = {}
    for stream in snapshot.streams:
        with stream.open() as source:
            found[entry_name(stream.entry)] = source.read()
    return found


def fields(snapshot: Snapshot) -> Fields:
    (found,) = (one for one in snapshot.records if isinstance(one, Fields))
    return found


def test_everything_is_listed_with_its_stage(registry: NeptuneRegistry, seeded: Seeded) -> None:
    found = {str(one.address): one.facts.get("stage") for one in registry.ls(Selector())}
    assert found == {
        f"lab#models/{seeded.model}/1": "staging",
        f"lab#registered-models/{seeded.model}": None,
        f"lab#runs/{seeded.run}": None,
    }


def test_a_version_is_read_whole(registry: NeptuneRegistry, seeded: Seeded) -> None:
    snapshot = version_of(registry)
    held = read(snapshot)
    assert held["model/weights.bin"] == seeded.weights
    assert {path: held[f"config/{path}"] for path in seeded.members} == seeded.members, (
        "hidden files too"
    )
    steps, times, values = decode_columns(held["metrics/loss"])
    assert steps.tolist() == [step * 5 for step in range(STEPS)]
    assert times.tolist() == [round((START + step) * 1000) for step in range(STEPS)]
    assert np.array_equal(values, [1 / (step + 1) for step in range(STEPS)])
    (series,) = (s.entry for s in snapshot.streams if isinstance(s.entry, MetricSeries))
    assert series.step_decimals == 1
    assert held["log.jsonl"].count(b"\n") == STEPS
    values_of = {one.path: (one.type, one.value) for one in fields(snapshot).values}
    assert values_of["params/none"] == ("float", "1.5e-300")
    assert values_of["params/flag"] == ("bool", "true")
    assert values_of["trained_at"] == ("datetime", "2026-01-02T03:04:05.678Z")
    assert snapshot.losses == ()
    assert [one.field for one in snapshot.transformations] == ["data"]


def test_images_keep_steps_times_names_and_descriptions(
    registry: NeptuneRegistry, seeded: Seeded
) -> None:
    snapshot = version_of(registry)
    held = read(snapshot)
    (samples,) = (one for one in fields(snapshot).values if one.path == "samples")
    assert [one.step for one in samples.files] == ["0", "10", "20"]
    assert [held[one.path] for one in samples.files] == list(seeded.images.values())
    assert [one.name for one in samples.files] == ["image 0.0", "image 10.0", "image 20.0"]
    assert {one.description for one in samples.files} == {"as seen"}
    assert samples.files[2].time == round((START + 20) * 1000)


def test_a_server_that_does_not_tell_steps_of_images_makes_them_a_loss(
    emulator: Emulator, seeded: Seeded
) -> None:
    emulator.without = frozenset({"getChannelValues"})
    with NeptuneRegistry.open(PROJECT, token=emulator.api_token, origin="lab") as registry:
        snapshot = version_of(registry)
    assert [loss.field for loss in snapshot.losses] == ["samples"]
    assert len(read(snapshot)) > len(seeded.images)


def test_what_was_logged_to_the_project_itself_is_read_and_listed(
    registry: NeptuneRegistry,
) -> None:
    assert list(registry.ls(Selector())) == []
    with neptune.init_project(PROJECT) as project:
        project["general/brief"] = "what it is for"
        project["general/data"].upload(neptune.types.File.from_content(b"1,2", extension="csv"))
    (listing,) = registry.ls(Selector(kind="runs"))
    assert listing.address.name == "MOD"
    assert [ref.address for ref in registry.changes(Selector())] == [listing.address]
    snapshot = registry.read(listing.address)
    assert read(snapshot) == {"general/data.csv": b"1,2"}
    assert {one.path: one.value for one in fields(snapshot).values} == {
        "general/brief": "what it is for",
        "general/data": "",
    }
    assert snapshot.losses == ()


def test_a_server_that_does_not_give_what_was_logged_to_a_project_is_listed_as_such(
    emulator: Emulator, registry: NeptuneRegistry
) -> None:
    emulator.faults.append(Fault(operation="getExperimentAttributes", status=400))
    (listing,) = registry.ls(Selector())
    assert "what was logged to the project is not given" in listing.facts["broken"]


def test_changes_cost_pages_and_not_objects(emulator: Emulator, registry: NeptuneRegistry) -> None:
    project = emulator.store.project(PROJECT)
    for number in range(250):
        emulator.store.create(
            {"projectIdentifier": project.id, "type": "run", "customId": f"r{number}"}
        )
    emulator.log.clear()
    refs = list(registry.changes(Selector(kind="runs")))
    assert len({ref.address for ref in refs}) == 250
    assert len(emulator.log) <= 250 / 100 + 4


def test_a_table_longer_than_offsets_reach_is_read_to_its_end(
    emulator: Emulator, registry: NeptuneRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = emulator.store.project(PROJECT)
    for _ in range(250):
        emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    monkeypatch.setattr(table, "_FARTHEST", 100)
    assert len({one.address for one in registry.ls(Selector(kind="runs"))}) == 250


@pytest.mark.usefixtures("seeded")
def test_a_server_that_gives_fewer_objects_than_it_tells_of_is_said(
    emulator: Emulator, registry: NeptuneRegistry
) -> None:
    answer = emulator.service.answers["searchLeaderboardEntries"]
    emulator.service.answers["searchLeaderboardEntries"] = lambda asked: {
        **answer(asked),
        "matchingItemCount": 2,
    }
    with pytest.raises(RemoteError, match="tells of 2 objects in lab/models and gives 1"):
        list(registry.ls(Selector(kind="runs")))


def test_a_mark_changes_with_what_it_marks(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded
) -> None:
    (before,) = registry.changes(Selector(kind="models"))
    assert list(registry.changes(Selector(kind="models"))) == [before]
    stored = emulator.store.object(f"{PROJECT}/{seeded.version}")
    stored.attributes["sys/tags"].value.add("new")
    (labelled,) = registry.changes(Selector(kind="models"))
    assert (labelled.content_mark, labelled.state_mark != before.state_mark) == (
        before.content_mark,
        True,
    )
    stored.attributes["sys/modification_time"].value = "2030-01-01T00:00:00.000Z"
    (changed,) = registry.changes(Selector(kind="models"))
    assert changed.content_mark != before.content_mark


def test_what_is_odd_of_an_object_is_a_loss_and_all_else_is_read(
    emulator: Emulator, registry: NeptuneRegistry
) -> None:
    project = emulator.store.project(PROJECT)
    run = emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    run.attributes |= {
        "good": Attribute("int", 1),
        "text": Attribute("string", "\ud800x"),
        "name\ud800": Attribute("int", 1),
        "when": Attribute("datetime", "yesterday"),
        "late": Attribute(
            "floatSeries",
            points=[
                Point(0.0, 1, 1.0),
                Point(1.0, 1 << 70, 1.0),
                Point(2.0, 1, None),
                Point(1e300, 1, 1.0),
                Point(4.0, 1, 5.0),
            ],
        ),
        "said": Attribute("stringSeries", points=[Point(0.0, 1, "\ud800"), Point(1.0, 1, "b")]),
        "seen": Attribute("imageSeries", points=[Point(0.0, 1 << 70, b"an image")]),
        "file": Attribute("file", value=b"", ext="x"),
    }
    whole = emulator.service.answers["getExperimentAttributes"]

    def without_size(asked: Asked) -> Json:
        answer = whole(asked)
        for one in answer["attributes"]:
            one.get("fileProperties", {}).pop("size", None)
        return answer

    emulator.service.answers["getExperimentAttributes"] = without_size
    snapshot = registry.read(Address(origin="lab", kind="runs", name=run.sys_id))
    lost = {"text", r"'name\ud800'", "when", "late", "said", "seen", "file"}
    assert {loss.field for loss in snapshot.losses} == lost
    assert encode(snapshot.records)
    assert "good" in {one.path for one in fields(snapshot).values}
    held = read(snapshot)
    assert [column.tolist() for column in decode_columns(held["late"])] == [[0, 4], [1, 1], [1, 5]]
    assert held["said.jsonl"] == b'{"step":"1","time":1,"value":"b"}\n'
    assert held["seen/0.octetstream"] == b"an image"


@pytest.mark.usefixtures("seeded")
def test_an_answer_that_is_none_is_one_sentence(emulator: Emulator) -> None:
    answers = dict(emulator.service.answers)
    odd: list[Json] = [[], None, "?", {"entries": [{}], "attributes": [{}]}]
    for operation in ("getExperimentAttributes", "searchLeaderboardEntries", "getProject"):
        for answer in odd:
            emulator.service.answers = answers | {operation: lambda _, it=answer: it}
            with (
                NeptuneRegistry.open(PROJECT, token=emulator.api_token, origin="lab") as registry,
                pytest.raises(RemoteError, match=f"answers to {operation} with what its interf"),
            ):
                version_of(registry)


@pytest.mark.parametrize("operation", ["getClientConfig", "exchangeApiToken"])
def test_an_answer_that_the_client_does_not_understand_is_one_sentence(
    operation: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = _Handler._answer  # noqa: SLF001

    def odd(
        self: _Handler, asked: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> Json:
        return {"odd": 1} if asked == operation else answer(self, asked, path, query, body)

    monkeypatch.setattr(_Handler, "_answer", odd)
    with pytest.raises(RemoteError, match="what its client does not understand"):
        NeptuneRegistry.open(PROJECT, token=emulator.api_token, origin="lab")


def test_an_empty_answer_is_no_loss_but_a_failure(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded
) -> None:
    emulator.service.answers["getStringSeriesValues"] = lambda _: {}
    with pytest.raises(RemoteError, match="answers to getStringSeriesValues with nothing"):
        version_of(registry)
    assert seeded.version


def test_a_series_that_the_server_answers_oddly_for_is_a_loss(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded
) -> None:
    for operation in ("getStringSeriesValues", "prepareForDownloadFileSetAttributeZip"):
        emulator.service.answers[operation] = lambda _: {"values": None}
    snapshot = version_of(registry)
    assert [loss.field for loss in snapshot.losses] == ["config", "log"]
    assert read(snapshot)["model/weights.bin"] == seeded.weights


def test_a_damaged_member_of_a_file_set_is_a_loss(
    emulator: Emulator,
    registry: NeptuneRegistry,
    seeded: Seeded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = emulator.service.zip

    def damaged(number: str) -> Bytes:
        answer = whole(number)
        return replace(answer, data=answer.data.replace(b"b: 2\n", b"b: 3\n"))

    monkeypatch.setattr(emulator.service, "zip", damaged)
    snapshot = version_of(registry)
    assert [loss.field for loss in snapshot.losses] == ["config/sub/b.yml"]
    assert read(snapshot)["config/.hidden"] == seeded.members[".hidden"]


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_file_set_leaves_nothing_open(registry: NeptuneRegistry, seeded: Seeded) -> None:
    assert read(version_of(registry))["config/.hidden"] == seeded.members[".hidden"]
    gc.collect()


def test_what_people_logged_beside_a_targets_notes_is_read(
    emulator: Emulator, registry: NeptuneRegistry
) -> None:
    project = emulator.store.project(PROJECT)
    run = emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    for name in ("origin", "content_id", "written/0", "why", "origins"):
        run.attributes[f"mlarchive/{name}"] = Attribute("string", "x")
    snapshot = registry.read(Address(origin="lab", kind="runs", name=run.sys_id))
    assert [one.path for one in fields(snapshot).values] == ["mlarchive/origins", "mlarchive/why"]


def test_a_long_series_is_read_to_its_last_point(
    emulator: Emulator, registry: NeptuneRegistry
) -> None:
    project = emulator.store.project(PROJECT)
    run = emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    points = [Point(float(n), 1_700_000_000_000 + n, n / 7) for n in range(100_000)]
    run.attributes["long"] = Attribute("floatSeries", points=points)
    snapshot = registry.read(Address(origin="lab", kind="runs", name=run.sys_id))
    (stream,) = snapshot.streams
    with stream.open() as source:
        steps, times, values = decode_columns(source.read())
    assert steps.tolist() == list(range(100_000))
    assert times.tolist() == [point.time for point in points]
    assert values.tolist() == [point.value for point in points]


def test_a_series_that_grows_while_it_is_read_is_what_it_was(
    emulator: Emulator, registry: NeptuneRegistry
) -> None:
    project = emulator.store.project(PROJECT)
    run = emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    points = [Point(float(n), 1, float(n)) for n in range(2500)]
    run.attributes["loss"] = Attribute("floatSeries", points=points)
    told = emulator.service.answers["getFloatSeriesValues"]

    def growing(asked: Asked) -> Json:
        points.append(Point(float(len(points)), 1, 0.0))
        return told(asked)

    emulator.service.answers["getFloatSeriesValues"] = growing
    snapshot = registry.read(Address(origin="lab", kind="runs", name=run.sys_id))
    steps, _, _ = decode_columns(read(snapshot)["loss"])
    assert steps.tolist() == list(range(2501))
    points[:] = points[:500]
    with pytest.raises(SourceChangedError):
        emulator.service.answers["getFloatSeriesValues"] = lambda asked: {
            **told(asked),
            "totalItemCount": 501,
        }
        registry.read(Address(origin="lab", kind="runs", name=run.sys_id))


def test_images_of_a_long_series_are_not_held_in_memory(
    emulator: Emulator, registry: NeptuneRegistry
) -> None:
    project = emulator.store.project(PROJECT)
    run = emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    data = [bytes([n]) * (4 << 20) for n in range(40)]
    run.attributes["seen"] = Attribute(
        "imageSeries", points=[Point(float(n), 1, one) for n, one in enumerate(data)]
    )
    address = Address(origin="lab", kind="runs", name=run.sys_id)
    registry.ls(Selector())
    tracemalloc.start()
    try:
        snapshot = registry.read(address)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 16 << 20
    assert list(read(snapshot).values()) == data


def test_a_temporary_folder_without_room_is_named(
    registry: NeptuneRegistry, seeded: Seeded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(MlarchiveError, match=f"in {tmp_path}/gone"):
        registry.read(Address(origin="lab", kind="models", name=seeded.model, version="1"))


def test_faults_on_the_way_cost_nothing(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded
) -> None:
    emulator.faults += [
        Fault(operation="searchLeaderboardEntries"),
        Fault(operation="searchLeaderboardEntries", at=2, status=429),
        Fault(operation="searchLeaderboardEntries", at=3, status=0),
        Fault(operation="getImageSeriesValue", status=0),
        Fault(operation="getExperimentAttributes"),
        Fault(operation="getFloatSeriesValues", status=0),
        Fault(operation="downloadAttribute", status=0),
        Fault(operation="downloadAttribute", at=2, status=502),
    ]
    assert read(version_of(registry))["model/weights.bin"] == seeded.weights
    assert emulator.faults == []


@pytest.mark.parametrize("status", [0, 503, 429])
def test_a_fault_while_it_is_opened_costs_nothing(status: int, emulator: Emulator) -> None:
    emulator.faults.append(Fault(operation="exchangeApiToken", status=status))
    with NeptuneRegistry.open(PROJECT, token=emulator.api_token, origin="lab") as registry:
        assert list(registry.ls(Selector())) == []
    assert emulator.faults == []


def test_a_file_set_may_take_the_server_a_while(
    emulator: Emulator, registry: NeptuneRegistry, seeded: Seeded
) -> None:
    emulator.service.zip_polls = 3
    assert read(version_of(registry))["config/.hidden"] == seeded.members[".hidden"]


def test_two_servers_are_read_in_one_process(registry: NeptuneRegistry, seeded: Seeded) -> None:
    with (
        running_emulator() as other,
        NeptuneRegistry.open(PROJECT, token=other.api_token, origin="other") as second,
    ):
        project = other.store.project(PROJECT)
        other.store.create({"projectIdentifier": project.id, "type": "model", "key": "OTHER"})
        here = {one.address.name for one in registry.ls(Selector(kind="registered-models"))}
        there = {one.address.name for one in second.ls(Selector(kind="registered-models"))}
    assert (here, there) == ({seeded.model}, {"MOD-OTHER"})


def test_all_projects_of_a_workspace_are_read_as_one(emulator: Emulator) -> None:
    for path, key in (("lab/second", "SEC"), ("lab/third", "THI"), ("other/fourth", "FOU")):
        project = emulator.store.add_project(path, key)
        emulator.store.create({"projectIdentifier": project.id, "type": "run"})
    with NeptuneRegistry.open("lab/*", token=emulator.api_token, origin="lab") as registry:
        assert {one.address.name for one in registry.ls(Selector())} == {"SEC-1", "THI-1"}
    with NeptuneRegistry.open("lab/t*", token=emulator.api_token, origin="lab") as registry:
        assert {one.address.name for one in registry.ls(Selector())} == {"THI-1"}


def test_reading_leaves_nothing_on_disk_and_stays_where_it_is(
    registry: NeptuneRegistry, seeded: Seeded, tmp_path: Path
) -> None:
    here = Path.cwd()
    before = sorted(tmp_path.rglob("*"))
    assert read(version_of(registry))["model/weights.bin"] == seeded.weights
    assert Path.cwd() == here
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_used_is_said(emulator: Emulator) -> None:
    token = {"NEPTUNE_API_TOKEN": emulator.api_token}
    with pytest.raises(NotFoundError, match="has no project lab/none"):
        list(_opened("neptune://lab/none", token))
    with pytest.raises(ConfigError, match="does not say which project"):
        _opened("neptune:", token)
    with pytest.raises(AccessError, match="no API token"):
        _opened("neptune://lab/models", {})
    with pytest.raises(AccessError, match="NEPTUNE_API_TOKEN is no API token"):
        _opened("neptune://lab/models", {"NEPTUNE_API_TOKEN": "nonsense"})
    assert _opened("neptune:", {**token, "NEPTUNE_PROJECT": PROJECT}) == []
    emulator.faults.append(Fault(operation="searchLeaderboardEntries", status=403))
    with pytest.raises(AccessError, match="does not let the user of the API token do that"):
        _opened("neptune://lab/models", token)


def test_a_server_that_is_gone_is_said_at_once() -> None:
    with running_emulator() as gone:
        token = gone.api_token
    with pytest.raises(UnavailableError, match="does not answer: nothing listens there"):
        _opened("neptune://lab/models", {"NEPTUNE_API_TOKEN": token})


def test_a_server_that_goes_while_it_is_read_is_told_from_one_that_fails_at_one_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("neptune.common.backends.utils.retries_timeout", 0.2)
    with (
        running_emulator() as emulator,
        variables(emulator.environment),
        NeptuneRegistry.open(PROJECT, token=emulator.api_token, origin="lab") as registry,
    ):
        project = emulator.store.project(PROJECT)
        emulator.store.create({"projectIdentifier": project.id, "type": "run"})
        (listing,) = registry.ls(Selector())
        emulator.faults.append(Fault(operation="getExperimentAttributes", status=500))
        with pytest.raises(RemoteError, match=r"answers 500 .*; it answers to other questions"):
            registry.read(listing.address)
        emulator.faults += [Fault(), Fault()]
        with pytest.raises(UnavailableError, match="answers 503"):
            registry.read(listing.address)
        assert emulator.faults == []


def test_a_password_in_the_address_is_never_told() -> None:
    address = "http://127.0.0.1:hunter2@127.0.0.1:1"
    said = json.dumps({"api_address": address, "api_url": address, "api_key": "key"})
    token = base64.b64encode(said.encode()).decode()
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:1 does not answer") as raised:
        _opened("neptune://lab/models", {"NEPTUNE_API_TOKEN": token})
    assert "hunter2" not in f"{raised.value.message} {raised.value.hint}"


def test_a_name_that_cannot_be_resolved_is_one_sentence() -> None:
    wanted = r"^http://lab does not answer: its name cannot be resolved; [^;?-]*$"
    with pytest.raises(UnavailableError, match=wanted), speaking("http://lab"):
        raise CannotResolveHostname("lab")


def _opened(locator: str, environment: dict[str, str]) -> list[str]:
    with open_source(parse(locator), environment=environment) as source:
        return [str(one.address) for one in source.ls(Selector())]


def test_a_file_without_extension_is_read(registry: NeptuneRegistry, seeded: Seeded) -> None:
    snapshot = version_of(registry)
    assert read(snapshot)["README"] == b"no extension"
    assert [s.entry.size for s in snapshot.streams if isinstance(s.entry, File)].count(-1) == 0
    assert seeded.version.endswith("-1")
