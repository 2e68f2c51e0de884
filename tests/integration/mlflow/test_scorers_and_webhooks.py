"""Scorers and webhooks over real servers: whole, with their numbers, without any secret."""

import json
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.store.tracking.rest_store import RestStore

from mlarchive.errors import ConflictError, NotFoundError, RemoteError
from mlarchive.package import Package
from mlarchive.records import Address, Scorer, Webhook
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.registries.mlflow.remembering import Remembered, remember, scorer_tag
from mlarchive.registries.selecting import parse_object
from mlarchive.snapshot import Snapshot
from tests.support.mlflow_packages import packed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

PRESERVE = WritePolicy()
EVENTS: list[Any] = [
    WebhookEvent.from_str("prompt_alias.deleted"),
    WebhookEvent.from_str("prompt.created"),
]
HUSH = "hush"
URL = "https://127.0.0.1:9/hook"


def client_of(server: MlflowServer) -> MlflowClient:
    return MlflowClient(server.uri, server.uri)


def store_of(server: MlflowServer) -> RestStore:
    store = client_of(server)._tracking_client.store  # noqa: SLF001  (scorers have no other face)
    assert isinstance(store, RestStore)
    return store


@pytest.fixture
def here(source_server: MlflowServer) -> RestStore:
    return store_of(source_server)


@pytest.fixture
def there(target_server: MlflowServer) -> RestStore:
    return store_of(target_server)


def serialised(text: str) -> str:
    return json.dumps({"name": "judge", "instructions": text, "größe": "ü"})


def seeded(store: RestStore, experiment: str, *texts: str, without: tuple[int, ...] = ()) -> str:
    """A scorer `judge` of a version for each text, in an experiment of its own."""
    experiment_id = str(store.create_experiment(experiment, None, None))
    for text in texts:
        store.register_scorer(experiment_id, "judge", serialised(text))
    for number in without:
        store.delete_scorer(experiment_id, "judge", number)
    return experiment_id


def package_of(registry: MlflowRegistry, text: str) -> Package:
    (listing,) = registry.ls(parse_object(text))
    return packed(registry.read(listing.address))


def ids(package: Package) -> tuple[str, str]:
    return package.content_id, package.state_id


def test_a_scorer_keeps_its_versions_and_their_numbers(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore
) -> None:
    seeded(here, "judged", "one", "two", "three", without=(2,))
    package = package_of(lab, "scorers/judged%2Fjudge")
    (record,) = (r for r in package.meaning.records if isinstance(r, Scorer))
    receipt = clinic.write(package.snapshot(), PRESERVE)

    assert record.versions == {"1": serialised("one"), "3": serialised("three")}
    assert receipt.losses == ()
    assert receipt.target == Address(origin="clinic", kind="scorers", name="judged/judge")
    assert ids(package_of(clinic, "scorers/judged%2Fjudge")) == ids(package)
    assert clinic.write(package.snapshot(), PRESERVE).idle
    holding = clinic.holding(package.meaning.address, PRESERVE)
    assert holding is not None
    assert (holding.content_id, holding.state_id) == ids(package)
    (ref,) = clinic.changes(parse_object("scorers/judged%2Fjudge"))
    assert ref.origin == "lab#scorers/judged%2Fjudge"
    assert ref.through == ("lab",)


def test_a_scorer_is_called_by_the_experiment_that_it_is_in(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, target_server: MlflowServer
) -> None:
    seeded(here, "called", "one")
    snapshot = package_of(lab, "scorers/called%2Fjudge").snapshot()
    clinic.write(snapshot, PRESERVE)
    client = client_of(target_server)
    (experiment,) = client.search_experiments(filter_string="name = 'called'")
    client.rename_experiment(experiment.experiment_id, "renamed there")

    receipt = clinic.write(snapshot, PRESERVE)
    assert receipt.target.name == "renamed there/judge"
    assert all("/called/" not in action.what for action in receipt.actions)
    assert clinic.write(snapshot, PRESERVE).idle
    (listing,) = clinic.ls(parse_object("scorers/renamed there%2Fjudge"))
    assert listing.address.name == receipt.target.name


