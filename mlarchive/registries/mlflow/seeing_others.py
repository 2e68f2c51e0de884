"""What has no run behind it, as a mirror sees it from afar (clauses 6 to 11)."""

from collections.abc import Callable, Iterator, Mapping

import msgspec
from mlflow.entities.model_registry import ModelVersion

from mlarchive.records import Address
from mlarchive.registries.base import Ref, Selector, Traits, tag_traits
from mlarchive.registries.marking import digest
from mlarchive.registries.mlflow import marks, prompts
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.evaluationdatasets import experiment_ids, selected_datasets
from mlarchive.registries.mlflow.labelmarks import prompt_state, prompt_version_state
from mlarchive.registries.mlflow.listing import is_alone
from mlarchive.registries.mlflow.loggedmodels import logged_content, of_no_run
from mlarchive.registries.mlflow.others import selected_others
from mlarchive.registries.mlflow.remembering import (
    Remembered,
    origin_parts,
    remembered,
    scorer_tag,
)
from mlarchive.registries.mlflow.scorers import online_of, selected_scorers, versions_of_scorer
from mlarchive.registries.mlflow.seeing_traces import newest_traces
from mlarchive.registries.mlflow.selecting import (
    all_experiments,
    selected_experiments,
    selected_models,
    selected_prompts,
    selected_versions,
    unfinished,
)
from mlarchive.registries.mlflow.webhooks import mark_of, selected_webhooks, webhook_record


def see_others(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    """Every selected object of the kinds in `SEEN`.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    yield from SEEN[selector.kind](connection, origin, selector)


def _experiments(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    for one in selected_experiments(connection, selector):
        if marks.CARRIER in one.tags:
            continue
        address = Address(origin=origin, kind="experiments", name=one.name)
        traces = newest_traces(connection, one.experiment_id)
        labels = marks.state_tags(one.tags)
        models = [found.model for found in of_no_run(connection, one.experiment_id)]
        content: list[object] = [traces, *map(logged_content, models)]
        tagged = [marks.logged_model_tags(m.tags or {}) for m in models]
        state: list[object] = [one.name, one.lifecycle_stage, labels, *([tagged] if tagged else [])]
        by_id = msgspec.structs.replace(address, name=one.experiment_id)
        seen = _ref(address, one.tags, content, state)
        yield msgspec.structs.replace(seen, lasting=marks.origin_mark(by_id))


def _models(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    for model in selected_models(connection, selector):
        address = Address(origin=origin, kind="registered-models", name=model.name)
        state = [model.description, marks.state_tags(model.tags)]
        yield _ref(address, model.tags, [], state)


def _prompts(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    names = _experiment_names(connection)
    for prompt in selected_prompts(connection, selector):
        state = prompt_state(prompt, names)
        versions = selected_versions(connection, prompt, selector, placeholders=True)
        for version in versions:
            yield _version_ref(origin, version, state)
        if is_alone(versions, selector):
            address = Address(origin=origin, kind="prompts", name=prompt.name)
            yield _ref(address, prompt.tags, [], state)


def _version_ref(origin: str, version: ModelVersion, prompt: list[object]) -> Ref:
    number = str(version.version)
    seen = _ref(
        Address(origin=origin, kind="prompts", name=version.name, version=number),
        version.tags,
        [prompts.fields_of(version.tags)],
        prompt_version_state(version, prompt),
    )
    traits = Traits(
        aliases=tuple(version.aliases),
        tags=tag_traits(prompts.version_labels(version.tags)),
        made_at=version.creation_timestamp,
    )
    return msgspec.structs.replace(seen, traits=traits, unfinished=unfinished(version))


def _datasets(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    names = _experiment_names(connection)
    for dataset in selected_datasets(connection, selector):
        tags = dataset.tags or {}
        ids = experiment_ids(connection, dataset.dataset_id)
        yield _ref(
            Address(origin=origin, kind="evaluation-datasets", name=dataset.dataset_id),
            tags,
            [dataset.digest, dataset.schema, dataset.profile],
            [marks.state_tags(tags), sorted({names.get(one, "") for one in ids})],
        )


def _scorers(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    for one in selected_scorers(connection, selector):
        experiment_id = one.experiment.experiment_id
        mark = remembered(one.experiment.tags, scorer_tag(one.name))
        yield _marked(
            Address(origin=origin, kind="scorers", name=one.called),
            mark,
            [sorted(versions_of_scorer(connection, experiment_id, one.name).items())],
            [
                online_of(connection, one.id, experiment_id),
                marks.state_tags(one.experiment.tags),
            ],
        )


def _webhooks(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    for one in selected_webhooks(connection, selector):
        record = webhook_record(one)
        yield _marked(
            Address(origin=origin, kind="webhooks", name=one.webhook_id),
            mark_of(connection, one.webhook_id),
            [record.url, record.events],
            [record.name, record.description, record.status],
        )


def _others(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    for one in selected_others(connection, selector):
        address = Address(origin=origin, kind="other-objects", name=one.name)
        yield _marked(address, None, [one.found], [one.unread])


def _marked(
    address: Address, mark: Remembered | None, content: list[object], state: list[object]
) -> Ref:
    whence, through = origin_parts(mark)
    return Ref(
        address=address,
        content_mark=digest(content),
        state_mark=digest(state),
        origin=whence,
        through=through,
    )


def _experiment_names(connection: Connection) -> dict[str, str]:
    return {e.experiment_id: e.name for e in all_experiments(connection)}


def _ref(
    address: Address, tags: Mapping[str, str], content: list[object], state: list[object]
) -> Ref:
    return Ref(
        address=address,
        content_mark=digest(content),
        state_mark=digest(state),
        origin=tags.get(marks.ORIGIN, ""),
        adopted=marks.ADOPTED in tags,
        through=marks.came_through(tags),
    )


SEEN: Mapping[str, Callable[[Connection, str, Selector], Iterator[Ref]]] = {
    "experiments": _experiments,
    "registered-models": _models,
    "prompts": _prompts,
    "evaluation-datasets": _datasets,
    "scorers": _scorers,
    "webhooks": _webhooks,
    "other-objects": _others,
}
"""The kinds that are seen here."""
