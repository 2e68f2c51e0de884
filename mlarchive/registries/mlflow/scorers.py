"""Registered scorers of a server: finding them, reading them (clauses 9.1 and 9.2)."""

from collections.abc import Iterator

import msgspec
from mlflow.entities import Experiment
from mlflow.entities import ScorerVersion as MlflowScorer
from mlflow.exceptions import RestException

from mlarchive.errors import NotFoundError
from mlarchive.records import Native, Scorer
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import lacks_endpoint
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.natives import verbatim
from mlarchive.registries.mlflow.reading_run import read_experiment
from mlarchive.registries.mlflow.remembering import native_marks, remembered, scorer_tag
from mlarchive.registries.mlflow.selecting import all_experiments
from mlarchive.registries.selecting import matches


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A scorer and where it belongs.

    Attributes:
        experiment: Its experiment.
        name: Its own name.
        id: The server's.
    """

    experiment: Experiment
    name: str
    id: str

    @property
    def called(self) -> str:
        """Its name within the registry."""
        return f"{self.experiment.name}/{self.name}"


def selected_scorers(connection: Connection, selector: Selector) -> list[Found]:
    """The scorers meant, by experiment and name, or by name alone.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    everything = list(_all_scorers(connection))
    found = [one for one in everything if matches(selector, one.called)]
    found = found or [one for one in everything if matches(selector, one.name)]
    if selector.name and not selector.pattern and not found:
        raise NotFoundError(
            f"{connection.uri} has no scorer {selector.name!r}",
            hint=f"see what there is: mlarchive ls 'mlflow+{connection.uri}#scorers'",
        )
    return found


def versions_of_scorer(connection: Connection, experiment_id: str, name: str) -> dict[int, str]:
    """What was serialised of each version of a scorer, by its number."""
    found = connection.tracking.list_scorer_versions(experiment_id, name)
    return {one.scorer_version: one._serialized_scorer for one in found}  # noqa: SLF001  (parsing may run its code)


def scorers_of(connection: Connection, experiment_id: str) -> dict[str, str]:
    """The scorers of an experiment: ids by name; none at a server that knows none."""
    try:
        found = connection.tracking.list_scorers(experiment_id)
    except Exception as error:
        if lacks_endpoint(error):
            return {}
        raise
    return {one.scorer_name: one.scorer_id or "" for one in found}


def online_of(connection: Connection, scorer_id: str, experiment_id: str) -> tuple[str, ...]:
    """How a scorer is applied to new traces of an experiment, as the record says it."""
    if not scorer_id:
        return ()
    try:
        found = connection.tracking.get_online_scoring_configs([scorer_id])
    except Exception as error:
        if lacks_endpoint(error):
            return ()
        raise
    said = (
        {"filter": one.filter_string or "", "sample_rate": one.sample_rate}
        for one in found
        if str(one.experiment_id) == experiment_id
    )
    return tuple(sorted(msgspec.json.encode(one, order="sorted").decode() for one in said))


def read_scorer(connection: Connection, found: Found, gathering: Gathering) -> str:
    """Gather a scorer with its experiment; returns the key of its record."""
    experiment_id = found.experiment.experiment_id
    key = f"scorer/{experiment_id}/{found.name}"
    listed = connection.tracking.list_scorer_versions(experiment_id, found.name)
    mark = remembered(found.experiment.tags, scorer_tag(found.name))
    gathering.records.append(
        Scorer(
            key=key,
            native=Native(
                id=found.id,
                created=min((one.creation_time or 0 for one in listed), default=0),
                verbatim=verbatim({"versions": [_facts(one) for one in listed]}),
                also=native_marks(mark),
            ),
            name=found.name,
            experiment=read_experiment(connection, experiment_id, gathering),
            versions={str(one.scorer_version): one._serialized_scorer for one in listed},  # noqa: SLF001
            online=online_of(connection, found.id, experiment_id),
        )
    )
    return key


def _facts(version: MlflowScorer) -> dict[str, object]:
    return {"version": version.scorer_version, "creation_time": version.creation_time}


def _all_scorers(connection: Connection) -> Iterator[Found]:
    """Those of all experiments that are not deleted; a server tells no others."""
    experiments = {e.experiment_id: e for e in all_experiments(connection)}
    active = [one for one, e in experiments.items() if e.lifecycle_stage == "active"]
    for scorer in _listed(connection, active):
        experiment = experiments.get(str(scorer.experiment_id))
        if experiment:
            yield Found(experiment=experiment, name=scorer.scorer_name, id=scorer.scorer_id or "")


def _listed(connection: Connection, active: list[str]) -> list[MlflowScorer]:
    store = connection.tracking
    try:
        if not connection.served:
            return store.list_scorers_across_experiments(active)
        try:
            return store.list_scorers(None)  # type: ignore[arg-type]  # of all experiments
        except RestException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            # A server of an earlier version wants to be asked for each.
            return [one for experiment in active for one in store.list_scorers(experiment)]
    except Exception as error:
        if lacks_endpoint(error):
            return []
        raise
