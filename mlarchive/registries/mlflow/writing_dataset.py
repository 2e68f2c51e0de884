"""Writes an evaluation dataset: found by where it came from, its records made equal (clause 8.3).

A server merges what it is given into a record of the same inputs. So a record that differs is
deleted and made again. Records are changed only where nobody but us has changed them.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from mlflow.entities import EvaluationDataset as MlflowDataset
from msgspec import Struct

from mlarchive.errors import ConflictError
from mlarchive.records import Address, EvaluationDataset, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.evaluationdatasets import (
    all_datasets,
    experiment_ids,
    sorted_records,
)
from mlarchive.registries.mlflow.evaluationrecords import lines_in, members_of
from mlarchive.registries.mlflow.linking import link_experiments
from mlarchive.registries.mlflow.work import Work, cut, plan_tags
from mlarchive.registries.mlflow.writing_dataset_return import (
    first_dataset,
    is_as_it_left,
    plan_dataset_return,
)

_BATCH_RECORDS = 500
_BATCH_BYTES = 1 << 20
_LONGEST_TAG = 5000


class _Found(Struct, frozen=True, kw_only=True):
    """What there is at the target.

    Attributes:
        how: `held`: with the very records; `refill`: ours, with other records; `create`: nothing;
            `skip`: the policy says so; `first`: what the source was written from.
        dataset: If there is one.
        why: The reason, in a few words.
    """

    how: Literal["held", "refill", "create", "skip", "first"]
    dataset: MlflowDataset | None = None
    why: str = ""


def plan_dataset(work: Work, origin: str, subject: EvaluationDataset) -> Address:
    """Plan a dataset's creation, its records and its labels.

    Raises:
        ConflictError: Another one has the name, or its records were changed at the target, and
            the policy is `fail`.
    """
    name = work.policy.named(subject.name)
    what = f"evaluation-datasets/{name}"
    doomed = _doomed(work, subject, name) if work.policy.delete_first else []
    found = _Found(how="create", why="new") if doomed else _find(work, subject, name)
    target = Address(origin=origin, kind="evaluation-datasets", name="(new)")
    if found.dataset:
        target = Address(origin=origin, kind=target.kind, name=found.dataset.dataset_id)
    if found.how == "skip":
        work.step("skip", what, found.why)
        return target
    tags = cut(work, what, "tag", subject.tags, _LONGEST_TAG)
    if found.dataset:
        work.ids[subject.key] = found.dataset.dataset_id
        if found.how == "first":
            plan_dataset_return(work, subject, what, found.dataset, tags)
            return target
    else:
        for dataset in doomed:
            delete = partial(work.connection.tracking.delete_dataset, dataset.dataset_id)
            work.step_once(
                "delete", f"evaluation-datasets/{dataset.dataset_id}", "as asked", delete
            )
        work.change(what, "ids", "the target gives the dataset and its records ids of its own")
        work.step_once("create", what, "not there yet", lambda: _create(work, subject, name, tags))
    if found.how != "held":
        records = f"records of {what}"
        work.step("update", records, found.why, lambda: _refill(work, subject, what))
    _plan_labels(work, subject, what, found.dataset, tags)
    if not work.steps:
        work.step("keep", what, "same content and labels")
    return target


def _doomed(work: Work, subject: EvaluationDataset, name: str) -> list[MlflowDataset]:
    """What has the name of a dataset at the target, but for another one of the same source.

    Raises:
        ConflictError: One of them is the very source.
    """
    own = marks.origin_mark(work.snapshot.address)
    source = f"{own.rpartition('/')[0]}/"
    there = [dataset for dataset in all_datasets(work.connection) if dataset.name == name]
    if any(dataset.dataset_id == subject.native.id for dataset in there):
        raise ConflictError(
            f"{name!r} at {work.connection.uri} is what is copied, and is not deleted for it",
            hint="leave --delete-first out, or write it under another name: --rename NAME",
        )
    origins = [(dataset.tags or {}).get(marks.ORIGIN, "") for dataset in there]
    return [
        dataset
        for dataset, origin in zip(there, origins, strict=True)
        if origin == own or not origin.startswith(source)
    ]


def held_dataset(connection: Connection, mark: str) -> tuple[str, Tags] | None:
    """Id and tags of the dataset that came from an origin, if it is whole."""
    for dataset in all_datasets(connection):
        tags = dataset.tags or {}
        origins = marks.origins_in(tags)
        if mark in origins and {marks.CONTENT_ID, marks.RECORD} <= tags.keys():
            return dataset.dataset_id, {**tags, marks.STATE_ID: origins[mark]}
    return None


def _find(work: Work, subject: EvaluationDataset, name: str) -> _Found:
    there = all_datasets(work.connection)
    origin = marks.origin_of(subject, work.snapshot)
    for dataset in (d for d in there if origin in marks.origins_in(d.tags or {})):
        found = _compared(work, subject, dataset)
        if found.how != "create":
            return found
    if home := first_dataset(work, there):
        return _returned(work, subject, home)
    # What came from another dataset of this source is not in the way: names need not be unique.
    named = [
        d
        for d in there
        if d.name == name and not marks.is_of_sibling(marks.origins_in(d.tags or {}), origin)
    ]
    for dataset in named:
        # The same content under the same name is the same thing, whatever its origin was called.
        if (dataset.tags or {}).get(marks.CONTENT_ID) == work.snapshot.content_id:
            return _compared(work, subject, dataset)
    taken = next(iter(named), None)
    if taken is None or work.policy.conflict == "new-version":
        return _Found(how="create", why="new")
    why = f"{name!r} at the target is another evaluation dataset, {taken.dataset_id}"
    return _trouble(work, why, taken)


def _returned(work: Work, subject: EvaluationDataset, home: MlflowDataset) -> _Found:
    """What is to be done with a dataset that comes back to where it was written from."""
    held = sorted_records(work.connection, home.dataset_id).sha256
    if is_as_it_left(subject, _digest(subject), held):
        return _Found(how="first", dataset=home)
    if work.policy.conflict == "new-version":
        return _Found(how="create", why="new")
    why = f"the records of {home.name!r} were changed elsewhere after they were copied from here"
    return _trouble(work, why, home)


def _compared(work: Work, subject: EvaluationDataset, dataset: MlflowDataset) -> _Found:
    """What is to be done with a dataset that came from the same place."""
    digest = _digest(subject)
    present = sorted_records(work.connection, dataset.dataset_id)
    marked = (dataset.tags or {}).get(marks.RECORD)
    if present.sha256 == digest and marked == digest:
        return _Found(how="held", dataset=dataset)
    if marked is None or present.sha256 in {marked, digest}:
        why = "they changed at the source" if marked else "an earlier write was interrupted"
        return _Found(how="refill", dataset=dataset, why=why)
    if work.policy.conflict == "new-version":
        return _Found(how="create")
    why = f"the records of {dataset.name!r} were changed at the target after they were written"
    return _trouble(work, why, dataset)


def _trouble(work: Work, why: str, dataset: MlflowDataset) -> _Found:
    if work.policy.conflict == "fail":
        raise ConflictError(
            why,
            hint="choose --conflict skip or new-version (a mirror: `conflict`), or another name",
        )
    return _Found(how="skip", dataset=dataset, why=why)


def _digest(subject: EvaluationDataset) -> str:
    """Of the records' file; of no bytes where there is none."""
    return subject.files[0].sha256 if subject.files else marks.NOTHING


