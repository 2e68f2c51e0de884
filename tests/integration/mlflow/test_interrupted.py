"""Writes that are interrupted: repeated, they end with each thing once and equal to the source."""

from dataclasses import replace

import msgspec
import pytest
from mlflow import MlflowClient

from mlarchive.errors import NotFoundError, UnavailableError
from mlarchive.package import Package
from mlarchive.records import Address, Experiment, ModelVersion, RegisteredModel
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, marks
from mlarchive.snapshot import Snapshot
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_packages import package_of
from tests.support.mlflow_seed import Seeded
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

POLICY = WritePolicy()


def disguised(snapshot: Snapshot, name: str) -> Snapshot:
    """The same content as if it came from elsewhere under another name."""
    named = {
        RegisteredModel: name,
        ModelVersion: name,
        Experiment: f"{name} experiment",
    }
    records = (
        msgspec.structs.replace(record, name=named[type(record)])
        if type(record) in named
        else record
        for record in snapshot.records
    )
    address = Address(origin=name, kind="models", name=name, version="2")
    return replace(snapshot, address=address, records=tuple(records))


def tagged(client: MlflowClient, name: str) -> dict[str, int]:
    """How many runs, logged models and versions came from a disguised origin."""
    experiment = client.get_experiment_by_name(f"{name} experiment")
    assert experiment is not None
    ids = [experiment.experiment_id]
    return {
        "runs": len(client.search_runs(ids)),
        "logged models": len(client.search_logged_models(ids)),
        "versions": len(client.search_model_versions(f"name = '{name}'")),
    }


@pytest.fixture(scope="module")
def package(source_server: MlflowServer, wine: Seeded) -> Package:
    """Version 2, packed once."""
    with MlflowRegistry.open(source_server.uri) as registry:
        return package_of(registry, wine.name, 2)


@pytest.mark.parametrize(
    ("at", "for_good"),
    [(at, False) for at in (6, 7, 33, 51, 55, 57, 58)]
    + [(at, True) for at in (10, 16, 40, 56, 59, 65)],
)
def test_a_write_that_lost_its_server_is_finished_by_repeating_it(  # noqa: PLR0913  (fixtures)
    *,
    at: int,
    for_good: bool,
    package: Package,
    clinic: MlflowRegistry,
    target_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0" if for_good else "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    name = f"cut-{at}-{for_good}"
    snapshot = disguised(package.snapshot(), name)
    cut = Cut(at=at, for_good=for_good)

    with cutting_proxy(target_server.uri, cut) as uri, MlflowRegistry.open(uri) as broken:
        cut.seen = 0
        try:
            broken.write(snapshot, POLICY)
            interrupted = False
        except UnavailableError:
            interrupted = True
    assert cut.seen >= at
    assert interrupted is for_good
    clinic.write(snapshot, POLICY)

    back = package_of(clinic, name, 2)
    assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
    client = MlflowClient(target_server.uri, target_server.uri)
    assert tagged(client, name) == {"runs": 1, "logged models": 1, "versions": 1}
    assert clinic.write(snapshot, POLICY).idle


def test_nothing_is_held_before_all_of_it_is_there(
    package: Package,
    clinic: MlflowRegistry,
    target_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    snapshot = disguised(package.snapshot(), "half-held")
    cut = Cut(at=30, for_good=True)
    with (
        cutting_proxy(target_server.uri, cut) as uri,
        MlflowRegistry.open(uri) as registry,
        pytest.raises(UnavailableError),
    ):
        registry.write(snapshot, POLICY)

    assert clinic.holding(snapshot.address, POLICY) is None


def test_a_placeholder_that_was_left_behind_is_listed_as_one_and_never_carried_on(
    target_server: MlflowServer,
) -> None:
    client = MlflowClient(target_server.uri, target_server.uri)
    client.create_registered_model("counted")
    left = {marks.ORIGIN: "elsewhere#models/counted/892", marks.PLACEHOLDER: "true"}
    client.create_model_version("counted", "s3://bucket/model", tags=left)
    with MlflowRegistry.open(target_server.uri) as registry:
        selector = Selector(kind="models", name="counted")
        (listing,) = registry.ls(selector)
        assert "placeholder of a copy" in listing.title
        (seen,) = registry.changes(selector)
        assert seen.unfinished == listing.title
        assert listing.address not in set(registry.everything())
        with pytest.raises(NotFoundError, match="is no version: it is a placeholder of a copy of"):
            registry.read(listing.address)
