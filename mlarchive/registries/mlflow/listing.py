"""What there is, line by line: `mlarchive ls` of a server."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from mlflow.entities import EvaluationDataset, Experiment, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from mlarchive.errors import UnavailableError, UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import Listing, Selector, Traits, tag_traits
from mlarchive.registries.mlflow import marks, prompts
from mlarchive.registries.mlflow.allowing import allowed
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.evaluationdatasets import experiment_ids, selected_datasets
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.labelmarks import stage_of
from mlarchive.registries.mlflow.others import selected_others
from mlarchive.registries.mlflow.remembering import Remembered, remembered, scorer_tag
from mlarchive.registries.mlflow.scorers import selected_scorers
from mlarchive.registries.mlflow.selecting import (
    all_experiments,
    selected_experiments,
    selected_models,
    selected_prompts,
    selected_runs,
    selected_versions,
    unfinished,
)
from mlarchive.registries.mlflow.webhooks import mark_of, selected_webhooks
from mlarchive.registries.redaction import without_credentials


def list_objects(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    """List what a selector means; without a kind, all but runs.

    Raises:
        NotFoundError: One thing is named exactly and is not there.
        UnsupportedError: A server has no objects of that kind.
    """
    refuse_other_kinds(connection, selector)
    if selector.kind:
        yield from _LISTED[selector.kind](connection, origin, selector)
        return
    for kind, listed in _LISTED.items():
        if kind != "runs":
            yield from allowed(connection, kind, partial(listed, connection, origin, selector))


def _models(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    for model in selected_models(connection, selector):
        for version in selected_versions(connection, model, selector, placeholders=True):
            yield list_version(origin, version)


def _models_alone(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    for model in selected_models(connection, selector):
        # Where all is listed, a model that has versions is named by these.
        if selector.kind or not model.latest_versions:
            yield list_alone(origin, "registered-models", model)


def _prompts(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    for prompt in selected_prompts(connection, selector):
        versions = selected_versions(connection, prompt, selector, placeholders=True)
        yield from (_prompt_version(origin, version) for version in versions)
        if is_alone(versions, selector):
            yield list_alone(origin, "prompts", prompt)


def _datasets(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    names = {one.experiment_id: one.name for one in all_experiments(connection)}
    for one in selected_datasets(connection, selector):
        ids = experiment_ids(connection, one.dataset_id)
        yield _dataset(origin, one, tuple(names[there] for there in ids if there in names))


def _scorers(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    for one in selected_scorers(connection, selector):
        mark = remembered(one.experiment.tags, scorer_tag(one.name))
        address = Address(origin=origin, kind="scorers", name=one.called)
        traits = Traits(experiments=(one.experiment.name,))
        yield _remembered(address, one.name, mark, traits)


def _webhooks(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    try:
        with speaking(connection.uri):
            found = selected_webhooks(connection, selector)
    except UnavailableError as error:
        # A server that lost the key of their secrets fails here, and must not hide all the rest.
        if selector.kind:
            raise
        address = Address(origin=origin, kind="webhooks", name="*")
        yield Listing(address=address, title=f"cannot be listed: {error.message}")
        return
    for one in found:
        address = Address(origin=origin, kind="webhooks", name=one.webhook_id)
        traits = Traits(made_at=one.creation_timestamp)
        yield _remembered(address, one.name, mark_of(connection, one.webhook_id), traits)


def _others(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    for one in selected_others(connection, selector):
        yield Listing(
            address=Address(origin=origin, kind="other-objects", name=one.name),
            title=one.unread or "kept as evidence only",
            facts={"count": str(len(one.found))} if one.found else {},
        )


def _remembered(address: Address, title: str, mark: Remembered | None, traits: Traits) -> Listing:
    return Listing(
        address=address,
        title=title,
        facts={"origin": mark.origin} if mark else {},
        content_id=mark.content_id if mark else "",
        state_id=mark.state_id if mark else "",
        traits=traits,
    )


def _runs(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    runs = selected_runs(connection, selector)
    names = {one.experiment_id: one.name for one in all_experiments(connection)}
    yield from (list_run(origin, run, names) for run in runs)


def _experiments(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    # One that only holds files of versions is no object, and is told of where it alone is named.
    for one in selected_experiments(connection, selector):
        if marks.CARRIER not in one.tags or not (selector.pattern or not selector.name):
            yield list_experiment(origin, one)


def is_alone(versions: Sequence[ModelVersion], selector: Selector) -> bool:
    """Whether a prompt is an object by itself, as it has no version that could name it."""
    return not versions and not selector.version and not selector.alias


def refuse_other_kinds(connection: Connection, selector: Selector) -> None:
    """Refuse what a server never has.

    Raises:
        UnsupportedError: The kind is none of a server's.
    """
    if selector.kind not in {"", *_LISTED}:
        raise UnsupportedError(
            f"{connection.uri} has no {selector.kind}", hint=f"it has {', '.join(_LISTED)}"
        )


def _title(version: ModelVersion) -> str:
    aliases = ", ".join(f"@{alias}" for alias in version.aliases)
    return unfinished(version) or aliases or version.description or ""


def list_version(origin: str, version: ModelVersion) -> Listing:
    """A version of a model, as a line."""
    facts = {
        "aliases": " ".join(version.aliases),
        "stage": stage_of(version),
        "run": version.run_id or "",
        "status": version.status or "",
        "origin": version.tags.get(marks.ORIGIN, ""),
    }
    return Listing(
        address=Address(
            origin=origin, kind="models", name=version.name, version=str(version.version)
        ),
        title=_title(version),
        facts=_said(facts),
        content_id=version.tags.get(marks.CONTENT_ID, ""),
        state_id=version.tags.get(marks.STATE_ID, ""),
        description=version.description or "",
        source=without_credentials(version.source or ""),
        updated_at=version.last_updated_timestamp,
        traits=version_traits(version),
    )


def version_traits(version: ModelVersion) -> Traits:
    """What a version, with its aliases, may be chosen by."""
    return Traits(
        aliases=tuple(version.aliases),
        stage=stage_of(version),
        tags=tag_traits(marks.state_tags(version.tags)),
        made_at=version.creation_timestamp,
    )


def run_traits(run: Run, experiment: str) -> Traits:
    """What a run may be chosen by.

    Args:
        run: As a search tells it.
        experiment: The name of its experiment.
    """
    return Traits(
        tags=tag_traits(marks.state_tags(run.data.tags)),
        made_at=run.info.start_time,
        deleted=run.info.lifecycle_stage != "active",
        experiments=(experiment,),
    )


def _prompt_version(origin: str, version: ModelVersion) -> Listing:
    facts = {
        "aliases": " ".join(version.aliases),
        "type": prompts.fields_of(version.tags).get("template_type", ""),
        "origin": version.tags.get(marks.ORIGIN, ""),
    }
    return Listing(
        address=Address(
            origin=origin, kind="prompts", name=version.name, version=str(version.version)
        ),
        title=_title(version),
        facts=_said(facts),
        content_id=version.tags.get(marks.CONTENT_ID, ""),
        state_id=version.tags.get(marks.STATE_ID, ""),
        traits=Traits(
            aliases=tuple(version.aliases),
            tags=tag_traits(prompts.version_labels(version.tags)),
            made_at=version.creation_timestamp,
        ),
    )


def list_alone(origin: str, kind: str, model: RegisteredModel) -> Listing:
    """A registered model, or a prompt, without its versions, as a line."""
    facts = {
        "versions": "" if model.latest_versions else "none",
        "origin": model.tags.get(marks.ORIGIN, ""),
    }
    return Listing(
        address=Address(origin=origin, kind=kind, name=model.name),
        title=model.description or "",
        facts=_said(facts),
        content_id=model.tags.get(marks.CONTENT_ID, ""),
        state_id=model.tags.get(marks.STATE_ID, ""),
        description=model.description or "",
        updated_at=model.last_updated_timestamp,
        traits=Traits(
            tags=tag_traits(prompts.prompt_labels(model.tags)), made_at=model.creation_timestamp
        ),
    )


def list_run(origin: str, run: Run, experiments: Mapping[str, str]) -> Listing:
    """A run, as a line.

    Args:
        origin: Of the server.
        run: As a search tells it.
        experiments: Names of all experiments by id.
    """
    facts = {
        "status": run.info.status,
        "started": _time(run.info.start_time),
        "experiment": run.info.experiment_id,
        "lifecycle": "" if run.info.lifecycle_stage == "active" else run.info.lifecycle_stage,
    }
    return Listing(
        address=Address(origin=origin, kind="runs", name=run.info.run_id),
        title=run.info.run_name or "",
        facts=_said(facts),
        traits=run_traits(run, experiments.get(run.info.experiment_id, "")),
    )


def list_experiment(origin: str, experiment: Experiment) -> Listing:
    """An experiment, as a line."""
    deleted = experiment.lifecycle_stage != "active"
    facts = {
        "id": experiment.experiment_id,
        "lifecycle": str(experiment.lifecycle_stage) if deleted else "",
    }
    return Listing(
        address=Address(origin=origin, kind="experiments", name=experiment.name),
        facts=_said(facts),
        traits=Traits(
            tags=tag_traits(marks.state_tags(experiment.tags)),
            made_at=experiment.creation_time,
            deleted=deleted,
            experiments=(experiment.name,),
        ),
    )


def _dataset(origin: str, dataset: EvaluationDataset, experiments: tuple[str, ...]) -> Listing:
    tags = dataset.tags or {}
    return Listing(
        address=Address(origin=origin, kind="evaluation-datasets", name=dataset.dataset_id),
        title=dataset.name,
        facts=_said({"digest": dataset.digest or "", "origin": tags.get(marks.ORIGIN, "")}),
        content_id=tags.get(marks.CONTENT_ID, ""),
        state_id=tags.get(marks.STATE_ID, ""),
        traits=Traits(
            tags=tag_traits(marks.state_tags(tags)),
            made_at=dataset.created_time,
            experiments=experiments,
        ),
    )


def _said(facts: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}


def _time(ms: int | None) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds") if ms else ""


_LISTED: Mapping[str, Callable[[Connection, str, Selector], Iterator[Listing]]] = {
    "models": _models,
    "registered-models": _models_alone,
    "prompts": _prompts,
    "evaluation-datasets": _datasets,
    "scorers": _scorers,
    "webhooks": _webhooks,
    "other-objects": _others,
    "runs": _runs,
    "experiments": _experiments,
}
"""What a server has, in the order in which it is listed."""
