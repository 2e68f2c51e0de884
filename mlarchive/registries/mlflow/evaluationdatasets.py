"""Evaluation datasets of a server: finding them, and reading all their records."""

from collections.abc import Iterator

from mlflow.entities import EvaluationDataset

from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.evaluationrecords import (
    Facts,
    SortedRecords,
    facts_of,
    line_of,
)
from mlarchive.registries.mlflow.failures import lacks_endpoint
from mlarchive.registries.mlflow.selecting import by_name_or_id

_PAGE = 1000


def all_datasets(connection: Connection) -> list[EvaluationDataset]:
    """Every evaluation dataset, without its records; none at a server that knows none."""
    try:
        return list(connection.pages(connection.tracking.search_datasets, max_results=_PAGE))
    except Exception as error:
        if lacks_endpoint(error):
            return []
        raise


def selected_datasets(connection: Connection, selector: Selector) -> list[EvaluationDataset]:
    """The evaluation datasets meant, by name or id, as the server lists them.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    named = [(d.name, d.dataset_id, d) for d in all_datasets(connection)]
    return by_name_or_id(connection, selector, named, "evaluation dataset")


def sorted_records(connection: Connection, dataset_id: str) -> SortedRecords:
    """All records of a dataset, page by page."""
    return SortedRecords(_records(connection, dataset_id))


def experiment_ids(connection: Connection, dataset_id: str) -> list[str]:
    """The ids of the experiments that a dataset belongs to."""
    return list(connection.tracking.get_dataset_experiment_ids(dataset_id))


def _records(connection: Connection, dataset_id: str) -> Iterator[tuple[bytes, Facts]]:
    token: str | None = None
    while True:
        page, token = connection.tracking._load_dataset_records(  # noqa: SLF001  (the only paged one)
            dataset_id, max_results=_PAGE, page_token=token
        )
        for record in page:
            yield line_of(record), facts_of(record)
        if not token:
            return
