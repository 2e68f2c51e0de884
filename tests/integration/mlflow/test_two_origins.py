"""Two sources that have the same thing share it at a target."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from msgspec import structs

from mlarchive.errors import ConflictError
from mlarchive.records import (
    Address,
    EvaluationDataset,
    Experiment,
    ModelVersion,
    Native,
    Prompt,
    PromptVersion,
    RegisteredModel,
    Run,
    Scorer,
    Webhook,
)
from mlarchive.registries.base import Receipt, Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.snapshot import Snapshot
from tests.support.mlflow_packages import by_hand, file_stream, packed

pytestmark = pytest.mark.mlflow

MERGE = WritePolicy(labels="merge")


@pytest.fixture
def uri(tmp_path: Path, empty_database: Path) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
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


def version(origin: str, number: str = "1", **labels: Any) -> Snapshot:  # noqa: ANN401  (a record's fields)
    made = by_hand("wine", number, streams=[file_stream("run", "model/weights.txt", b"w")])
    records = tuple(
        structs.replace(one, **labels) if isinstance(one, ModelVersion) else one
        for one in made.records
    )
    address = structs.replace(made.address, origin=origin)
    return packed(replace(made, address=address, records=records)).snapshot()


def prompt(origin: str, **labels: Any) -> Snapshot:  # noqa: ANN401  (a record's fields)
    address = Address(origin=origin, kind="prompts", name="ask", version="1")
    records = (
        Prompt(key="prompt", name="ask"),
        PromptVersion(
            key="version", prompt="prompt", name="ask", version="1", template="Why?", **labels
        ),
    )
    made = Snapshot(address=address, subject="version", records=records, streams=())
    return packed(made).snapshot()


def alone(origin: str, **labels: Any) -> Snapshot:  # noqa: ANN401  (a record's fields)
    address = Address(origin=origin, kind="registered-models", name="wine")
    records = (RegisteredModel(key="model", name="wine", **labels),)
    made = Snapshot(address=address, subject="model", records=records, streams=())
    return packed(made).snapshot()


def dataset(origin: str, **labels: Any) -> Snapshot:  # noqa: ANN401  (a record's fields)
    address = Address(origin=origin, kind="evaluation-datasets", name=f"d-{origin}")
    record = EvaluationDataset(key="dataset", native=Native(id=f"d-{origin}"), name="qa", **labels)
    made = Snapshot(address=address, subject="dataset", records=(record,), streams=())
    return packed(made).snapshot()


def scorer(origin: str, **labels: Any) -> Snapshot:  # noqa: ANN401  (a record's fields)
    address = Address(origin=origin, kind="scorers", name="wine by hand/judge")
    serialised = json.dumps(
        {
            "name": "judge",
            "mlflow_version": "3.17.0",
            "serialization_version": 1,
            "builtin_scorer_class": "Safety",
            "builtin_scorer_pydantic_data": {"name": "safety"},
        }
    )
    records = (
        Experiment(key="experiment", native=Native(id="7"), name="wine by hand", **labels),
        Scorer(key="scorer", experiment="experiment", name="judge", versions={"1": serialised}),
    )
    made = Snapshot(address=address, subject="scorer", records=records, streams=())
    return packed(made).snapshot()


def run(origin: str, **labels: Any) -> Snapshot:  # noqa: ANN401  (a record's fields)
    """A run of a server that goes by another name, or of one that was restored from the first."""
    number = "5f" * 16
    address = Address(origin=origin, kind="runs", name=number)
    records = (
        Experiment(key="experiment", native=Native(id="7"), name="wine by hand"),
        Run(
            key="run",
            native=Native(id=number),
            experiment="experiment",
            name="by hand",
            status="FINISHED",
            start=5,
            end=6,
            **labels,
        ),
    )
    made = Snapshot(address=address, subject="run", records=records, streams=())
    return packed(made).snapshot()


def webhook(origin: str, *, tags: dict[str, str]) -> Snapshot:
    address = Address(origin=origin, kind="webhooks", name=f"hook-{origin}")
    record = Webhook(
        key="hook",
        name="tell",
        url="https://example.com/hook",
        events=("registered_model.created",),
        description=json.dumps(tags),
        status="DISABLED",
    )
    made = Snapshot(address=address, subject="hook", records=(record,), streams=())
    return packed(made).snapshot()


def is_held(clinic: MlflowRegistry, told: Snapshot) -> bool:
    """Whether a mirror of it has nothing to do."""
    held = clinic.holding(told.address, MERGE)
    return held is not None and (held.content_id, held.state_id) == (
        told.content_id,
        told.state_id,
    )


@pytest.mark.parametrize("made", [version, prompt, alone, dataset, scorer, webhook, run])
def test_each_of_two_sources_finds_what_it_gave_and_has_nothing_to_do(
    clinic: MlflowRegistry, made: Callable[..., Snapshot]
) -> None:
    lab, ward = made("lab", tags={"said by": "lab"}), made("ward", tags={"said by": "ward"})
    clinic.write(lab, MERGE)
    clinic.write(ward, MERGE)
    assert is_held(clinic, lab)
    assert is_held(clinic, ward)
    news = made("lab", tags={"said by": "lab again"})
    clinic.write(news, MERGE)
    assert is_held(clinic, news)
    assert is_held(clinic, ward)


def test_labels_follow_whoever_has_news_last_and_it_is_said_once(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    def said(receipt: Receipt) -> list[str]:
        return [one.why for one in receipt.transformations if one.field == "origin"]

    assert said(clinic.write(version("lab", tags={"by": "lab"}), MERGE)) == []
    told = version("ward", tags={"by": "ward"})
    assert said(clinic.write(told, MERGE)) == [
        "it came from lab#models/wine/1 before, which is kept"
    ]
    assert people.get_model_version("wine", "1").tags["by"] == "ward"
    again = clinic.write(told, MERGE)
    assert again.idle
    assert said(again) == []
    clinic.write(version("lab", tags={"by": "lab again"}), MERGE)
    assert people.get_model_version("wine", "1").tags["by"] == "lab again"


@pytest.mark.parametrize("made", [version, prompt, dataset, run])
def test_it_is_mirrored_back_to_neither(
    clinic: MlflowRegistry, made: Callable[..., Snapshot]
) -> None:
    for origin in ("lab", "ward"):
        clinic.write(made(origin), MERGE)
    (ref,) = clinic.changes(Selector(kind=made("lab").address.kind))
    assert {ref.origin.partition("#")[0], *ref.through} == {"lab", "ward"}


def test_an_alias_of_two_sources_comes_to_rest(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    lab, ward = version("lab", "1", aliases=("best",)), version("ward", "2", aliases=("best",))
    clinic.write(lab, MERGE)
    clinic.write(ward, MERGE)
    assert str(people.get_model_version_by_alias("wine", "best").version) == "2"
    assert is_held(clinic, lab)
    assert is_held(clinic, ward)


def test_what_is_gone_from_one_source_stays_for_the_other(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    lab, ward = version("lab"), version("ward")
    for told in (lab, ward):
        clinic.write(told, MERGE)
    clinic.delete(ward.address, MERGE)
    assert clinic.holding(ward.address, MERGE) is None
    assert is_held(clinic, lab)
    clinic.delete(lab.address, MERGE)
    assert people.search_model_versions("name = 'wine'") == []


def test_a_run_is_one_by_its_id_alone_where_mlflow_gave_it(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    for origin in ("lab", "ward", "lab"):
        clinic.write(run(origin, tags={"by": origin}), MERGE)
    (found,) = people.search_runs(["1"])
    assert found.data.tags["by"] == "lab"
    assert found.data.tags["mlarchive.origin"] == f"lab#runs/{'5f' * 16}"
    assert clinic.write(run("lab", tags={"by": "lab"}), MERGE).idle

    for origin in ("lab", "ward"):
        told = run(origin)
        records = [
            structs.replace(one, native=Native(id="RUN-12")) if isinstance(one, Run) else one
            for one in told.records
        ]
        address = structs.replace(told.address, name="RUN-12")
        made = packed(replace(told, address=address, records=tuple(records)))
        clinic.write(made.snapshot(), MERGE)
    assert len(people.search_runs(["1"])) == 3


def test_a_version_whose_run_went_on_is_known_by_the_run_under_another_name(
    clinic: MlflowRegistry, people: MlflowClient
) -> None:
    def grown(origin: str, run_id: str, **params: str) -> Snapshot:
        told = version(origin)
        records = tuple(
            structs.replace(one, native=Native(id=run_id), params=params)
            if isinstance(one, Run)
            else one
            for one in told.records
        )
        return packed(replace(told, records=records)).snapshot()

    clinic.write(grown("lab", "5f" * 16), MERGE)
    clinic.write(grown("ward", "5f" * 16, rate="0.1"), MERGE)
    (found,) = people.search_model_versions("name = 'wine'")
    assert people.get_run(found.run_id or "").data.params == {"rate": "0.1"}
    assert clinic.write(grown("ward", "5f" * 16, rate="0.1"), MERGE).idle
    for number in ("1", "2"):
        other = grown("mine", "5e" * 16, size=number)
        with pytest.raises(ConflictError, match="something else"):
            clinic.write(other, MERGE)
