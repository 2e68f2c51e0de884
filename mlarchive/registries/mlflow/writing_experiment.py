"""Writes an experiment: found by where it came from, else by name, else created (clause 3.1)."""

import msgspec
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import ExperimentTag
from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH

from mlarchive.errors import ConflictError
from mlarchive.records import Address, Experiment, Tags
from mlarchive.registries.base import Action
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.given import Given, base_of, mark_of, said
from mlarchive.registries.mlflow.giving_way import plan_way, put, rename
from mlarchive.registries.mlflow.naming_experiment import (
    Naming,
    as_given,
    gives_way,
    name_at,
    named,
    naming,
    require_same,
)
from mlarchive.registries.mlflow.remembering import joined_tag
from mlarchive.registries.mlflow.selecting import all_experiments, quoted
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.sourcetags import source_tags
from mlarchive.registries.mlflow.work import Step, Work, called, cut, plan_given, plan_tags

_MKDIRS = "/api/2.0/workspace/mkdirs"
_HOME = "mlarchive"
"""The experiment for what belongs to none."""


def plan_experiment(work: Work, record: Experiment) -> None:
    """Plan an experiment's creation or its labels.

    Raises:
        ConflictError: What has that name at the target is somebody else's and deleted, or came from
            another experiment of the same source.
    """
    what = called(record)
    origin = marks.origin_of(record, work.snapshot)
    found = find_experiment(work, record, origin)
    ours = found is None or is_ours(work, record.name, origin, found)
    every = {**record.tags, **(source_tags(work, record) if ours else {})}
    tags = cut(work, what, "tag", work.taken(what, every), MAX_EXPERIMENT_TAG_VAL_LENGTH)
    name = name_at(work.connection, work.policy.experiment_named(record.name))
    if found is None:
        if name != record.name:
            work.change(what, "name", f"the target keeps it as {name!r}")
        work.change(what, "experiment_id", "the target gives it an id of its own")
        plan_way(work, record, name)

        def create() -> None:
            mark = mark_under(work, record.name, origin, name)
            given = msgspec.structs.replace(said(tags, name=name), named=record.native.updated)
            marked = {marks.ORIGIN: mark, **mark_of(given), **tags}
            make_folder_of(work.connection, name)
            work.ids[record.key] = work.connection.tracking.create_experiment(
                name, tags=[ExperimentTag(tag, value) for tag, value in marked.items()]
            )

        work.step_once("create", f"experiment {name!r}", "not there yet", create)
        return
    work.ids[record.key] = found.experiment_id
    work.experiments[found.experiment_id] = found
    _plan_revival(work, record, found, ours=ours)
    if not (ours or work.policy.experiment):
        _plan_joining(work, record, found, origin)
    if ours:
        _plan_own_labels(work, record, found, tags, wanted=name)
        return
    if found.name != record.name:
        work.change(what, "name", f"the target keeps it as {found.name!r}")
    _plan_tags(work, what, found, tags)


def plan_awakening(work: Work) -> None:
    """Restore an experiment that is deleted on both sides where something in it is written.

    MLflow takes nothing for a deleted experiment; `plan_experiment_end` deletes it again.
    """
    for key, (position, step) in reversed(work.asleep.items()):
        if any(later.action.verb not in {"keep", "skip"} for later in work.steps[position:]):
            work.steps.insert(position, step)
            work.revived.add(key)


def plan_experiment_end(work: Work, record: Experiment) -> None:
    """Plan what comes last: an experiment that is deleted at the source is deleted here too."""
    if record.lifecycle != "deleted":
        return
    if work.policy.one_experiment:
        work.change(called(record), "lifecycle", "the experiment it goes into is not deleted")
        return
    found = find_experiment(work, record, marks.origin_of(record, work.snapshot))
    if found is None or found.lifecycle_stage == "active" or record.key in work.revived:
        work.step_once(
            "delete",
            called(record),
            "deleted at the source",
            lambda: work.connection.tracking.delete_experiment(work.ids[record.key]),
        )


def find_experiment(work: Work, record: Experiment, origin: str) -> MlflowExperiment | None:
    """The experiment at the target, by where it came from, else by name; or the one asked for.

    None where the one that has the name gives it away.

    Raises:
        ConflictError: What has that name came from another experiment of the same source.
    """
    if at := work.known.get(record.key):
        return work.connection.tracking.get_experiment(at)  # type: ignore[no-any-return]  # untyped in mlflow
    name = name_at(work.connection, work.policy.experiment_named(record.name))
    if work.policy.experiment:
        return named(work.connection, name)
    for tag in (marks.ORIGIN, joined_tag(origin)):
        if known := all_experiments(work.connection, f"tags.`{tag}` = {quoted(origin)}"):
            return known[0]
    found = named(work.connection, name)
    if gives_way(work, record, found):
        return None
    require_same(work, found, origin)
    return found


