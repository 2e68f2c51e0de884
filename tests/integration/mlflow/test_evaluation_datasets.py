"""Evaluation datasets over real servers: all records, as they are, once."""

import json
import math
from typing import Any, Literal

import pytest
from mlflow import MlflowClient
from mlflow.entities import EvaluationDataset as MlflowDataset
from mlflow.store.tracking.rest_store import RestStore

from mlarchive.errors import ConflictError
from mlarchive.package import Package
from mlarchive.records import Address, EvaluationDataset
from mlarchive.registries.base import Receipt, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, evaluationdatasets, marks
from mlarchive.registries.selecting import parse_object
from tests.support.mlflow_packages import packed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

PRESERVE = WritePolicy()
ODD: list[dict[str, Any]] = [
    {"inputs": {"q": "plain"}, "outputs": None, "expectations": None},
    {"inputs": {"q": 'Zoë\'s "plan"\n\u2028 \ud800'}, "expectations": {}, "outputs": {}},
    {"inputs": {"q": 1}, "outputs": "a text", "expectations": {"answer": [1, 1.0, True, None]}},
    {"inputs": {"q": 1.5e300, "deep": {"b": [{}], "a": -0.0}}, "outputs": [math.inf]},
    {"inputs": {"q": 2**70}, "outputs": 0, "tags": {"split": "hard"}},
    {
        "inputs": {"q": "traced"},
        "outputs": None,
        "source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}},
    },
    {
        "inputs": {"q": "by a person"},
        "outputs": None,
        "expectations": {"answer": "ja"},
        "source": {"source_type": "HUMAN", "source_data": {}},
        "tags": {"mlflow.user": "ada"},
    },
]


def store_of(server: MlflowServer) -> RestStore:
    store = MlflowClient(server.uri, server.uri)._tracking_client.store  # noqa: SLF001  (has no face)
    assert isinstance(store, RestStore)
    return store


@pytest.fixture
def here(source_server: MlflowServer) -> RestStore:
    return store_of(source_server)


@pytest.fixture
def there(target_server: MlflowServer) -> RestStore:
    return store_of(target_server)


def seeded(store: RestStore, name: str, records: list[dict[str, Any]] = ODD) -> str:
    """A dataset in an experiment of its own."""
    experiment = store.create_experiment(f"{name} experiment", None, None)
    dataset = store.create_dataset(name, tags={"team": "cellar"}, experiment_ids=[experiment])
    store.upsert_dataset_records(dataset.dataset_id, records)
    return str(dataset.dataset_id)


def package_of(registry: MlflowRegistry, name: str) -> Package:
    (listing,) = registry.ls(parse_object(f"evaluation-datasets/{name}"))
    return packed(registry.read(listing.address))


def lines(package: Package) -> list[dict[str, Any]]:
    (stream,) = package.snapshot().streams
    with stream.open() as source:
        return [json.loads(line) for line in source]


def ids(package: Package) -> tuple[str, str]:
    return package.content_id, package.state_id


def record_of(package: Package) -> EvaluationDataset:
    (record,) = package.meaning.records
    assert isinstance(record, EvaluationDataset)
    return record


def dataset_named(store: RestStore, name: str) -> list[MlflowDataset]:
    return [d for d in store.search_datasets() if d.name == name]


def test_a_round_trip_keeps_every_record(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, there: RestStore
) -> None:
    seeded(here, "golden")
    package = package_of(lab, "golden")
    receipt = clinic.write(package.snapshot(), PRESERVE)
    back = package_of(clinic, "golden")
    (dataset,) = dataset_named(there, "golden")

    assert receipt.losses == ()
    assert receipt.target == Address(
        origin="clinic", kind="evaluation-datasets", name=dataset.dataset_id
    )
    assert ids(back) == ids(package)
    assert record_of(package).records == len(ODD)
    assert record_of(package).experiments == ("golden experiment",)
    assert record_of(package).tags == {"team": "cellar"}
    assert {json.dumps(line["inputs"], sort_keys=True) for line in lines(package)} == {
        json.dumps(record["inputs"], sort_keys=True) for record in ODD
    }
    assert clinic.write(package.snapshot(), PRESERVE).idle
    holding = clinic.holding(package.meaning.address, PRESERVE)
    assert holding is not None
    assert (holding.content_id, holding.state_id) == ids(package)


