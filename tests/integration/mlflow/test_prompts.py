"""Prompts, and models without versions, over real servers: whole, with their numbers, once."""

import json

import pytest
from mlflow import MlflowClient
from mlflow.prompt.constants import (
    IS_PROMPT_TAG_KEY,
    PROMPT_ASSOCIATED_RUN_IDS_TAG_KEY,
    PROMPT_EXPERIMENT_IDS_TAG_KEY,
    PROMPT_MODEL_CONFIG_TAG_KEY,
)

from mlarchive.errors import ConflictError, NotFoundError
from mlarchive.package import Package
from mlarchive.records import Address, Prompt, PromptVersion, RegisteredModel
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, marks
from mlarchive.registries.selecting import parse_object
from tests.support.mlflow_packages import packed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

PRESERVE = WritePolicy()
TEXT = "Hello {{name}},\r\n\tsay „ü“.\n"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{q}}"}]
FORMAT = {"type": "object", "properties": {"answer": {"type": "string"}}}


@pytest.fixture
def here(source_server: MlflowServer) -> MlflowClient:
    return MlflowClient(source_server.uri, source_server.uri)


@pytest.fixture
def there(target_server: MlflowServer) -> MlflowClient:
    return MlflowClient(target_server.uri, target_server.uri)


def register(client: MlflowClient, name: str, versions: int = 2, description: str = "") -> None:
    """A prompt: first a text, then chats with everything that a version may have.

    `register_prompt` links it to some experiment a while later, so the store below it is used.
    """
    store = client._get_registry_client().store  # noqa: SLF001
    store.create_prompt(name, description=description, tags={"author": "ada"})
    store.create_prompt_version(name, TEXT, description="first")
    for number in range(2, versions + 1):
        store.create_prompt_version(
            name,
            CHAT,
            description=f"try {number}",
            response_format=FORMAT,
            model_config={"model_name": "small", "temperature": 0.5},
        )


def seeded(client: MlflowClient, name: str, experiment: str) -> None:
    """A prompt of three versions, the second of them deleted, with labels and a link."""
    register(client, name, versions=3, description="Greets people.")
    client.delete_prompt_version(name, "2")
    client.set_prompt_alias(name, "production", 3)
    client.set_prompt_version_tag(name, 3, "checked", "yes")
    linked = client.create_experiment(experiment)
    client.set_prompt_tag(name, PROMPT_EXPERIMENT_IDS_TAG_KEY, f",{linked},")


def address(registry: MlflowRegistry, name: str, version: int | str = "") -> Address:
    return Address(origin=registry.origin, kind="prompts", name=name, version=str(version))


def package_of(registry: MlflowRegistry, name: str, version: int | str = "") -> Package:
    return packed(registry.read(address(registry, name, version)))


def ids(package: Package) -> tuple[str, str]:
    return package.content_id, package.state_id


def listed(registry: MlflowRegistry, text: str) -> list[str]:
    return [str(item.address).partition("#")[2] for item in registry.ls(parse_object(text))]


