"""The row of a notebook: the mark on its run that says which artifacts it is (clause 13)."""

from collections.abc import Iterator

from mlflow.store.tracking.dbmodels.models import SqlTag
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from mlarchive.records import Notebook, Run
from mlarchive.registries.mlflow.notebooks import mark_of
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import id_of_run, referred
from mlarchive.registries.mlflow.restore.rows import Restoration, Row


def notebook_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """The mark of a notebook, unless its run had it at its server."""
    record = held.record
    assert isinstance(record, Notebook)  # noqa: S101  (the table of kinds says so)
    mark = mark_of(record)
    run_id = id_of_run(referred(held, record.record))
    run = restoration.merged.of(Run)[run_id,].record
    if mark.tag in evidence.marks_of(run):
        return
    if len(mark.text) > MAX_TAG_VAL_LENGTH:
        why = f"what is told of it is longer than {MAX_TAG_VAL_LENGTH}; its files are artifacts"
        restoration.merged.lose(held.called, "all but its files", why)
        return
    restoration.merged.change(held.called, "tags", "its run gets the mark of a notebook")
    yield SqlTag, {"run_uuid": run_id, "key": mark.tag, "value": mark.text}
