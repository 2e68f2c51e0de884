"""How MLflow keeps a prompt: a registered model and versions whose tags hold all that they are.

What a tag says that a record has a field for is no tag of the record (clause 7.2 of
`spec/mapping-mlflow.md`).
"""

from collections.abc import Iterable, Mapping

from mlflow.prompt.constants import (
    IS_PROMPT_TAG_KEY,
    PROMPT_ASSOCIATED_RUN_IDS_TAG_KEY,
    PROMPT_EXPERIMENT_IDS_TAG_KEY,
    PROMPT_MODEL_CONFIG_TAG_KEY,
    PROMPT_TEXT_TAG_KEY,
    PROMPT_TYPE_TAG_KEY,
    RESPONSE_FORMAT_TAG_KEY,
)

from mlarchive.records import PromptVersion, Tags
from mlarchive.registries.mlflow import marks

IS_PROMPT = IS_PROMPT_TAG_KEY
MODEL_SETTINGS = PROMPT_MODEL_CONFIG_TAG_KEY
EXPERIMENTS = PROMPT_EXPERIMENT_IDS_TAG_KEY
RUNS = PROMPT_ASSOCIATED_RUN_IDS_TAG_KEY
"""On versions that MLflow 2 knew the runs of; since then the runs name the prompts."""

SOURCE = "prompt-template"
"""The source that a server asks for and does not use."""

_FIELDS: Mapping[str, str] = {
    PROMPT_TEXT_TAG_KEY: "template",
    PROMPT_TYPE_TAG_KEY: "template_type",
    RESPONSE_FORMAT_TAG_KEY: "response_format",
}


def fields_of(tags: Mapping[str, str]) -> dict[str, str]:
    """What a version's tags say of its content, by the record's field."""
    return {field: tags[tag] for tag, field in _FIELDS.items() if tag in tags}


def content_tags(record: PromptVersion) -> Tags:
    """The tags that make a version what it is; they are set in the request that creates it."""
    said = {tag: getattr(record, field) for tag, field in _FIELDS.items()}
    # A server does not take a prompt without a text, even an empty one.
    kept = {tag: value for tag, value in said.items() if value or tag == PROMPT_TEXT_TAG_KEY}
    return {IS_PROMPT: "true", **kept}


def version_labels(tags: Mapping[str, str]) -> Tags:
    """The tags of a version that are labels: a person's own, and the settings of a model."""
    hidden = {IS_PROMPT, RUNS, *_FIELDS}
    return {name: value for name, value in marks.state_tags(tags).items() if name not in hidden}


def prompt_labels(tags: Mapping[str, str]) -> Tags:
    """The tags of a prompt that are a person's own."""
    hidden = {IS_PROMPT, EXPERIMENTS}
    return {name: value for name, value in marks.state_tags(tags).items() if name not in hidden}


def ids_in(value: str) -> list[str]:
    """The ids of a list such as `,1,22,`, each once, in its order."""
    return list(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def ids_as_tag(ids: Iterable[str]) -> str:
    """Ids as MLflow looks for them: with a comma before and after each."""
    return f",{','.join(ids)},"
