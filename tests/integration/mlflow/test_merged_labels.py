"""Where labels are merged, people at a target keep theirs, and the source's follow the source."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from msgspec import structs

from mlarchive.errors import ConflictError
from mlarchive.records import Address, LoggedModel, ModelVersion, Native, RegisteredModel
from mlarchive.registries.base import Receipt, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, marks
from mlarchive.snapshot import Snapshot
from tests.support.mlflow_packages import by_hand, file_stream, packed, series_stream

pytestmark = pytest.mark.mlflow

MERGE = WritePolicy(labels="merge")


@pytest.fixture
def uri(tmp_path: Path, empty_database: Path) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    origin = {marks.ORIGIN: "elsewhere#experiments/of-wine"}
    place = (tmp_path / "runs").as_uri()
    MlflowClient(uri, uri).create_experiment("wine by hand", place, tags=origin)
    return uri


@pytest.fixture
def clinic(uri: str) -> Iterator[MlflowRegistry]:
    with MlflowRegistry.open(uri, origin="clinic") as registry:
        yield registry


@pytest.fixture
def people(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


def wine(  # noqa: PLR0913  (what a test wants of it)
    version: str = "1",
    *,
    aliases: tuple[str, ...] = (),
    description: str = "",
    tags: dict[str, str] | None = None,
    model: dict[str, Any] | None = None,
    notes: bytes = b"",
) -> Snapshot:
    beside = [file_stream("run", "notes.txt", notes)] if notes else []
    streams = [file_stream("run", "model/weights.txt", b"w"), *beside]
    made = by_hand("wine", version, streams=streams)
    labels = {"aliases": aliases, "description": description, "tags": tags or {}}
    changed: dict[type, dict[str, Any]] = {ModelVersion: labels, RegisteredModel: model or {}}
    records = tuple(structs.replace(one, **changed.get(type(one), {})) for one in made.records)
    return packed(replace(made, records=records)).snapshot()


def test_labels_that_stay_beside_a_run_that_contradicts_are_named(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    clinic.write(wine(tags={"k": "1", "free": "1"}, notes=b"first"), MERGE)
    people.set_model_version_tag("wine", "1", "k", "theirs")
    with pytest.raises(ConflictError, match="has other bytes") as caught:
        clinic.write(wine(tags={"k": "3", "free": "3"}, notes=b"other"), MERGE)
    there = people.get_model_version("wine", "1").tags
    assert (there["k"], there["free"]) == ("theirs", "3")
    assert "as the source says, but for" in caught.value.message
    assert "k of " in caught.value.message
    assert "all the same" not in caught.value.message


def test_what_people_added_or_changed_stays_and_the_rest_follows_the_source(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    first = {"ours": "1", "goes": "1", "meddled": "1", "twice": "1", "taken": "1", "away": "1"}
    model = {"description": "Red.", "tags": {"family": "red"}}
    clinic.write(wine(tags=first, description="first", aliases=("best",), model=model), MERGE)
    for tag, value in {"theirs": "x", "meddled": "theirs", "twice": "theirs"}.items():
        people.set_model_version_tag("wine", "1", tag, value)
    people.delete_model_version_tag("wine", "1", "taken")
    people.delete_model_version_tag("wine", "1", "away")
    people.update_model_version("wine", "1", "what people say")
    people.set_registered_model_alias("wine", "live", "1")
    people.set_registered_model_tag("wine", "owner", "them")
    people.update_registered_model("wine", "their words")

    second = {"ours": "2", "meddled": "1", "twice": "2", "taken": "1", "away": "2", "new": "1"}
    told = wine(tags=second, description="first", aliases=("good",), model=model)
    receipt = clinic.write(told, MERGE)
    held = people.get_model_version("wine", "1")
    tags = {tag: value for tag, value in held.tags.items() if not tag.startswith("mlarchive.")}
    assert tags == {"ours": "2", "theirs": "x", "meddled": "theirs", "twice": "theirs", "new": "1"}
    assert held.description == "what people say"
    assert sorted(held.aliases) == ["good", "live"]
    registered = people.get_registered_model("wine")
    assert registered.description == "their words"
    assert {t: registered.tags[t] for t in ("owner", "family")} == {
        "owner": "them",
        "family": "red",
    }
    assert [loss.field for loss in receipt.losses] == ["tag away", "tag twice"]
    assert clinic.write(told, MERGE).idle
    address = told.address
    assert clinic.touched(address, MERGE) == (
        "tag 'meddled', tag 'theirs', tag 'twice', alias 'live', a description"
    )
    people.transition_model_version_stage("wine", "1", "Staging")
    assert clinic.touched(address, MERGE).endswith(", a description, stage 'Staging'")

    clinic.write(told, WritePolicy())
    assert clinic.touched(address, MERGE) == ""
    assert people.get_model_version("wine", "1").description == "first"


def test_an_alias_follows_the_source_until_people_move_it(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    def holder() -> str:
        return str(people.get_model_version_by_alias("wine", "best").version)

    def say(best: str) -> list[Receipt]:
        told = [wine(v, aliases=("best",) if v == best else ()) for v in ("1", "2")]
        return [clinic.write(one, MERGE) for one in told]

    for best in ("1", "2", "1", "2"):
        say(best)
        assert holder() == best
    people.set_registered_model_alias("wine", "best", "1")
    receipts = say("2")
    assert holder() == "1"
    assert [r.losses for r in receipts] == [(), ()]
    people.set_registered_model_alias("wine", "best", "2")
    say("1")
    assert holder() == "1"
    people.delete_registered_model_alias("wine", "best")
    say("1")
    assert people.get_model_version("wine", "1").aliases == []
    # A mirror writes the one that gets an alias first.
    taker = clinic.write(wine("2", aliases=("best",)), MERGE)
    assert [loss.field for loss in taker.losses] == ["alias best"]
    assert say("2")[1].idle
    assert people.get_registered_model("wine").aliases == {}
    say("nobody")
    clinic.write(wine("3", aliases=("best",)), MERGE)
    assert holder() == "3"
    assert clinic.touched(wine("2").address, MERGE) == ""


_WRITES = (
    "set_model_version_tag",
    "delete_model_version_tag",
    "update_model_version",
    "set_registered_model_alias",
    "delete_registered_model_alias",
)
"""What a store does to the labels of a version."""


def _cut_off(
    monkeypatch: pytest.MonkeyPatch, store: type, methods: tuple[str, ...], after: int
) -> None:
    """Interrupt the one who calls a store's methods once more than so often."""
    done = 0

    def cut(name: str) -> None:
        real = getattr(store, name)

        def call(*arguments: object, **named: object) -> object:
            nonlocal done
            done += 1
            if done > after:
                raise KeyboardInterrupt
            return real(*arguments, **named)

        monkeypatch.setattr(store, name, call)

    for name in methods:
        cut(name)