def test_a_round_trip_keeps_numbers_text_and_labels(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    # The target has an experiment more, so that the same one has another id there.
    there.create_experiment("only at the target")
    seeded(here, "round-trip", "greetings")
    for version in (1, 3):
        package = package_of(lab, "round-trip", version)
        receipt = clinic.write(package.snapshot(), PRESERVE)

        assert receipt.losses == ()
        assert receipt.target == address(clinic, "round-trip", version)
        assert ids(package_of(clinic, "round-trip", version)) == ids(package)
        assert clinic.write(package.snapshot(), PRESERVE).idle
    first = there.get_prompt_version("round-trip", 1)
    third = there.get_prompt_version("round-trip", 3)
    assert (first.template, first.commit_message) == (TEXT, "first")
    assert (third.template, third.response_format) == (CHAT, FORMAT)
    assert third.model_config == {"model_name": "small", "temperature": 0.5}
    assert there.get_prompt_version_by_alias("round-trip", "production").version == 3
    linked = there.get_experiment_by_name("greetings")
    assert linked is not None
    assert [p.name for p in there.search_prompts(f"experiment_id = '{linked.experiment_id}'")] == [
        "round-trip"
    ]


def test_a_version_tells_all_that_mlflow_knows_of_it(
    lab: MlflowRegistry, here: MlflowClient
) -> None:
    seeded(here, "told", "told in")
    package = package_of(lab, "told", 3)
    (version,) = (r for r in package.meaning.records if isinstance(r, PromptVersion))
    (prompt,) = (r for r in package.meaning.records if isinstance(r, Prompt))

    assert version.template_type == "chat"
    assert json.loads(version.template) == CHAT
    assert json.loads(version.response_format) == FORMAT
    assert json.loads(version.model_settings)["model_name"] == "small"
    assert (version.message, version.aliases) == ("try 3", ("production",))
    assert version.tags == {"checked": "yes"}
    assert (prompt.description, prompt.experiments) == ("Greets people.", ("told in",))
    assert prompt.tags == {"author": "ada"}


def test_prompts_and_their_versions_are_named_and_seen(
    lab: MlflowRegistry, here: MlflowClient
) -> None:
    register(here, "named-a")
    here.set_prompt_alias("named-a", "live", 1)
    here.create_prompt("named-b")

    assert set(listed(lab, "prompts/named-*")) == {
        "prompts/named-b",
        "prompts/named-a/2",
        "prompts/named-a/1",
    }
    assert listed(lab, "prompts/named-a@live") == ["prompts/named-a/1"]
    assert {"prompts/named-b", "prompts/named-a/1"} <= set(listed_whole(lab))
    seen = list(lab.changes(parse_object("prompts/named-?")))
    assert {str(ref.address).partition("#")[2] for ref in seen} == set(
        listed(lab, "prompts/named-?")
    )
    with pytest.raises(NotFoundError, match="has no prompt 'nobody'"):
        listed(lab, "prompts/nobody")


def listed_whole(registry: MlflowRegistry) -> list[str]:
    return [str(item.address).partition("#")[2] for item in registry.ls(Selector())]


def test_labels_travel_alone_and_are_seen_from_afar(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient
) -> None:
    register(here, "relabelled-prompt")
    before = package_of(lab, "relabelled-prompt", 2)
    (seen,) = lab.changes(parse_object("prompts/relabelled-prompt/2"))
    clinic.write(before.snapshot(), PRESERVE)
    here.set_prompt_alias("relabelled-prompt", "live", 2)
    here.set_prompt_version_tag(
        "relabelled-prompt", 2, PROMPT_MODEL_CONFIG_TAG_KEY, '{"model_name": "large"}'
    )
    after = package_of(lab, "relabelled-prompt", 2)
    (now,) = lab.changes(parse_object("prompts/relabelled-prompt/2"))
    receipt = clinic.write(after.snapshot(), PRESERVE)

    assert after.content_id == before.content_id
    assert after.state_id != before.state_id
    assert (seen.content_mark, seen.state_mark != now.state_mark) == (now.content_mark, True)
    assert {action.verb for action in receipt.actions} == {"update"}
    assert ids(package_of(clinic, "relabelled-prompt", 2)) == ids(after)
    holding = clinic.holding(address(lab, "relabelled-prompt", 2), PRESERVE)
    assert holding is not None
    assert (holding.content_id, holding.state_id) == ids(after)


def test_a_model_of_that_name_is_in_the_way(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    register(here, "one-name")
    there.create_registered_model("one-name")
    snapshot = package_of(lab, "one-name", 1).snapshot()

    with pytest.raises(ConflictError, match="'one-name' is a model at"):
        clinic.write(snapshot, PRESERVE)
    receipt = clinic.write(snapshot, WritePolicy(rename="another-name"))
    assert receipt.target == address(clinic, "another-name", 1)
    assert there.get_registered_model("one-name").tags == {}


def test_an_interrupted_write_is_finished(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    register(here, "cut-off", versions=3)
    snapshot = package_of(lab, "cut-off", 3).snapshot()
    origin = marks.origin_mark(snapshot.address)
    there.create_prompt("cut-off", tags={marks.ORIGIN: str(address(lab, "cut-off"))})
    store = there._get_registry_client()  # noqa: SLF001  (prompts are made below the client's face)
    placeholder = {IS_PROMPT_TAG_KEY: "true", marks.ORIGIN: origin, marks.PLACEHOLDER: "true"}
    store.create_model_version("cut-off", "prompt-template", tags=placeholder)
    clinic.write(snapshot, PRESERVE)

    assert ids(package_of(clinic, "cut-off", 3)) == (snapshot.content_id, snapshot.state_id)
    assert listed(clinic, "prompts/cut-off") == ["prompts/cut-off/3"]


def test_runs_that_mlflow_2_told_by_id_are_told_by_their_new_ids(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient, there: MlflowClient
) -> None:
    register(here, "of-runs")
    before = package_of(lab, "of-runs", 1)
    run = here.create_run(here.create_experiment("of runs")).info.run_id
    here.set_prompt_version_tag("of-runs", 1, PROMPT_ASSOCIATED_RUN_IDS_TAG_KEY, f"{run},gone")
    package = package_of(lab, "of-runs", 1)
    alone = clinic.write(package.snapshot(), PRESERVE)
    source = Address(origin=lab.origin, kind="runs", name=run)
    copied = clinic.write(packed(lab.read(source)).snapshot(), PRESERVE).target.name
    again = clinic.write(package.snapshot(), PRESERVE)
    store = there._get_registry_client().store  # noqa: SLF001  (the client hides the tag)

    assert ids(package) == ids(before)
    assert [change.field for change in alone.transformations].count("runs that used it") == 2
    assert [change.field for change in again.transformations] == ["runs that used it"]
    told = store.get_model_version("of-runs", "1").tags[PROMPT_ASSOCIATED_RUN_IDS_TAG_KEY]
    assert told == copied
    assert clinic.write(package.snapshot(), PRESERVE).idle


@pytest.mark.parametrize("kind", ["prompts", "registered-models"])
def test_what_has_no_versions_is_an_object_by_itself(
    kind: str, lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient
) -> None:
    name = f"bare {kind}".replace(" ", "-")
    create = here.create_prompt if kind == "prompts" else here.create_registered_model
    create(name, description="Not yet.", tags={"team": "cellar"})
    source = Address(origin=lab.origin, kind=kind, name=name)
    package = packed(lab.read(source))
    first = clinic.write(package.snapshot(), PRESERVE)
    back = packed(clinic.read(replace_origin(source, clinic)))

    assert f"{kind}/{name}" in listed_whole(lab)
    assert first.target == replace_origin(source, clinic)
    assert ids(back) == ids(package)
    assert clinic.write(package.snapshot(), PRESERVE).idle
    holding = clinic.holding(source, PRESERVE)
    assert holding is not None
    assert (holding.content_id, holding.state_id) == ids(package)
    (ref,) = clinic.changes(Selector(kind=kind, name=name))
    assert ref.origin.startswith("lab#")


def replace_origin(source: Address, registry: MlflowRegistry) -> Address:
    return Address(origin=registry.origin, kind=source.kind, name=source.name)


def test_a_model_by_itself_and_with_its_versions_is_one_model(
    lab: MlflowRegistry, clinic: MlflowRegistry, here: MlflowClient
) -> None:
    here.create_registered_model("grows", description="One.", tags={"a": "b"})
    source = Address(origin=lab.origin, kind="registered-models", name="grows")
    clinic.write(packed(lab.read(source)).snapshot(), PRESERVE)
    here.update_registered_model("grows", "Two.")
    here.delete_registered_model_tag("grows", "a")
    clinic.write(packed(lab.read(source)).snapshot(), PRESERVE)
    (record,) = clinic.read(replace_origin(source, clinic)).records

    assert isinstance(record, RegisteredModel)
    assert (record.description, record.tags) == ("Two.", {})