def test_the_order_of_answers_and_the_size_of_pages_change_nothing(
    lab: MlflowRegistry, here: RestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded(here, "forwards")
    seeded(here, "backwards", ODD[::-1])
    monkeypatch.setattr(evaluationdatasets, "_PAGE", 2)
    one, other = package_of(lab, "forwards"), package_of(lab, "backwards")

    assert one.content_id == other.content_id
    facts = json.loads(record_of(one).native.also["records"])
    assert len({fact[0] for fact in facts}) == len(ODD)


def test_what_changes_at_the_source_changes_at_the_target(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, there: RestStore
) -> None:
    dataset_id = seeded(here, "moving")
    (before,) = lab.changes(parse_object("evaluation-datasets/moving"))
    clinic.write(package_of(lab, "moving").snapshot(), PRESERVE)
    records, _ = here._load_dataset_records(dataset_id)  # noqa: SLF001  (mlflow's own way)
    here.delete_dataset_records(dataset_id, [records[0].dataset_record_id])
    here.upsert_dataset_records(dataset_id, [{"inputs": {"q": "new"}}, ODD[2] | {"outputs": "b"}])
    here.set_dataset_tags(dataset_id, {"team": "attic"})
    (after,) = lab.changes(parse_object("evaluation-datasets/moving"))
    package = package_of(lab, "moving")
    receipt = clinic.write(package.snapshot(), PRESERVE)

    assert before.content_mark != after.content_mark
    assert before.state_mark != after.state_mark
    assert receipt.losses == ()
    assert 0 < receipt.bytes < 200
    assert ids(package_of(clinic, "moving")) == ids(package)
    assert len(dataset_named(there, "moving")) == 1


def test_records_changed_at_the_target_are_a_conflict(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, there: RestStore
) -> None:
    seeded(here, "edited")
    snapshot = package_of(lab, "edited").snapshot()
    clinic.write(snapshot, PRESERVE)
    (dataset,) = dataset_named(there, "edited")
    there.upsert_dataset_records(dataset.dataset_id, [{"inputs": {"q": "added here"}}])

    with pytest.raises(ConflictError, match="'edited' were changed at the target"):
        clinic.write(snapshot, PRESERVE)
    assert clinic.write(snapshot, WritePolicy(conflict="skip")).idle
    second = clinic.write(snapshot, WritePolicy(conflict="new-version"))
    assert second.target.name != dataset.dataset_id
    assert len(dataset_named(there, "edited")) == 2


def test_several_of_one_name_come_as_several_even_if_they_hold_the_same(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore
) -> None:
    seeded(here, "twins", ODD[:1])
    for records in (ODD[:1], ODD[1:2]):
        dataset = here.create_dataset("twins", tags={"team": "cellar"})
        here.upsert_dataset_records(dataset.dataset_id, records)
    read = [
        packed(lab.read(one.address)) for one in lab.ls(parse_object("evaluation-datasets/twins"))
    ]
    for package in read:
        assert clinic.write(package.snapshot(), PRESERVE).actions[0].verb == "create"
    for package in read:
        assert clinic.write(package.snapshot(), PRESERVE).idle
    held = [
        packed(clinic.read(one.address))
        for one in clinic.ls(parse_object("evaluation-datasets/twins"))
    ]
    assert sorted(one.content_id for one in held) == sorted(one.content_id for one in read)
    assert len(held) == 3


def test_another_dataset_of_that_name_is_left_alone(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, there: RestStore
) -> None:
    seeded(here, "taken")
    there.create_dataset("taken", tags={"mine": "yes"})

    with pytest.raises(ConflictError, match="'taken' at the target is another evaluation dataset"):
        clinic.write(package_of(lab, "taken").snapshot(), PRESERVE)
    (left,) = dataset_named(there, "taken")
    assert left.tags == {"mine": "yes"}


@pytest.fixture
def half(lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, there: RestStore) -> Package:
    """A package whose write ended after a few records."""
    seeded(here, "half")
    package = package_of(lab, "half")
    origin = marks.origin_mark(package.meaning.address)
    dataset = there.create_dataset("half", tags={marks.ORIGIN: origin})
    there.upsert_dataset_records(dataset.dataset_id, [*ODD[:2], {"inputs": {"q": "not ours"}}])
    assert clinic.holding(package.meaning.address, PRESERVE) is None
    return package


def test_an_interrupted_write_is_finished(
    half: Package, clinic: MlflowRegistry, there: RestStore
) -> None:
    clinic.write(half.snapshot(), PRESERVE)

    assert ids(package_of(clinic, "half")) == ids(half)
    assert len(dataset_named(there, "half")) == 1


def test_a_dataset_without_records_is_one(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore
) -> None:
    here.create_dataset("empty")
    package = package_of(lab, "empty")
    clinic.write(package.snapshot(), PRESERVE)

    assert record_of(package).files == ()
    assert ids(package_of(clinic, "empty")) == ids(package)
    assert clinic.write(package.snapshot(), PRESERVE).idle


@pytest.mark.parametrize("conflict", ["fail", "new-version"])
def test_what_comes_home_is_there_already_and_brings_what_was_said_of_it(
    lab: MlflowRegistry,
    clinic: MlflowRegistry,
    here: RestStore,
    there: RestStore,
    conflict: Literal["fail", "new-version"],
) -> None:
    name = f"home-{conflict}"
    first = seeded(here, name)
    twin = here.create_dataset(name).dataset_id
    for one in (first, twin):
        address = Address(origin="lab", kind="evaluation-datasets", name=one)
        clinic.write(packed(lab.read(address)).snapshot(), PRESERVE)
    policy = WritePolicy(conflict=conflict)
    copies = [one.address for one in clinic.ls(parse_object(f"evaluation-datasets/{name}"))]

    def come_home() -> list[Receipt]:
        packages = [packed(clinic.read(one)) for one in copies]
        return [lab.write(one.snapshot(), policy) for one in packages]

    assert all(receipt.idle for receipt in come_home())
    (grown,) = [d for d in dataset_named(there, name) if d.tags.get("team")]
    there.set_dataset_tags(grown.dataset_id, {"seen": "yes", "team": "theirs"})
    assert [loss.field for one in come_home() for loss in one.losses] == ["tag team"]
    tags = {d.dataset_id: d.tags for d in dataset_named(here, name)}
    assert tags == {first: {"team": "cellar", "seen": "yes"}, twin: {}}

    here.upsert_dataset_records(first, [{"inputs": {"q": "later, here"}}])
    assert all(receipt.idle for receipt in come_home())
    there.upsert_dataset_records(grown.dataset_id, [{"inputs": {"q": "later, there"}}])
    if conflict == "fail":
        with pytest.raises(ConflictError, match="changed elsewhere after they were copied"):
            come_home()
    else:
        come_home()
    assert len(dataset_named(here, name)) == (2 if conflict == "fail" else 3)
