"""The rows of prompts and their versions, which are registered models in MLflow's tables."""

from collections.abc import Iterator

from mlarchive.records import Prompt, PromptVersion
from mlarchive.registries.mlflow import prompts
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.rows import Restoration, Row
from mlarchive.registries.mlflow.restore.rows_registry import (
    alias_rows,
    rows_of_name,
    rows_of_version,
)


def prompt_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """A prompt with tags, the experiments that it is linked to, and aliases."""
    record = held.record
    assert isinstance(record, Prompt)  # noqa: S101  (the table of kinds says so)
    linked = evidence.texts(evidence.answer(record), "tags").get(prompts.EXPERIMENTS, "")
    hidden = {prompts.IS_PROMPT: "true"} | ({prompts.EXPERIMENTS: linked} if linked else {})
    tags = {**hidden, **record.tags, **evidence.marks_of(record)}
    yield from rows_of_name(held, record.description, tags)
    yield from alias_rows(restoration, held, PromptVersion)


def prompt_version_rows(_: Restoration, held: Held) -> Iterator[Row]:
    """A version of a prompt, all of which is in tags."""
    record = held.record
    assert isinstance(record, PromptVersion)  # noqa: S101  (the table of kinds says so)
    said = evidence.answer(record)
    settings = {prompts.MODEL_SETTINGS: record.model_settings} if record.model_settings else {}
    runs = {prompts.RUNS: record.native.also["runs"]} if "runs" in record.native.also else {}
    more = {
        "description": record.message,
        "current_stage": evidence.text(said, "current_stage") or "None",
        "source": record.native.location or prompts.SOURCE,
        "storage_location": record.native.location or prompts.SOURCE,
        "run_id": said.get("run_id") and evidence.text(said, "run_id"),
        "run_link": said.get("run_link") and evidence.text(said, "run_link"),
        "status": evidence.text(said, "status") or "READY",
    }
    tags = {
        **prompts.content_tags(record),
        **settings,
        **runs,
        **record.tags,
        **evidence.marks_of(record),
    }
    yield from rows_of_version(held, more, tags)
