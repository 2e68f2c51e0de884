"""The rows of a scorer: itself, its versions, how it is applied to new traces."""

from collections.abc import Iterator
from typing import Any

import msgspec
from mlflow.store.tracking.dbmodels.models import (
    SqlOnlineScoringConfig,
    SqlScorer,
    SqlScorerVersion,
)

from mlarchive.records import Scorer
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import experiment_of, name_of, plain_id_of
from mlarchive.registries.mlflow.restore.rows import Restoration, Row, made_id


def scorer_rows(_: Restoration, held: Held) -> Iterator[Row]:
    """A scorer with all its versions, letter for letter; nothing of it is run."""
    record = held.record
    assert isinstance(record, Scorer)  # noqa: S101  (the table of kinds says so)
    identity, experiment = plain_id_of(held), experiment_of(held)
    yield (
        SqlScorer,
        {"experiment_id": experiment, "scorer_name": name_of(held), "scorer_id": identity},
    )
    said = evidence.answer(record)
    times = {
        str(evidence.whole(item, "version")): evidence.whole(item, "creation_time")
        for item in evidence.items(said, "versions")
    }
    for number, serialised in record.versions.items():
        yield (
            SqlScorerVersion,
            {
                "scorer_id": identity,
                "scorer_version": evidence.version_number(number, held.called),
                "serialized_scorer": serialised,
                "creation_time": times.get(number) or record.native.created,
            },
        )
    for text in record.online:
        applied = _applied(text)
        yield (
            SqlOnlineScoringConfig,
            {
                "online_scoring_config_id": made_id(identity, text),
                "scorer_id": identity,
                "experiment_id": experiment,
                "sample_rate": applied["sample_rate"],
                "filter_string": applied["filter"] or None,
            },
        )


def _applied(text: str) -> dict[str, Any]:
    """How a scorer is applied; what a package does not say is zero."""
    try:
        said = msgspec.json.decode(text, type=_Online)
    except msgspec.DecodeError:
        said = _Online()
    return msgspec.structs.asdict(said)


class _Online(msgspec.Struct, frozen=True, kw_only=True):
    """One member of `Scorer.online`."""

    filter: str = ""
    sample_rate: float = 0.0
