"""What no record is made of: told, kept as evidence, a loss, and never a silence."""

import json

import pytest
from mlflow import MlflowClient
from mlflow.entities.issue import IssueStatus
from mlflow.entities.webhook import WebhookStatus
from mlflow.store.tracking.rest_store import RestStore

from mlarchive.errors import NotFoundError
from mlarchive.records import OtherObjects
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.registries.selecting import parse_object
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_packages import packed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

NEWER = ("evaluation-datasets", "scorers", "webhooks")


@pytest.fixture(scope="module")
def store(source_server: MlflowServer) -> RestStore:
    """The source with an issue, a review queue, a gateway's secret and an MCP server."""
    store = MlflowClient(source_server.uri)._tracking_client.store  # noqa: SLF001  (has no face)
    assert isinstance(store, RestStore)
    experiment_id = store.create_experiment("with others", None, None)
    store.create_issue(
        experiment_id, name="slow", description="Too slow.", status=IssueStatus.PENDING
    )
    store.create_review_queue(experiment_id, name="to review", queue_type="custom", users=["ada"])
    store.create_gateway_secret("key", {"api_key": "sk-very-secret-1234"}, provider="openai")
    return store


def listed(registry: MlflowRegistry, selector: Selector) -> list[str]:
    found = (str(item.address).partition("#")[2] for item in registry.ls(selector))
    return [name for name in found if name.startswith("other-objects/")]


@pytest.mark.usefixtures("store")
def test_all_that_is_left_is_named(lab: MlflowRegistry) -> None:
    cheap = listed(lab, Selector())
    every = listed(lab, Selector(kind="other-objects"))

    assert {"other-objects/issues", "other-objects/gateway-secrets"} <= set(cheap)
    assert {*cheap, "other-objects/review-queues", "other-objects/label-schemas"} <= set(every)
    seen = lab.changes(Selector(kind="other-objects"))
    assert {str(ref.address).partition("#")[2] for ref in seen} == set(every)
    with pytest.raises(NotFoundError, match="has no other objects 'mcp-servers'"):
        listed(lab, parse_object("other-objects/mcp-servers"))


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("kind", "told"), [("issues", "Too slow."), ("review-queues", "to review")]
)
def test_what_it_is_stays_as_evidence_and_is_a_loss(
    lab: MlflowRegistry, clinic: MlflowRegistry, kind: str, told: str
) -> None:
    (listing,) = lab.ls(parse_object(f"other-objects/{kind}"))
    package = packed(lab.read(listing.address))
    (record,) = package.meaning.records
    receipt = clinic.write(package.snapshot(), WritePolicy())

    assert isinstance(record, OtherObjects)
    assert told in record.native.verbatim
    assert [loss.record for loss in package.meaning.losses] == [f"other-objects/{kind}"]
    assert [loss.record for loss in receipt.losses] == [f"other-objects/{kind}"]
    assert receipt.idle
    assert clinic.holding(listing.address, WritePolicy()) is None


@pytest.mark.usefixtures("store")
def test_not_even_a_part_of_a_secret_is_kept(lab: MlflowRegistry) -> None:
    (listing,) = lab.ls(parse_object("other-objects/gateway-secrets"))
    (record,) = lab.read(listing.address).records
    (found,) = json.loads(record.native.verbatim)["objects"]

    assert "sk-" not in record.native.verbatim
    assert "1234" not in json.dumps({n: v for n, v in found.items() if isinstance(v, str)})
    assert found["provider"] == "openai"


def test_what_is_not_asked_for_says_why(lab: MlflowRegistry) -> None:
    (listing,) = lab.ls(parse_object("other-objects/label-schemas"))
    (loss,) = lab.read(listing.address).losses

    assert "a source is left as it is" in loss.why


@pytest.mark.usefixtures("store")
def test_a_server_that_knows_none_of_it_is_simply_without(source_server: MlflowServer) -> None:
    newer = ("/3.0/", "/webhooks", "/gateway")
    with (
        cutting_proxy(source_server.uri, Cut(unknown=newer)) as uri,
        MlflowRegistry.open(uri) as older,
    ):
        whole = {item.address.kind for item in older.ls(Selector())}
        found = [list(older.changes(Selector(kind=kind))) for kind in NEWER]

    assert "experiments" in whole
    assert not whole & {*NEWER, "other-objects"}
    assert found == [[], [], []]


def test_a_database_tells_the_same_as_its_server(
    lab: MlflowRegistry, source_server: MlflowServer, store: RestStore
) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    registry = client._get_registry_client().store  # noqa: SLF001  (makes prompts without a thread)
    experiment_id = store.create_experiment("told twice", None, None)
    registry.create_prompt("told-twice")
    registry.create_prompt_version("told-twice", "Hello.")
    dataset = store.create_dataset("told-twice", experiment_ids=[experiment_id])
    store.upsert_dataset_records(dataset.dataset_id, [{"inputs": {"q": 1.5}, "outputs": [None]}])
    store.register_scorer(experiment_id, "told-twice", "{}")
    client.create_webhook(
        "told-twice",
        "https://127.0.0.1:9/",
        ["prompt.created"],
        # Encrypted by the server with a key that nobody else has.
        secret="hush",  # noqa: S106
        status=WebhookStatus.DISABLED,
    )
    with MlflowRegistry.open(source_server.database, origin="lab") as database:
        for kind in ("prompts", *NEWER):
            selector = Selector(kind=kind, name="told-twice")
            (served,), (direct,) = (
                [packed(source.read(item.address)) for item in source.ls(selector)]
                for source in (lab, database)
            )
            assert (served.content_id, served.state_id) == (direct.content_id, direct.state_id)
        assert listed(database, Selector()) == listed(lab, Selector())