def test_a_version_more_at_the_source_is_added(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore
) -> None:
    experiment_id = seeded(here, "growing", "one")
    (before,) = lab.changes(parse_object("scorers/growing%2Fjudge"))
    clinic.write(package_of(lab, "scorers/growing%2Fjudge").snapshot(), PRESERVE)
    here.register_scorer(experiment_id, "judge", serialised("two"))
    (after,) = lab.changes(parse_object("scorers/growing%2Fjudge"))
    package = package_of(lab, "scorers/growing%2Fjudge")
    clinic.write(package.snapshot(), PRESERVE)

    assert before.content_mark != after.content_mark
    assert ids(package_of(clinic, "scorers/growing%2Fjudge")) == ids(package)


def test_other_versions_at_the_target_are_a_conflict(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, there: RestStore
) -> None:
    seeded(here, "disputed", "ours")
    experiment_id = seeded(there, "disputed", "theirs")
    snapshot = package_of(lab, "scorers/disputed%2Fjudge").snapshot()

    with pytest.raises(ConflictError, match=r"'judge' at .* has another version 1"):
        clinic.write(snapshot, PRESERVE)
    assert {a.verb for a in clinic.write(snapshot, WritePolicy(conflict="skip")).actions} >= {
        "skip"
    }
    assert len(there.list_scorer_versions(experiment_id, "judge")) == 1


def test_an_interrupted_write_of_a_scorer_is_finished(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: RestStore, there: RestStore
) -> None:
    seeded(here, "cut off", "one", "two", "three", without=(2,))
    package = package_of(lab, "scorers/cut off%2Fjudge")
    # What a write leaves that ends when the copy under number 2 is there.
    experiment_id = seeded(there, "cut off", "one", "three")
    with MlflowRegistry.open(clinic._connection.uri) as registry:  # noqa: SLF001
        making = Remembered(origin=str(package.meaning.address), name="cut off/judge")
        remember(registry._connection, experiment_id, scorer_tag("judge"), making)  # noqa: SLF001
    assert clinic.holding(package.meaning.address, PRESERVE) is None
    clinic.write(package.snapshot(), PRESERVE)

    assert ids(package_of(clinic, "scorers/cut off%2Fjudge")) == ids(package)


def test_a_scorer_that_the_server_refuses_is_a_listed_loss(
    lab: MlflowRegistry, clinic: MlflowRegistry, source_server: MlflowServer, here: RestStore
) -> None:
    experiment_id = seeded(here, "coded")
    code = json.dumps({"name": "coded", "call_source": "return 1", "call_signature": "()"})
    with MlflowRegistry.open(source_server.database) as database:
        # A server takes no code by default; older ones did, and have it in their tables.
        database._connection.tracking.register_scorer(experiment_id, "coded", code)  # noqa: SLF001
    package = package_of(lab, "scorers/coded%2Fcoded")
    receipt = clinic.write(package.snapshot(), PRESERVE)

    assert [loss.field for loss in receipt.losses] == ["version 1 and later ones"]
    assert "refused" in receipt.losses[0].why
    assert clinic.holding(package.meaning.address, PRESERVE) is None


def create(server: MlflowServer, name: str, url: str = URL) -> str:
    webhook = client_of(server).create_webhook(
        name, url, EVENTS, description="Tells.", secret=HUSH, status=WebhookStatus.DISABLED
    )
    return str(webhook.webhook_id)


def webhook_in(package: Package) -> Webhook:
    (record,) = package.meaning.records
    assert isinstance(record, Webhook)
    return record


def test_a_webhook_arrives_without_its_secret_and_says_so(
    lab: MlflowRegistry,
    clinic: MlflowRegistry,
    source_server: MlflowServer,
) -> None:
    create(source_server, "plain")
    package = package_of(lab, "webhooks/plain")
    receipt = clinic.write(package.snapshot(), PRESERVE)

    assert webhook_in(package).events == ("prompt.created", "prompt_alias.deleted")
    assert [loss.field for loss in package.meaning.losses] == ["secret"]
    assert [loss.field for loss in receipt.losses] == ["secret"]
    assert HUSH.encode() not in b"".join(
        (package.documents.content, package.documents.state, package.documents.evidence)
    )
    assert ids(package_of(clinic, "webhooks/plain")) == ids(package)
    again = clinic.write(package.snapshot(), PRESERVE)
    assert again.idle
    assert again.losses == ()
    holding = clinic.holding(package.meaning.address, PRESERVE)
    assert holding is not None
    assert holding.address == receipt.target