def mark_under(work: Work, name: str, origin: str, there: str) -> str:
    """The origin mark of an experiment; under another name it answers for no plain one.

    Args:
        work: Knows the target.
        name: At the source.
        origin: Where it comes from, as a tag's value.
        there: Its name at the target.
    """
    plain = there == name_at(work.connection, name)
    return origin if plain else marks.quotable(f"{origin}!{there}")


def is_ours(work: Work, name: str, origin: str, found: MlflowExperiment) -> bool:
    """Whether an experiment at the target was made of one at the source; see `mark_under`."""
    return found.tags.get(marks.ORIGIN) in {origin, mark_under(work, name, origin, found.name)}


def experiment_there(work: Work, key: str) -> str:
    """The target's id of an experiment, or of the one for what belongs to none; "" if not there.

    Args:
        work: Knows the ids.
        key: The experiment's record; "" for what belongs to none.
    """
    if key:
        return work.ids.get(key, "")
    found = home(work.connection)
    return str(found.experiment_id) if found else ""


def name_there(work: Work, record: Experiment) -> str:
    """What an experiment that is planned is called at the target."""
    if there := experiment_there(work, record.key):
        return work.renamed.get(there) or str(work.experiment(there).name)
    return name_at(work.connection, work.policy.experiment_named(record.name))


def home(connection: Connection) -> MlflowExperiment | None:
    """The experiment for what belongs to none, if it is there."""
    return named(connection, name_at(connection, _HOME))


def experiment_made(work: Work, key: str) -> str:
    """As `experiment_there`, once the experiments are written; makes the one for strays."""
    there = experiment_there(work, key)
    if there or key:
        return there
    with once():
        tags = [ExperimentTag(marks.CARRIER, "true")]
        name = name_at(work.connection, _HOME)
        make_folder_of(work.connection, name)
        return str(work.connection.tracking.create_experiment(name, tags=tags))


def make_folder_of(connection: Connection, name: str) -> None:
    """Make the folder of a workspace that an experiment goes into, if it is not there."""
    if connection.folder:
        with connection.request("POST", _MKDIRS, json={"path": name.rpartition("/")[0] or "/"}):
            pass


def _plan_revival(work: Work, record: Experiment, found: MlflowExperiment, *, ours: bool) -> None:
    if found.lifecycle_stage == "active":
        return

    def restore() -> None:
        work.connection.tracking.restore_experiment(found.experiment_id)

    if record.lifecycle == "deleted" and not work.policy.one_experiment:
        action = Action(verb="update", what=called(record), why="restored, to be written to")
        work.asleep[record.key] = len(work.steps), Step(action, restore, once=True)
        return
    if not ours:
        raise ConflictError(
            f"the experiment {found.name!r} at {work.connection.uri} is deleted, so no run can be"
            " written to it",
            hint="restore it, or purge it with `mlflow gc`",
        )
    work.step_once("update", called(record), "restored, since it is active at the source", restore)


def _plan_own_labels(
    work: Work, record: Experiment, found: MlflowExperiment, tags: dict[str, str], *, wanted: str
) -> None:
    """Plan the name and the tags of an experiment that was made of the source's."""
    what, first = called(record), len(work.steps)
    name = naming(work, record, found, wanted=wanted)
    _plan_name(work, record, found, name)
    _plan_tags(work, what, found, tags, exact=True, before=base_of(work.policy, found.tags))

    def say(mark: Tags) -> None:
        put(work, found, mark)

    plan_given(work, what, found.tags, as_given(said(tags), name), first, say)


def _plan_joining(work: Work, record: Experiment, found: MlflowExperiment, origin: str) -> None:
    """Remember that the source's goes into one that was there before, whatever both are called."""
    tag = joined_tag(origin)
    own = Address(origin=work.origin, kind="experiments", name=found.experiment_id)
    is_plain = mark_under(work, record.name, origin, found.name) == origin
    if is_plain and tag not in found.tags and origin != marks.origin_mark(own):
        why = "the one that was there before is it from now on"
        work.step(
            "update", f"mark of {called(record)}", why, lambda: put(work, found, {tag: origin})
        )


def _plan_name(work: Work, record: Experiment, found: MlflowExperiment, name: Naming) -> None:
    if name.name == found.name:
        return
    plan_way(work, record, name.name)

    def give() -> None:
        make_folder_of(work.connection, name.name)
        rename(work, found, name.name)

    work.renamed[found.experiment_id] = name.name
    work.step("update", f"name of {called(record)}", f"was {found.name!r}", give)


def _plan_tags(  # noqa: PLR0913  (two sides, and how they are compared)
    work: Work,
    what: str,
    found: MlflowExperiment,
    tags: dict[str, str],
    *,
    exact: bool = False,
    before: Given | None = None,
) -> None:
    own = work.connection.own_tags
    there = marks.state_tags(found.tags)
    plan_tags(
        work,
        what,
        tags,
        {tag: value for tag, value in there.items() if tag in tags or not tag.startswith(own)},
        put=lambda tag, value: put(work, found, {tag: value}),
        drop=lambda tag: work.connection.tracking.delete_experiment_tag(found.experiment_id, tag),
        exact=exact,
        before=before,
    )
