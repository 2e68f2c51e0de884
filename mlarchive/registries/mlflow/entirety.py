"""A whole server as one source: which objects make it up, and in which order a target gets them.

Everything is carried once. A run that model versions bring whole is no object by itself, unless
another run names it as its parent: that one can be linked only to what is there already. A version
whose files are in a place of their own may fail alone, so it answers for nothing but itself.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from mlflow.entities import Experiment, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from msgspec import Struct

from mlarchive.errors import NotFoundError
from mlarchive.records import Address
from mlarchive.registries.base import Choose, Listing, Selector
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.allowing import allowed
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.listing import (
    list_alone,
    list_experiment,
    list_objects,
    list_run,
    list_version,
)
from mlarchive.registries.mlflow.loggedmodels import logged_models_in
from mlarchive.registries.mlflow.reading_model import outputs_of
from mlarchive.registries.mlflow.reading_version import is_of_record, logged_model_id
from mlarchive.registries.mlflow.selecting import (
    all_experiments,
    all_versions,
    run_of,
    runs_in,
    selected_models,
    selected_versions,
    unfinished,
)
from mlarchive.registries.ordering import Order, RunInOrder, ages, in_order, parents_first

T = TypeVar("T")

_LISTED = (
    "prompts",
    "evaluation-datasets",
    "scorers",
    "other-objects",
    "webhooks",
)
"""Kinds of which each object is one by itself."""


class Entirety(Struct, frozen=True, kw_only=True):
    """The experiments, runs and models of a server.

    Attributes:
        experiments: All, deleted ones too.
        found: All runs by their ids.
        order: Of all runs.
        parents: Runs that others name as their parents.
        models: Registered models with their versions, and with what is to become one.
        bringing: Names of the models that a version brings, or what is to become one.
        runs: Runs that neither are parents nor come whole with a version.
    """

    experiments: Sequence[Experiment]
    found: Mapping[str, Run]
    order: Order
    parents: Sequence[Run]
    models: Sequence[tuple[RegisteredModel, Sequence[ModelVersion]]]
    bringing: frozenset[str]
    runs: Sequence[Run]


def entirety(connection: Connection, choose: Choose = list) -> Entirety:
    """Look at all runs, registered models and versions of a server.

    Args:
        connection: To it.
        choose: Which of them are wanted; a run is left to those versions alone that are.
    """
    everything = all_experiments(connection)
    found = {r.info.run_id: r for r in runs_in(connection, [e.experiment_id for e in everything])}
    named = [
        RunInOrder(
            id=run.info.run_id,
            parent=run.data.tags.get(marks.PARENT_RUN, ""),
            start=run.info.start_time or 0,
        )
        for run in found.values()
    ]
    order = parents_first(named)
    selector = Selector(kind="models")
    every = all_versions(connection)
    models = [
        (model, _wanted(choose, _versions(connection, model, selector, every), list_version))
        for model in selected_models(connection, selector)
    ]
    names = {one.experiment_id: one.name for one in everything}
    list_one = partial(list_run, experiments=names)
    sound = [one for _, versions in models for one in versions if _is_at_hand(one, found)]
    carried = _carried(found, sound, _makers(connection, everything, sound))
    return Entirety(
        experiments=everything,
        found=found,
        order=order,
        parents=_wanted(choose, [found[one] for one in order.parents], list_one),
        models=models,
        bringing=frozenset(version.name for version in sound),
        runs=_wanted(choose, [found[one] for one in order.others if one not in carried], list_one),
    )


def everything_at(connection: Connection, origin: str, choose: Choose = list) -> list[Address]:
    """The addresses of all wanted objects of a server, in the order in which a target gets them."""
    whole = entirety(connection, choose)
    found = [
        Address(origin=origin, kind="runs", name=run.info.run_id)
        for run in (*whole.parents, *whole.runs)
    ]
    for model, versions in whole.models:
        numbers = [str(version.version) for version in versions if not unfinished(version)]
        found += [
            Address(origin=origin, kind="models", name=model.name, version=number)
            for number in numbers
        ]
    listed = [
        list_alone(origin, "registered-models", model)
        for model, versions in whole.models
        if model.name not in whole.bringing or all(map(unfinished, versions))
    ]
    listed += [
        list_experiment(origin, one) for one in whole.experiments if marks.CARRIER not in one.tags
    ]
    for kind in _LISTED:
        one = partial(list_objects, connection, origin, Selector(kind=kind))
        listed += allowed(connection, kind, one)
    chosen = list(choose(listed))
    found += [listing.address for listing in chosen]
    return in_order(found, whole.order, ages(chosen))


def brought_by(connection: Connection, version: Address) -> Iterator[Address]:
    """The addresses of the run and the registered model of a version."""
    found = connection.models.get_model_version(version.name, version.version)
    if found.run_id:
        with contextlib.suppress(NotFoundError):
            run = run_of(connection, found.run_id)
            yield Address(origin=version.origin, kind="runs", name=run.info.run_id)
    yield Address(origin=version.origin, kind="registered-models", name=version.name)


def _versions(
    connection: Connection,
    model: RegisteredModel,
    selector: Selector,
    every: Mapping[str, Sequence[ModelVersion]] | None,
) -> list[ModelVersion]:
    """The versions of a model, and what is to become one."""
    return selected_versions(connection, model, selector, placeholders=True, among=every)


def _wanted(choose: Choose, objects: Sequence[T], list_one: Callable[[str, T], Listing]) -> list[T]:
    """Those of some runs or versions that are wanted, in their order."""
    by_address = {(listing := list_one("", one)).address: (listing, one) for one in objects}
    chosen = choose(listing for listing, _ in by_address.values())
    return [by_address[listing.address][1] for listing in chosen]


def _is_at_hand(version: ModelVersion, runs: Mapping[str, Run]) -> bool:
    """Whether its source says that a version's files are its run's, or those of another model."""
    run = runs.get(version.run_id or "")
    place = run.info.artifact_uri if run else ""
    copied = (version.source or "").startswith("models:")
    return copied or bool(unfinished(version)) or is_of_record(version, place)


def _makers(
    connection: Connection, experiments: Sequence[Experiment], versions: Sequence[ModelVersion]
) -> Mapping[str, set[str]]:
    """The logged models that name a run as their maker; not asked where no version has a run."""
    made: dict[str, set[str]] = {}
    if any(version.run_id for version in versions):
        every = logged_models_in(connection, [e.experiment_id for e in experiments])
        for model in (found.model for found in every):
            made.setdefault(model.source_run_id or "", set()).add(model.model_id)
    return made


def _carried(
    runs: Mapping[str, Run], versions: Iterable[ModelVersion], made: Mapping[str, set[str]]
) -> frozenset[str]:
    """Ids of the runs of which versions bring everything, their logged models too."""
    brought: dict[str, set[str]] = {}
    for version in versions:
        brought.setdefault(version.run_id or "", set()).add(logged_model_id(version))
    return frozenset(
        run_id
        for run_id, models in brought.items()
        if run_id in runs and outputs_of(runs[run_id]).keys() | made.get(run_id, set()) <= models
    )