def test_what_changes_of_a_webhook_changes_at_the_target(
    lab: MlflowRegistry, clinic: MlflowRegistry, source_server: MlflowServer
) -> None:
    webhook_id = create(source_server, "moved")
    clinic.write(package_of(lab, "webhooks/moved").snapshot(), PRESERVE)
    client = client_of(source_server)
    client.update_webhook(webhook_id, url=f"{URL}/2", description="Told.", events=EVENTS[:1])
    package = package_of(lab, "webhooks/moved")
    clinic.write(package.snapshot(), PRESERVE)

    assert ids(package_of(clinic, "webhooks/moved")) == ids(package)
    assert len(list(clinic.ls(parse_object("webhooks/moved")))) == 1


def test_several_webhooks_of_one_name_come_as_several(
    lab: MlflowRegistry, clinic: MlflowRegistry, source_server: MlflowServer
) -> None:
    for url in (URL, f"{URL}/2", URL):
        create(source_server, "triplets", url)
    named = parse_object("webhooks/triplets")
    read = [packed(lab.read(one.address)).snapshot() for one in lab.ls(named)]
    for snapshot in read:
        assert clinic.write(snapshot, PRESERVE).actions[0].verb == "create"
    assert all(clinic.write(snapshot, PRESERVE).idle for snapshot in read)
    held = [webhook_in(packed(clinic.read(one.address))).url for one in clinic.ls(named)]
    assert sorted(held) == [URL, URL, f"{URL}/2"]


def test_credentials_in_an_address_are_never_kept(
    lab: MlflowRegistry, clinic: MlflowRegistry, source_server: MlflowServer
) -> None:
    create(source_server, "keyed", url="https://ada:pw@127.0.0.1:9/hook?token=abc")
    package = package_of(lab, "webhooks/keyed")
    receipt = clinic.write(package.snapshot(), PRESERVE)
    raw = package.documents.content + package.documents.state + package.documents.evidence

    assert b"ada:pw" not in raw
    assert b"abc" not in raw
    assert [loss.field for loss in package.meaning.losses] == ["secret", "url"]
    assert [loss.field for loss in receipt.losses] == ["secret", "url"]
    assert webhook_in(package_of(clinic, "webhooks/keyed")).status == "DISABLED"
    assert clinic.write(package.snapshot(), PRESERVE).idle


def test_a_webhook_that_the_target_refuses_is_a_listed_loss(clinic: MlflowRegistry) -> None:
    record = Webhook(key="w", name="odd", url="ftp://nowhere", events=("prompt.created", "x.y"))
    address = Address(origin="elsewhere", kind="webhooks", name="w-1")
    package = packed(Snapshot(address=address, subject="w", records=(record,)))
    receipt = clinic.write(package.snapshot(), PRESERVE)

    assert [loss.field for loss in receipt.losses] == ["secret", "event x.y", "all of it"]
    with pytest.raises(NotFoundError, match="has no webhook 'odd'"):
        list(clinic.ls(parse_object("webhooks/odd")))


def test_both_are_listed_with_the_whole_server(
    lab: MlflowRegistry, source_server: MlflowServer, here: RestStore
) -> None:
    seeded(here, "whole", "one")
    webhook_id = create(source_server, "listed")
    names = {str(item.address).partition("#")[2] for item in lab.ls(Selector())}

    assert {"scorers/whole%2Fjudge", f"webhooks/{webhook_id}"} <= names


def test_a_webhook_that_the_server_refuses_is_a_loss_and_nothing_was_done(
    lab: MlflowRegistry,
    clinic: MlflowRegistry,
    source_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RemoteError("no such address")

    webhook_id = create(source_server, "refused")
    package = packed(lab.read(Address(origin="lab", kind="webhooks", name=webhook_id)))
    monkeypatch.setattr(clinic._connection.models, "create_webhook", refuse)  # noqa: SLF001
    receipt = clinic.write(package.snapshot(), PRESERVE)
    assert receipt.idle
    assert [(action.verb, action.why) for action in receipt.actions] == [
        ("skip", "refused: no such address"),
        ("skip", "it was refused"),
    ]
    assert "all of it" in {loss.field for loss in receipt.losses}
