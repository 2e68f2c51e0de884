"""Writes what versions belong to: a registered model, or a prompt (clauses 3.4 and 7.3).

MLflow keeps both in one table, so one name is one of the two.
"""

import contextlib
from functools import partial

from mlflow.entities.model_registry import RegisteredModel as MlflowModel
from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

from mlarchive.errors import ConflictError, NotFoundError
from mlarchive.records import ModelVersion, Prompt, PromptVersion, RegisteredModel, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import base_of, mark_of, merged, said
from mlarchive.registries.mlflow.prompts import IS_PROMPT
from mlarchive.registries.mlflow.selecting import is_prompt, registered_model, versions_of
from mlarchive.registries.mlflow.sourcetags import source_tags
from mlarchive.registries.mlflow.work import Work, cut, plan_given, plan_tags


def model_at_target(work: Work, name: str, *, prompt: bool = False) -> MlflowModel | None:
    """The registered model, or the prompt; None if it is not there, or is deleted first.

    Raises:
        ConflictError: The name belongs to the other of the two.
    """
    found = None
    if name in work.cleared:
        return None
    with contextlib.suppress(NotFoundError):
        found = registered_model(work.connection, name)
    if found and is_prompt(found) is not prompt:
        other, this = ("model", "prompt") if prompt else ("prompt", "model")
        raise ConflictError(
            f"{name!r} is a {other} at {work.connection.uri}, and MLflow has no {this} of the same"
            " name beside it",
            hint="write it under another name: --rename NAME",
        )
    return found


def clear(work: Work, record: RegisteredModel | ModelVersion | Prompt | PromptVersion) -> None:
    """Take what has the name at the target as deleted, where that is asked for.

    It is when the new one is to be created, with everything else in its place, and not before.
    Deleted with its versions, it gives their numbers again.

    Raises:
        ConflictError: The name belongs to a prompt instead of a model, or the other way round; or
            what has it is the very source.
    """
    prompt = isinstance(record, Prompt | PromptVersion)
    name = work.policy.named(record.name)
    found = model_at_target(work, name, prompt=prompt) if work.policy.delete_first else None
    if found is None:
        return
    # A server has many names; no two make one at the same millisecond.
    records = work.snapshot.records
    made = {one.native.created for one in records if isinstance(one, RegisteredModel | Prompt)}
    if name == record.name and (work.from_here or found.creation_timestamp in made):
        raise ConflictError(
            f"{name!r} at {work.connection.uri} is what is copied, and is not deleted for it",
            hint="leave --delete-first out, or write it under another name: --rename NAME",
        )
    work.cleared.add(name)


def plan_registered_model(work: Work, record: RegisteredModel, name: str) -> None:
    """Plan a registered model's creation or its labels."""
    found = model_at_target(work, name)
    plan_named(work, record, name, found, marks.state_tags(found.tags) if found else {})


def plan_model_of(work: Work, version: ModelVersion, name: str) -> None:
    """Plan the model of a version, which is one without labels where no record tells of it."""
    registered = work.snapshot.by_key.get(version.registered_model)
    if not isinstance(registered, RegisteredModel):
        registered = RegisteredModel(key=f"registered-model of {version.key}", name=version.name)
    plan_registered_model(work, registered, name)


def plan_named(
    work: Work,
    record: RegisteredModel | Prompt,
    name: str,
    found: MlflowModel | None,
    present: Tags,
) -> None:
    """Plan what a registered model and a prompt have in common: creation, description, tags.

    Args:
        work: Gets the steps.
        record: Either.
        name: At the target.
        found: What is there; None for nothing.
        present: Its labels.
    """
    prompt = isinstance(record, Prompt)
    what = f"{'prompts' if prompt else 'models'}/{name}"
    store = work.connection.models
    origin = marks.origin_of(record, work.snapshot)
    ours = found is None or found.tags.get(marks.ORIGIN) == origin
    told = source_tags(work, record) if ours and isinstance(record, RegisteredModel) else {}
    tags = cut(work, what, "tag", {**record.tags, **told}, MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH)
    given = said(tags, record.description)
    first = len(work.steps)
    if name in work.cleared:
        versions = len(versions_of(work.connection, name, prompt=prompt))
        why = f"as asked, with {versions} version{'s' if versions != 1 else ''}"
        work.step_once("delete", what, why, partial(store.delete_registered_model, name))
    if found is None:
        marked = {marks.ORIGIN: origin, **mark_of(given), **tags} | (
            {IS_PROMPT: "true"} if prompt else {}
        )
        create = partial(
            store.create_registered_model,
            name,
            [RegisteredModelTag(tag, value) for tag, value in marked.items()],
            record.description,
        )
        work.step_once("create", what, "not there yet", create)
        return
    base = base_of(work.policy, found.tags) if ours else None
    held = found.description or ""
    if held != record.description and base is not None:
        verdict = merged(held or None, record.description, base.of_text("description"))
    else:
        verdict = "write" if ours or not held else "lose"
    if held != record.description and verdict == "write":
        update = partial(store.update_registered_model, name, record.description)
        work.step("update", f"description of {what}", "changed", update)
    elif held != record.description and verdict == "lose":
        why = f"the target's own {'prompt' if prompt else 'model'} has another one, which stays"
        work.lose(what, "description", why)
    plan_tags(
        work,
        what,
        tags,
        present,
        put=lambda tag, value: store.set_registered_model_tag(name, RegisteredModelTag(tag, value)),
        drop=lambda tag: store.delete_registered_model_tag(name, tag),
        exact=ours,
        before=base,
    )
    if ours:
        plan_given(work, what, found.tags, given, first, partial(_set_tags, work, name))


def _set_tags(work: Work, name: str, tags: Tags) -> None:
    for tag, value in tags.items():
        work.connection.models.set_registered_model_tag(name, RegisteredModelTag(tag, value))


def plan_named_marks(work: Work, record: RegisteredModel | Prompt, name: str) -> None:
    """Plan the marks that make a model or a prompt count as written by itself."""
    prompt = isinstance(record, Prompt)
    what = f"{'prompts' if prompt else 'models'}/{name}"
    found = model_at_target(work, name, prompt=prompt)
    held = found.tags if found else {}
    wanted = {
        marks.CONTENT_ID: work.snapshot.content_id,
        marks.STATE_ID: work.snapshot.state_id,
        **marks.path_marks(record, work.snapshot),
    }
    origin = marks.origin_of(record, work.snapshot)
    if found and held.get(marks.ORIGIN) != origin:
        # It is another's, and its labels stay; that this came too is remembered beside.
        origins = {**marks.origins_in(held), origin: work.snapshot.state_id}
        wanted = {
            marks.CONTENT_ID: work.snapshot.content_id,
            **marks.also_mark(origins, held.get(marks.ORIGIN, "")),
        }
    lacking = {tag: value for tag, value in wanted.items() if held.get(tag) != value}

    if lacking:
        remember = partial(_set_tags, work, name, lacking)
        work.step("update", f"marks of {what}", "content and state ids", remember)
    elif len(work.steps) == 0:
        work.step("keep", what, "same content and labels")