@pytest.mark.parametrize("after", range(1, 8))
def test_what_an_interrupted_write_left_is_nobodys_change(
    clinic: MlflowRegistry, people: MlflowClient, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The source goes back to what it said before; a write of the other was cut off in between."""
    old = wine(tags={"a": "1", "b": "1"}, aliases=("best",), description="old")
    new = wine(tags={"a": "2", "c": "2"}, aliases=("good",), description="new")
    clinic.write(old, MERGE)
    _cut_off(
        monkeypatch,
        SqlAlchemyStore,
        _WRITES,
        after,
    )
    with pytest.raises(KeyboardInterrupt):
        clinic.write(new, MERGE)
    monkeypatch.undo()
    clinic.write(old, MERGE)
    held = people.get_model_version("wine", "1")
    tags = {tag: value for tag, value in held.tags.items() if not tag.startswith("mlarchive.")}
    assert (tags, held.description, held.aliases) == ({"a": "1", "b": "1"}, "old", ["best"])
    assert clinic.touched(old.address, MERGE) == ""


@pytest.mark.parametrize("after", range(1, 5))
def test_an_alias_that_was_on_its_way_when_a_write_was_cut_off_comes_back(
    clinic: MlflowRegistry, people: MlflowClient, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    clinic.write(wine("1"), MERGE)
    clinic.write(wine("2", aliases=("best",)), MERGE)
    _cut_off(monkeypatch, SqlAlchemyStore, _WRITES, after)
    with pytest.raises(KeyboardInterrupt):
        clinic.write(wine("1", aliases=("best",)), MERGE)
    monkeypatch.undo()
    for snapshot in (wine("1"), wine("2", aliases=("best",))):
        assert clinic.write(snapshot, MERGE).losses == ()
    assert {
        alias: str(of) for alias, of in people.get_registered_model("wine").aliases.items()
    } == {"best": "2"}


_NOTE = "mlflow.note.content"


def brewed(
    labels: dict[str, str], *, name: str = "by hand", loss: tuple[float, ...] = (1.0,)
) -> Snapshot:
    """A run by itself; its logged model and its experiment have the same labels."""
    experiment, run = by_hand("wine").records[1:3]
    records = (
        structs.replace(experiment, tags=labels),
        structs.replace(run, tags=labels, name=name),
        LoggedModel(
            key="brew",
            native=Native(id="brew"),
            name="brew",
            run="run",
            status="READY",
            tags=labels,
        ),
    )
    address = Address(origin="elsewhere", kind="runs", name=run.native.id)
    streams = (series_stream("run", "loss", loss), file_stream("brew", "model.bin", b"brew"))
    made = Snapshot(address=address, subject="run", records=records, streams=streams)
    return packed(made).snapshot()


class Brewed:
    """What is at the target of `brewed`."""

    def __init__(self, people: MlflowClient, run_id: str) -> None:
        self.people = people
        self.run_id = run_id
        run = people.get_run(run_id)
        assert run.outputs
        self.experiment_id = run.info.experiment_id
        self.model_id = run.outputs.model_outputs[0].model_id

    def label(self, tags: dict[str, str]) -> None:
        for tag, value in tags.items():
            self.people.set_tag(self.run_id, tag, value)
            self.people.set_experiment_tag(self.experiment_id, tag, value)
        self.people.set_logged_model_tags(self.model_id, tags)

    def labels(self) -> list[dict[str, str]]:
        every = (
            self.people.get_run(self.run_id).data.tags,
            self.people.get_logged_model(self.model_id).tags,
            self.people.get_experiment(self.experiment_id).tags,
        )
        ours = ("mlarchive.", "mlflow.runName", "mlflow.user", "mlflow.experiment")
        return [{n: v for n, v in tags.items() if not n.startswith(ours)} for tags in every]


@pytest.mark.parametrize("loss", [(1.0,), (1.0, 0.5)], ids=["relabelled", "grown"])
def test_what_people_changed_on_a_run_its_logged_model_and_its_experiment_stays(
    clinic: MlflowRegistry, people: MlflowClient, loss: tuple[float, ...]
) -> None:
    first = {"ours": "1", "goes": "1", "meddled": "1", "twice": "1", "taken": "1", _NOTE: "first"}
    there = Brewed(people, clinic.write(brewed(first), MERGE).target.name)
    theirs = {"theirs": "x", "meddled": "theirs", "twice": "theirs", _NOTE: "what people say"}
    there.label(theirs)
    people.delete_tag(there.run_id, "taken")
    people.update_run(there.run_id, name="what people call it")

    second = {"ours": "2", "meddled": "1", "twice": "2", "new": "1", "taken": "1", _NOTE: "first"}
    told = brewed(second, loss=loss)
    receipt = clinic.write(told, MERGE)
    expected = {**theirs, "ours": "2", "new": "1"}
    assert there.labels() == [expected, {**expected, "taken": "1"}, {**expected, "taken": "1"}]
    assert people.get_run(there.run_id).info.run_name == "what people call it"
    assert len(people.get_metric_history(there.run_id, "loss")) == len(loss)
    assert {one.field for one in receipt.losses} == {"tag twice"}
    assert len(receipt.losses) == 3
    assert clinic.write(told, MERGE).idle

    clinic.write(told, WritePolicy())
    assert there.labels() == [second] * 3
    assert people.get_run(there.run_id).info.run_name == "by hand"


def test_a_run_that_grew_and_lost_a_label_at_its_source_loses_it_at_once(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    there = Brewed(people, clinic.write(brewed({"a": "1", "b": "1"}), WritePolicy()).target.name)
    grown = brewed({"b": "2"}, name="renamed", loss=(1.0, 0.5))
    clinic.write(grown, WritePolicy())
    assert there.labels() == [{"b": "2"}] * 3
    assert people.get_run(there.run_id).info.run_name == "renamed"


@pytest.mark.parametrize("after", range(1, 9))
def test_what_an_interrupted_write_of_a_run_left_is_nobodys_change(
    clinic: MlflowRegistry, people: MlflowClient, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    old, new = brewed({"a": "1", "b": "1"}), brewed({"a": "2", "c": "2"}, name="renamed")
    there = Brewed(people, clinic.write(old, MERGE).target.name)
    _cut_off(
        monkeypatch,
        TrackingStore,
        (
            "log_batch",
            "set_tag",
            "delete_tag",
            "update_run_info",
            "set_experiment_tag",
            "delete_experiment_tag",
            "set_logged_model_tags",
            "delete_logged_model_tag",
        ),
        after,
    )
    with pytest.raises(KeyboardInterrupt):
        clinic.write(new, MERGE)
    monkeypatch.undo()
    clinic.write(old, MERGE)
    assert there.labels() == [{"a": "1", "b": "1"}] * 3
    assert people.get_run(there.run_id).info.run_name == "by hand"


def test_labels_too_many_to_be_remembered_follow_the_source(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    clinic.write(wine(tags={"a": "1"}), MERGE)
    many = {f"tag-{number:03}": "1" for number in range(400)}
    clinic.write(wine(tags={"a": "2", **many}), MERGE)
    clinic.write(wine(tags={"a": "3", **many}), MERGE)
    assert people.get_model_version("wine", "1").tags["a"] == "3"
