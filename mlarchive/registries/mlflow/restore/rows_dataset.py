"""The rows of an evaluation dataset: itself, its tags, its experiments, and its records."""

import hashlib
import json
from collections.abc import Iterator
from enum import Enum
from typing import Any, BinaryIO

import msgspec
from mlflow.entities import DatasetRecord, DatasetRecordSource
from mlflow.entities.entity_type import EntityAssociationType
from mlflow.store.tracking.dbmodels.models import (
    SqlEntityAssociation,
    SqlEvaluationDataset,
    SqlEvaluationDatasetRecord,
    SqlEvaluationDatasetTag,
)

from mlarchive.records import EvaluationDataset, Experiment
from mlarchive.registries.mlflow.evaluationrecords import Facts, lines_in, members_of
from mlarchive.registries.mlflow.linking import ids_by_name
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import plain_id_of
from mlarchive.registries.mlflow.restore.rows import Restoration, Row, made_id


def dataset_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """A dataset with tags and links to experiments, without its records."""
    record = held.record
    assert isinstance(record, EvaluationDataset)  # noqa: S101  (the table of kinds says so)
    identity, said = plain_id_of(held), evidence.answer(record)
    yield (
        SqlEvaluationDataset,
        {
            "dataset_id": identity,
            "workspace": evidence.workspace_of(record),
            "name": record.name,
            "schema": evidence.text(said, "schema") or None,
            "profile": evidence.text(said, "profile") or None,
            "digest": record.native.also.get("digest") or None,
            "created_time": record.native.created,
            "last_update_time": record.native.updated,
            "created_by": record.native.user or None,
            "last_updated_by": evidence.text(said, "last_updated_by") or None,
        },
    )
    for key, value in {**record.tags, **evidence.marks_of(record)}.items():
        yield SqlEvaluationDatasetTag, {"dataset_id": identity, "key": key, "value": value}
    ids = ids_by_name(record.native)
    for name in record.experiments:
        said_id = evidence.experiment_id(ids.get(name, ""), held.called)
        if (said_id,) not in restoration.merged.of(Experiment):
            why = "no package holds that experiment"
            restoration.merged.lose(held.called, f"link to experiment {name!r}", why)
            continue
        yield (
            SqlEntityAssociation,
            {
                "association_id": made_id(identity, said_id),
                "source_type": EntityAssociationType.EVALUATION_DATASET,
                "source_id": identity,
                "destination_type": EntityAssociationType.EXPERIMENT,
                "destination_id": str(said_id),
                "created_time": record.native.created,
            },
        )


def dataset_record_rows(held: Held, lines: BinaryIO) -> Iterator[Row]:
    """The records of a dataset.

    Args:
        held: The dataset.
        lines: Its file, which is closed at the end.
    """
    identity, facts = plain_id_of(held), _facts(held)
    with lines:
        for number, line in enumerate(lines_in(lines)):
            about = facts[number] if number < len(facts) else _assumed(held, number)
            yield SqlEvaluationDatasetRecord, _record(identity, line, about)


def _facts(held: Held) -> list[Facts]:
    """What the server said of each line's record."""
    try:
        return msgspec.json.decode(held.record.native.also.get("records", "[]"), type=list[Facts])
    except msgspec.DecodeError:
        return []


def _assumed(held: Held, number: int) -> Facts:
    """For records of which nothing is kept: its own id, the times of the dataset."""
    native = held.record.native
    name = f"dr-{made_id(native.id, number)}"
    return Facts(id=name, created=native.created, updated=native.updated)


def _record(dataset: str, line: bytes, about: Facts) -> dict[str, Any]:
    members = members_of(line)
    source = members.get("source")
    record = DatasetRecord(
        dataset_id=dataset,
        dataset_record_id=about.id,
        inputs=members["inputs"],
        outputs=members["outputs"],
        expectations=members["expectations"],
        tags=members.get("tags"),
        source=DatasetRecordSource.from_dict(source) if source else None,
        # Zero is what MLflow takes for now.
        created_time=about.created or 1,
        last_update_time=about.updated or 1,
        created_by=about.created_by or None,
        last_updated_by=about.updated_by or None,
    )
    # As MLflow's store finds the record of the same inputs.
    told = json.dumps(record.inputs, sort_keys=True).encode()
    made = SqlEvaluationDatasetRecord.from_mlflow_entity(record, hashlib.sha256(told).hexdigest())
    row = {column.name: getattr(made, column.name) for column in made.__table__.columns}
    kind = row["source_type"]
    return {**row, "source_type": kind.value if isinstance(kind, Enum) else kind}
