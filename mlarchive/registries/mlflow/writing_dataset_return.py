"""Plans what becomes of an evaluation dataset that comes back to where it was written from (8.3).

It stays what it is and gets no marks; what it lacks of tags and experiments comes home.
"""

from collections.abc import Sequence

from mlflow.entities import EvaluationDataset as MlflowDataset

from mlarchive.records import Address, EvaluationDataset, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.evaluationdatasets import experiment_ids
from mlarchive.registries.mlflow.linking import link_experiments
from mlarchive.registries.mlflow.returning import own_names
from mlarchive.registries.mlflow.work import Work, plan_tags
from mlarchive.registries.returning import named_first


def first_dataset(work: Work, there: Sequence[MlflowDataset]) -> MlflowDataset | None:
    """The dataset that the snapshot was written from, as its mark names it; None if it is gone."""
    by_address = {
        Address(origin=work.connection.uri, kind="evaluation-datasets", name=one.dataset_id): one
        for one in there
    }
    named = named_first(work.snapshot, own_names(work), list(by_address))
    return by_address[named] if named else None


def is_as_it_left(subject: EvaluationDataset, copied: str, held: str) -> bool:
    """Whether what comes back has no other records than it left with, or than are there now.

    Args:
        subject: What comes back.
        copied: The digest of its records.
        held: The digest of those that are there.
    """
    return copied in {held, subject.native.also.get(marks.RECORD, "")}


def plan_dataset_return(
    work: Work, subject: EvaluationDataset, what: str, dataset: MlflowDataset, tags: Tags
) -> None:
    """Plan that a dataset is kept, and what it gets of what is said of it elsewhere."""
    store = work.connection.tracking
    held = marks.state_tags(dataset.tags or {})
    plan_tags(
        work,
        what,
        tags,
        {tag: value for tag, value in held.items() if tag in tags},
        put=lambda tag, value: store.set_dataset_tags(dataset.dataset_id, {tag: value}),
        drop=lambda tag: store.delete_dataset_tag(dataset.dataset_id, tag),
        exact=False,
    )
    linked = link_experiments(work, subject)
    present = set(experiment_ids(work.connection, dataset.dataset_id))
    if any(work.ids.get(key) not in present for key in linked):

        def link() -> None:
            lacking = {work.ids[key] for key in linked} - present
            store.add_dataset_to_experiments(dataset.dataset_id, sorted(lacking))

        work.step("update", f"experiments of {what}", "it is in more at the source", link)
    if not work.steps:
        work.step("keep", what, "it is what the source was written from")