def _create(work: Work, subject: EvaluationDataset, name: str, tags: Tags) -> None:
    marked = {**tags, marks.ORIGIN: marks.origin_of(subject, work.snapshot)}
    dataset = work.connection.tracking.create_dataset(name, tags=marked)
    work.ids[subject.key] = dataset.dataset_id


def _refill(work: Work, subject: EvaluationDataset, what: str) -> None:
    """Make the records at the target those of the snapshot, check them, and mark that they are."""
    store = work.connection.tracking
    dataset_id = work.ids[subject.key]
    present = sorted_records(work.connection, dataset_id)
    if marks.RECORD in (store.get_dataset(dataset_id).tags or {}):
        # What is in the making must not look whole, or changed by somebody else.
        store.delete_dataset_tag(dataset_id, marks.RECORD)
    wanted = set(_digests(work, subject))
    gone = [
        facts.id for line, facts in present.with_facts() if marks.line_digest(line) not in wanted
    ]
    for start in range(0, len(gone), _BATCH_RECORDS):
        store.delete_dataset_records(dataset_id, gone[start : start + _BATCH_RECORDS])
    lacking = (line for line in _lines(work, subject) if not present.holds(line))
    for batch in _batches(lacking):
        store.upsert_dataset_records(dataset_id, [members_of(line) for line in batch])
        work.sent += sum(len(line) for line in batch)
    arrived = sorted_records(work.connection, dataset_id)
    if arrived.sha256 != _digest(subject):
        other = sum(1 for line in _lines(work, subject) if not arrived.holds(line))
        why = f"the server holds {other} of {subject.records} otherwise than they were sent"
        work.lose(what, "records", why)
    store.set_dataset_tags(dataset_id, {marks.RECORD: arrived.sha256})


