"""Reads a prompt, or one version of it, as records (clause 7.2)."""

import msgspec
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.entities.model_registry import RegisteredModel as MlflowModel

from mlarchive.records import Prompt, PromptVersion
from mlarchive.registries.marking import digest
from mlarchive.registries.mlflow import marks, prompts
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.labelmarks import prompt_state, prompt_version_state
from mlarchive.registries.mlflow.linking import experiment_names, with_experiments
from mlarchive.registries.mlflow.natives import native_registered_model, native_version


def prompt_key(name: str) -> str:
    """The key of a prompt's record."""
    return f"prompt/{name}"


def read_prompt(connection: Connection, model: MlflowModel, gathering: Gathering) -> str:
    """Gather a prompt without its versions; returns the key of its record."""
    _gather_prompt(connection, model, gathering)
    return prompt_key(model.name)


def _gather_prompt(
    connection: Connection, model: MlflowModel, gathering: Gathering
) -> list[object]:
    """Gather a prompt without its versions; returns what its mark is of."""
    ids = prompts.ids_in(model.tags.get(prompts.EXPERIMENTS, ""))
    names = experiment_names(connection, f"prompts/{model.name}", ids, gathering)
    native = msgspec.structs.replace(
        native_registered_model(model), also=marks.marks_in(model.tags)
    )
    gathering.records.append(
        Prompt(
            key=prompt_key(model.name),
            native=with_experiments(native, names),
            name=model.name,
            description=model.description or "",
            tags=prompts.prompt_labels(model.tags),
            experiments=tuple(sorted(set(names.values()))),
        )
    )
    return prompt_state(model, names)


def read_prompt_version(
    connection: Connection, version: MlflowVersion, model: MlflowModel, gathering: Gathering
) -> str:
    """Gather a version with its prompt; returns the key of its record."""
    key = f"prompt-version/{version.name}/{version.version}"
    labels = prompts.version_labels(version.tags)
    also = marks.marks_in(version.tags)
    if runs := version.tags.get(prompts.RUNS):
        also["runs"] = runs
    state = prompt_version_state(version, _gather_prompt(connection, model, gathering))
    gathering.state_mark = digest(state)
    gathering.records.append(
        PromptVersion(
            key=key,
            native=native_version(version, also),
            prompt=prompt_key(model.name),
            name=version.name,
            version=str(version.version),
            **prompts.fields_of(version.tags),
            model_settings=labels.pop(prompts.MODEL_SETTINGS, ""),
            message=version.description or "",
            aliases=tuple(sorted(version.aliases)),
            tags=labels,
        )
    )
    return key
