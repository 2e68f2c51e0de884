"""Writes a prompt and its version (clause 7.3).

A version is made in one request, template and all; labels, aliases and marks follow, as for a
model's version.
"""

from functools import partial

from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

from mlarchive.errors import RemoteError
from mlarchive.records import Address, Prompt, PromptVersion, Tags
from mlarchive.registries.mlflow import marks, prompts
from mlarchive.registries.mlflow.given import Given, base_of, said
from mlarchive.registries.mlflow.linking import link_experiments
from mlarchive.registries.mlflow.numbering import Place
from mlarchive.registries.mlflow.selecting import all_experiments
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.work import Work, cut, plan_tags, target_name
from mlarchive.registries.mlflow.writing_aliases import plan_aliases
from mlarchive.registries.mlflow.writing_named import (
    clear,
    model_at_target,
    plan_named,
    plan_named_marks,
)
from mlarchive.registries.mlflow.writing_run import find_run
from mlarchive.registries.mlflow.writing_version import (
    announce,
    create_numbered,
    find_place,
    plan_sweep,
    plan_version_marks,
    version_at,
    writes,
)


def plan_prompt_version(work: Work, origin: str, subject: PromptVersion) -> Address:
    """Plan a version with its prompt.

    Raises:
        ConflictError: The name or the number is taken, and the policy is `fail`.
    """
    clear(work, subject)
    place = find_place(work, subject)
    name = target_name(work, subject)
    target = Address(origin=origin, kind="prompts", name=name, version=str(place.expected))
    plan_sweep(work, subject, place)
    if place.how == "skip":
        work.step("skip", f"prompts/{name}/{place.expected}", place.why)
        return target
    prompt = work.snapshot.by_key.get(subject.prompt)
    if not isinstance(prompt, Prompt):
        prompt = Prompt(key=f"prompt of {subject.key}", name=subject.name)
    plan_prompt(work, prompt, name)
    _plan_version(work, subject, place)
    return target


def plan_prompt_alone(work: Work, origin: str, subject: Prompt) -> Address:
    """Plan a prompt by itself, without any version.

    Raises:
        ConflictError: The name is a model's.
    """
    name = work.policy.named(subject.name)
    clear(work, subject)
    plan_prompt(work, subject, name)
    plan_named_marks(work, subject, name)
    return Address(origin=origin, kind="prompts", name=name)


def plan_prompt(work: Work, record: Prompt, name: str) -> None:
    """Plan a prompt's creation or its labels."""
    found = model_at_target(work, name, prompt=True)
    plan_named(work, record, name, found, prompts.prompt_labels(found.tags) if found else {})
    linked = link_experiments(work, record)
    held = prompts.ids_in(found.tags.get(prompts.EXPERIMENTS, "")) if found else []
    exact = not found or found.tags.get(marks.ORIGIN) == marks.origin_of(record, work.snapshot)
    known = {work.ids[key] for key in linked if key in work.ids}
    if len(known) == len(linked) and known <= set(held) and not (exact and set(held) - known):
        return

    def link() -> None:
        # Somebody else's prompt keeps its own links.
        ids = dict.fromkeys([*([] if exact else held), *(work.ids[key] for key in linked)])
        if ids:
            tag = RegisteredModelTag(prompts.EXPERIMENTS, prompts.ids_as_tag(ids))
            work.connection.models.set_registered_model_tag(name, tag)
        else:
            work.connection.models.delete_registered_model_tag(name, prompts.EXPERIMENTS)

    work.step("update", f"experiments of prompts/{name}", "as at the source", link)


def _plan_version(work: Work, record: PromptVersion, place: Place) -> None:
    name = target_name(work, record)
    what = f"prompts/{name}/{place.expected}"
    before = len(work.steps)
    current = None
    if place.how == "create":
        if str(place.expected) != record.version:
            work.change(what, "version", f"it is version {record.version} at the source")
        work.change(what, "creation time", "the target states when it was written there")
        create = partial(
            create_numbered,
            work,
            record,
            place,
            make=lambda: _make(work, record, what),
            promote=lambda: _promote(work, record, what),
        )
        work.step("create", what, "not there yet", create)
    else:
        work.ids[record.key] = str(place.number)
        current = version_at(work, record, place)
        if place.how == "finish":
            work.step("update", what, place.why, lambda: _promote(work, record, what))
    _plan_runs(work, record, what, current)
    base = base_of(work.policy, current.tags if current and place.how == "held" else None)
    _plan_labels(work, record, what, current, base)
    plan_aliases(work, record, what, place, base)
    announce(work, record, what, current, before)
    plan_version_marks(work, record, what, current)
    if len(work.steps) == before:
        work.step("keep", what, "same content and labels")


