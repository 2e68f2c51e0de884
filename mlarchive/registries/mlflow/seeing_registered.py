"""Models by themselves and prompts, as a mirror sees them from afar (clause 6)."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from mlarchive.records import Address
from mlarchive.registries.base import Ref, Selector
from mlarchive.registries.mlflow import marks, prompts
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.listing import is_alone
from mlarchive.registries.mlflow.selecting import (
    all_experiments,
    selected_models,
    selected_prompts,
    selected_versions,
)


def see_registered(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    """Every selected model without its versions, or every selected prompt, newest first."""
    if selector.kind == "registered-models":
        for model in selected_models(connection, selector):
            state = [model.description, marks.state_tags(model.tags)]
            yield _ref(
                Address(origin=origin, kind="registered-models", name=model.name), model, [], state
            )
        return
    experiments = {e.experiment_id: e.name for e in all_experiments(connection)}
    for prompt in selected_prompts(connection, selector):
        ids = prompts.ids_in(prompt.tags.get(prompts.EXPERIMENTS, ""))
        linked = sorted({experiments.get(one, "") for one in ids})
        state = [prompt.description, prompts.prompt_labels(prompt.tags), linked]
        versions = selected_versions(connection, prompt, selector)
        for version in versions:
            yield _version_ref(origin, version, state)
        if is_alone(versions, selector):
            yield _ref(Address(origin=origin, kind="prompts", name=prompt.name), prompt, [], state)


def _version_ref(origin: str, version: ModelVersion, prompt: list[object]) -> Ref:
    number = str(version.version)
    labels = prompts.version_labels(version.tags)
    return _ref(
        Address(origin=origin, kind="prompts", name=version.name, version=number),
        version,
        [prompts.fields_of(version.tags)],
        [version.description, sorted(version.aliases), labels, prompt],
    )


def _ref(
    address: Address,
    entity: RegisteredModel | ModelVersion,
    content: list[object],
    state: list[object],
) -> Ref:
    return Ref(
        address=address,
        content_mark=digest(content),
        state_mark=digest(state),
        origin=entity.tags.get(marks.ORIGIN, ""),
        through=marks.path_of(entity.tags),
    )


def digest(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    """A mark over what a server tells."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