def _lines(work: Work, subject: EvaluationDataset) -> Iterator[bytes]:
    for stream in work.snapshot.streams_of(subject.key):
        with stream.open() as source:
            yield from lines_in(source)


def _digests(work: Work, subject: EvaluationDataset) -> Iterator[bytes]:
    return (marks.line_digest(line) for line in _lines(work, subject))


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == _BATCH_RECORDS or size + len(line) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch


def _plan_labels(
    work: Work, subject: EvaluationDataset, what: str, dataset: MlflowDataset | None, tags: Tags
) -> None:
    store = work.connection.tracking
    held = (dataset.tags or {}) if dataset else {}
    if dataset:
        plan_tags(
            work,
            what,
            tags,
            marks.state_tags(held),
            put=lambda tag, value: store.set_dataset_tags(dataset.dataset_id, {tag: value}),
            drop=lambda tag: store.delete_dataset_tag(dataset.dataset_id, tag),
        )
    _plan_experiments(work, subject, what, dataset)
    wanted = {
        marks.ORIGIN: marks.origin_of(subject, work.snapshot),
        marks.CONTENT_ID: work.snapshot.content_id,
        marks.STATE_ID: work.snapshot.state_id,
        **marks.path_marks(subject, work.snapshot),
    }
    if held.get(marks.ORIGIN, wanted[marks.ORIGIN]) != wanted[marks.ORIGIN]:
        wanted |= marks.also_mark(marks.origins_in(held), wanted[marks.ORIGIN])
        work.change(what, "origin", f"it came from {held[marks.ORIGIN]} before, which is kept")
    lacking = {tag: value for tag, value in wanted.items() if held.get(tag) != value}
    if lacking:
        work.step(
            "update",
            f"marks of {what}",
            "origin, content and state ids",
            lambda: store.set_dataset_tags(work.ids[subject.key], lacking),
        )


def _plan_experiments(
    work: Work, subject: EvaluationDataset, what: str, dataset: MlflowDataset | None
) -> None:
    store = work.connection.tracking
    linked = link_experiments(work, subject)
    held = set(experiment_ids(work.connection, dataset.dataset_id)) if dataset else set()
    known = {work.ids[key] for key in linked if key in work.ids}
    if len(known) == len(linked) and known == held:
        return

    def link() -> None:
        dataset_id = work.ids[subject.key]
        wanted = {work.ids[key] for key in linked}
        if wanted - held:
            store.add_dataset_to_experiments(dataset_id, sorted(wanted - held))
        if held - wanted:
            store.remove_dataset_from_experiments(dataset_id, sorted(held - wanted))

    work.step("update", f"experiments of {what}", "as at the source", link)
