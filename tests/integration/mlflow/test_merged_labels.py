"""Where labels are merged, people at a target keep theirs, and the source's follow the source."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from msgspec import structs

from mlarchive.records import ModelVersion, RegisteredModel
from mlarchive.registries.base import Receipt, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.snapshot import Snapshot
from tests.support.mlflow_packages import by_hand, file_stream, packed

pytestmark = pytest.mark.mlflow

MERGE = WritePolicy(labels="merge")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    MlflowClient(uri, uri).create_experiment("wine by hand", (tmp_path / "runs").as_uri())
    return uri


@pytest.fixture
def clinic(uri: str) -> Iterator[MlflowRegistry]:
    with MlflowRegistry.open(uri, origin="clinic") as registry:
        yield registry


@pytest.fixture
def people(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


def wine(
    version: str = "1",
    *,
    aliases: tuple[str, ...] = (),
    description: str = "",
    tags: dict[str, str] | None = None,
    model: dict[str, Any] | None = None,
) -> Snapshot:
    made = by_hand("wine", version, streams=[file_stream("run", "model/weights.txt", b"w")])
    labels = {"aliases": aliases, "description": description, "tags": tags or {}}
    changed: dict[type, dict[str, Any]] = {ModelVersion: labels, RegisteredModel: model or {}}
    records = tuple(structs.replace(one, **changed.get(type(one), {})) for one in made.records)
    return packed(replace(made, records=records)).snapshot()


def test_what_people_added_or_changed_stays_and_the_rest_follows_the_source(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    first = {"ours": "1", "goes": "1", "meddled": "1", "twice": "1", "taken": "1"}
    model = {"description": "Red.", "tags": {"family": "red"}}
    clinic.write(wine(tags=first, description="first", aliases=("best",), model=model), MERGE)
    for tag, value in {"theirs": "x", "meddled": "theirs", "twice": "theirs"}.items():
        people.set_model_version_tag("wine", "1", tag, value)
    people.delete_model_version_tag("wine", "1", "taken")
    people.update_model_version("wine", "1", "what people say")
    people.set_registered_model_alias("wine", "live", "1")
    people.set_registered_model_tag("wine", "owner", "them")
    people.update_registered_model("wine", "their words")

    second = {"ours": "2", "meddled": "1", "twice": "2", "taken": "1", "new": "1"}
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
    assert [loss.field for loss in receipt.losses] == ["tag twice"]
    assert clinic.write(told, MERGE).idle
    address = told.address
    assert clinic.touched(address, MERGE) == (
        "tag 'meddled', tag 'theirs', tag 'twice', alias 'live', a description"
    )

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
    assert clinic.touched(wine("2").address, MERGE) == ""


@pytest.mark.parametrize("after", range(1, 8))
def test_what_an_interrupted_write_left_is_nobodys_change(
    clinic: MlflowRegistry, people: MlflowClient, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The source goes back to what it said before; a write of the other was cut off in between."""
    old = wine(tags={"a": "1", "b": "1"}, aliases=("best",), description="old")
    new = wine(tags={"a": "2", "c": "2"}, aliases=("good",), description="new")
    clinic.write(old, MERGE)
    done = 0

    def cut(name: str) -> None:
        real = getattr(SqlAlchemyStore, name)

        def call(*arguments: object, **named: object) -> object:
            nonlocal done
            done += 1
            if done > after:
                raise KeyboardInterrupt
            return real(*arguments, **named)

        monkeypatch.setattr(SqlAlchemyStore, name, call)

    for name in (
        "set_model_version_tag",
        "delete_model_version_tag",
        "update_model_version",
        "set_registered_model_alias",
        "delete_registered_model_alias",
    ):
        cut(name)
    with pytest.raises(KeyboardInterrupt):
        clinic.write(new, MERGE)
    monkeypatch.undo()
    clinic.write(old, MERGE)
    held = people.get_model_version("wine", "1")
    tags = {tag: value for tag, value in held.tags.items() if not tag.startswith("mlarchive.")}
    assert (tags, held.description, held.aliases) == ({"a": "1", "b": "1"}, "old", ["best"])
    assert clinic.touched(old.address, MERGE) == ""