def _plan_runs(work: Work, record: PromptVersion, what: str, current: MlflowVersion | None) -> None:
    """Plan the tag by which MLflow 2 told the runs that used a version, as far as they are here."""
    ids = prompts.ids_in(record.native.also.get("runs", ""))
    if not ids:
        return
    source = work.snapshot.address.origin
    experiments = [e.experiment_id for e in all_experiments(work.connection)]
    there = []
    for one in ids:
        address = Address(origin=source, kind="runs", name=one)
        found = find_run(work.connection, marks.origin_mark(address), experiments)
        if found:
            there.append(found[0].info.run_id)
        else:
            why = f"run {one} is not at the target; its id stays in the package"
            work.change(what, "runs that used it", why)
    value = ",".join(there)
    if there and value != (current.tags if current else {}).get(prompts.RUNS):
        tag = ModelVersionTag(prompts.RUNS, value)
        name = target_name(work, record)
        work.step(
            "update",
            f"runs that used {what}",
            "they are here too",
            lambda: work.connection.models.set_model_version_tag(name, work.ids[record.key], tag),
        )


def _content(work: Work, record: PromptVersion, what: str) -> Tags:
    tags = prompts.content_tags(record)
    return cut(work, what, "tag", tags, MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH)


def _make(work: Work, record: PromptVersion, what: str) -> MlflowVersion:
    marked = {
        marks.ORIGIN: marks.origin_of(record, work.snapshot),
        marks.PLACEHOLDER: "true",
        **_content(work, record, what),
    }
    with once():
        version: MlflowVersion = work.connection.models.create_model_version(
            name=target_name(work, record),
            source=prompts.SOURCE,
            tags=[ModelVersionTag(tag, value) for tag, value in marked.items()],
            description=record.message,
        )
    return version


def _promote(work: Work, record: PromptVersion, what: str) -> None:
    """Check that a placeholder holds the template, and make it the version.

    Raises:
        RemoteError: It does not.
    """
    name, number = target_name(work, record), work.ids[record.key]
    held = work.connection.models.get_model_version(name, number).tags
    for tag, value in _content(work, record, what).items():
        # The client shows a version without the tag that makes it a prompt's.
        if tag != prompts.IS_PROMPT and held.get(tag) != value:
            raise RemoteError(
                f"{tag} of {what} at {work.connection.uri} is not as it was sent",
                hint="it was changed there while it was written; run the same command again",
            )
    work.connection.models.delete_model_version_tag(name, number, marks.PLACEHOLDER)


def _plan_labels(
    work: Work,
    record: PromptVersion,
    what: str,
    current: MlflowVersion | None,
    base: Given | None,
) -> None:
    name = target_name(work, record)
    store = work.connection.models

    def number() -> str:
        return work.ids[record.key]

    settings = {prompts.MODEL_SETTINGS: record.model_settings} if record.model_settings else {}
    wanted = record.tags | settings
    tags = cut(work, what, "tag", wanted, MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH)
    work.given[record.key] = said(tags, record.message, record.aliases)
    held = (current.description if current else "") or ""
    if (
        current
        and record.message != held
        and writes(work, what, "message", held, record.message, base)
    ):
        work.step(
            "update",
            f"message of {what}",
            "changed",
            lambda: store.update_model_version(name, number(), record.message),
        )
    plan_tags(
        work,
        what,
        tags,
        prompts.version_labels(current.tags) if current else {},
        put=lambda tag, value: store.set_model_version_tag(
            name, number(), ModelVersionTag(tag, value)
        ),
        drop=lambda tag: store.delete_model_version_tag(name, number(), tag),
        before=base,
    )
