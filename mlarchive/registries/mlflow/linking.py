"""Links to experiments: by name in records, by id at servers, found again by where they came from.

A server's ids must not reach the ids of a package, and names are what people link by.
"""

from collections.abc import Iterable

import msgspec
from mlflow.entities import ExperimentTag

from mlarchive.records import Address, EvaluationDataset, Experiment, Native, Prompt, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.given import mark_of, said
from mlarchive.registries.mlflow.selecting import all_experiments
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.work import Work
from mlarchive.registries.mlflow.writing_experiment import find_experiment, mark_under

_EVIDENCE = "experiments"


def experiment_names(
    connection: Connection, what: str, ids: Iterable[str], gathering: Gathering
) -> Tags:
    """The names of some experiments by their ids; one that is no longer there is a loss."""
    wanted = list(ids)
    if not wanted:
        return {}
    there = {e.experiment_id: e.name for e in all_experiments(connection)}
    for gone in (one for one in wanted if one not in there):
        gathering.lose(what, f"experiment {gone}", "the server no longer has it")
    return {one: there[one] for one in wanted if one in there}


def with_experiments(native: Native, names: Tags) -> Native:
    """The evidence with the names of experiments by their ids, by which a target finds them."""
    if not names:
        return native
    said = msgspec.json.encode(names, order="sorted").decode()
    return msgspec.structs.replace(native, also={**native.also, _EVIDENCE: said})


def link_experiments(work: Work, record: Prompt | EvaluationDataset) -> list[str]:
    """Find the experiments that a record is linked to, or plan them.

    Returns:
        Their keys among the ids of the work; those that are not there yet get their ids in it.
    """
    return [_link(work, record, name) for name in record.experiments]


def _link(work: Work, record: Prompt | EvaluationDataset, name: str) -> str:
    key = f"experiment {name!r} that {record.key} is linked to"
    origin = _origin(work, record, name)
    found = find_experiment(work, Experiment(key=key, name=name), origin)
    if found:
        work.ids[key] = found.experiment_id
        return key

    def create() -> None:
        with once():
            marked = {
                marks.ORIGIN: mark_under(work, name, origin, wanted),
                **mark_of(said({}, name=wanted)),
            }
            tags = [ExperimentTag(tag, value) for tag, value in marked.items()]
            work.ids[key] = work.connection.tracking.create_experiment(wanted, tags=tags)

    wanted = work.policy.experiment_named(name)
    work.step("create", f"experiment {wanted!r}", "what is written is linked to it", create)
    return key


def _origin(work: Work, record: Prompt | EvaluationDataset, name: str) -> str:
    ids = ids_by_name(record.native)
    if name not in ids:
        return marks.quotable(f"{marks.origin_of(record, work.snapshot)}!{name}")
    source = work.snapshot.address.origin
    return marks.origin_mark(Address(origin=source, kind="experiments", name=ids[name]))


def ids_by_name(native: Native) -> Tags:
    """Ids of experiments at the source by their names, as evidence tells."""
    try:
        names = msgspec.json.decode(native.also.get(_EVIDENCE, "{}"), type=Tags)
    except msgspec.DecodeError:
        return {}
    return {name: one for one, name in names.items()}
