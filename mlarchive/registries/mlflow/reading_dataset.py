"""Reads an evaluation dataset with its records (clause 8.2)."""

import msgspec
from mlflow.entities import EvaluationDataset as MlflowDataset

from mlarchive.records import EvaluationDataset
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.evaluationdatasets import experiment_ids, sorted_records
from mlarchive.registries.mlflow.evaluationrecords import SortedRecords
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.linking import experiment_names, with_experiments
from mlarchive.registries.mlflow.natives import native_dataset
from mlarchive.snapshot import Stream

MOST_FACTS = 20_000
"""Of so many records at most the ids and times are kept, so that evidence stays small."""


def read_dataset(connection: Connection, dataset: MlflowDataset, gathering: Gathering) -> str:
    """Gather a dataset; returns the key of its record."""
    what = f"evaluation-datasets/{dataset.name}"
    key = f"evaluation-dataset/{dataset.dataset_id}"
    records = sorted_records(connection, dataset.dataset_id)
    ids = experiment_ids(connection, dataset.dataset_id)
    names = experiment_names(connection, what, ids, gathering)
    tags = dataset.tags or {}
    also = {**marks.marks_in(tags), "digest": dataset.digest or ""}
    if records.count > MOST_FACTS:
        why = f"they are kept of {MOST_FACTS} records at most, and it has {records.count}"
        gathering.lose(what, "ids and times of its records", why)
    elif records.count:
        also["records"] = _facts(records)
    gathering.records.append(
        EvaluationDataset(
            key=key,
            native=with_experiments(native_dataset(dataset, also), names),
            name=dataset.name,
            records=records.count,
            tags=marks.state_tags(tags),
            experiments=tuple(sorted(set(names.values()))),
        )
    )
    if records.count:
        gathering.streams.append(Stream(owner=key, entry=records.file(), open=records.open))
    return key


def _facts(records: SortedRecords) -> str:
    """What the server says of the records, in the order of their lines, as JSON text."""
    return msgspec.json.encode([facts for _, facts in records.with_facts()]).decode()
