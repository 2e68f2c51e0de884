"""What a target remembers of an object of some origin (clauses 4 and 5.2)."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from mlarchive.errors import NotFoundError
from mlarchive.records import Address
from mlarchive.registries.base import Holding, Selector, WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.given import given_in
from mlarchive.registries.mlflow.remembering import copied_into, known_for_good, whole
from mlarchive.registries.mlflow.scorers import selected_scorers
from mlarchive.registries.mlflow.selecting import all_experiments, registered_model, versions_of
from mlarchive.registries.mlflow.webhooks import all_webhooks
from mlarchive.registries.mlflow.writing_dataset import held_dataset
from mlarchive.registries.mlflow.writing_run import find_run
from mlarchive.registries.selecting import WITH_VERSIONS


def all_held(
    connection: Connection, origin: str, sources: Sequence[Address], policy: WritePolicy
) -> Iterator[Holding | None]:
    """What `held` says of each; the versions of a model are asked for once, and not one by one."""
    numbered: dict[tuple[str, str], Mapping[str, Holding]] = {}
    for source in sources:
        if source.kind in WITH_VERSIONS and source.version:
            model = (source.kind, policy.named(source.name))
            if model not in numbered:
                numbered[model] = _versions_by_mark(connection, origin, *model)
            yield numbered[model].get(marks.origin_mark(source))
        else:
            yield held(connection, origin, source, policy)


def held(
    connection: Connection, origin: str, source: Address, policy: WritePolicy
) -> Holding | None:
    """What the target remembers of an object; None if it never got it whole."""
    mark = marks.origin_mark(source)
    if source.kind == "registered-models" or (source.kind == "prompts" and not source.version):
        return _held_alone(connection, origin, source, policy)
    if source.kind in {"experiments", "scorers", "webhooks"}:
        return _held_by_memory(connection, origin, source.kind, mark)
    if source.kind == "evaluation-datasets":
        dataset = held_dataset(connection, mark)
        address = Address(origin=origin, kind=source.kind, name=dataset[0] if dataset else "")
        return _holding(address, {}, dataset[1]) if dataset else None
    if source.kind in WITH_VERSIONS:
        name = policy.named(source.name)
        return _versions_by_mark(connection, origin, source.kind, name).get(mark)
    experiments = [e.experiment_id for e in all_experiments(connection)]
    runs = find_run(connection, mark, experiments) if source.kind == "runs" else []
    for run in runs:
        tags, origins = run.data.tags, marks.origins_in(run.data.tags)
        if mark in origins and marks.CONTENT_ID in tags:
            address = Address(origin=origin, kind="runs", name=run.info.run_id)
            return msgspec.structs.replace(
                _holding(address, {}, {**tags, marks.STATE_ID: origins[mark]}),
                deleted=run.info.lifecycle_stage == "deleted",
            )
    return None


def _held_by_memory(connection: Connection, origin: str, kind: str, mark: str) -> Holding | None:
    """Of what has no tags of its own, and may be gone while it is remembered."""
    every = all_experiments(connection)
    found, experiment = whole(every, mark)
    if kind == "scorers":
        there = {one.called for one in selected_scorers(connection, Selector(kind=kind))}
    elif kind == "experiments":
        there = {one.name for one in every}
    else:
        there = {one.webhook_id for one in all_webhooks(connection)}
    if found is None or experiment is None or found.name not in there:
        return None
    of_itself = kind == "experiments"
    places = copied_into(experiment) if of_itself else found.places
    return Holding(
        address=Address(origin=origin, kind=kind, name=found.name),
        content_id=found.content_id,
        state_id=found.also.get(mark, found.state_id),
        lasting=known_for_good(experiment) if of_itself else (),
        also=tuple(place for place in places if place != mark),
        deleted=of_itself and experiment.lifecycle_stage == "deleted",
    )


def _versions_by_mark(
    connection: Connection, origin: str, kind: str, name: str
) -> Mapping[str, Holding]:
    """The versions of a model or a prompt that came whole, by what says where from."""
    address = Address(origin=origin, kind=kind, name=name)
    found: dict[str, Holding] = {}
    for version in versions_of(connection, name, prompt=kind == "prompts"):
        if marks.ORIGIN in version.tags and marks.CONTENT_ID in version.tags:
            part = {"version": str(version.version)}
            # The highest number counts where several came from one.
            for mark, state_id in marks.origins_in(version.tags).items():
                tags = {**version.tags, marks.STATE_ID: state_id}
                found.setdefault(mark, _holding(address, part, tags))
    return found


def _held_alone(
    connection: Connection, origin: str, source: Address, policy: WritePolicy
) -> Holding | None:
    """What it remembers of a model or a prompt by itself."""
    kind = "prompts" if source.kind == "prompts" else "registered-models"
    mark = marks.origin_mark(Address(origin=source.origin, kind=kind, name=source.name))
    name = policy.named(source.name)
    with contextlib.suppress(NotFoundError):
        tags = registered_model(connection, name).tags
        origins = marks.origins_in(tags)
        if mark in origins and marks.CONTENT_ID in tags:
            found = _holding(
                Address(origin=origin, kind=source.kind, name=name),
                {},
                {**tags, marks.STATE_ID: origins[mark]},
            )
            also = tuple(place for place in origins if place != mark)
            return msgspec.structs.replace(found, also=also)
    return None


def _holding(address: Address, part: dict[str, str], tags: dict[str, str]) -> Holding:
    said = given_in(tags)
    return Holding(
        address=msgspec.structs.replace(address, **part),
        content_id=tags[marks.CONTENT_ID],
        state_id=tags.get(marks.STATE_ID, ""),
        aliases=said.aliases if said else (),
    )
