"""Writes a run: everything it holds, read back and compared, and only then marked (clause 3.2).

A run that an interrupted write left behind is found by its origin and finished. A run that is
complete, and has more at the source now, gets what is new; what contradicts it is a conflict.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

from mlflow.entities import Dataset, InputTag, LoggedModelInput, RunStatus, RunTag
from mlflow.entities import DatasetInput as MlflowDatasetInput
from mlflow.entities import Run as MlflowRun
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_USER
from mlflow.utils.validation import (
    MAX_PARAM_VAL_LENGTH,
    MAX_TAG_VAL_LENGTH,
)

from mlarchive.errors import ConflictError, NotFoundError, RemoteError
from mlarchive.records import Address, DatasetInput, Experiment, Run, Tags
from mlarchive.registries.base import Action
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.elsewhere import run_elsewhere
from mlarchive.registries.mlflow.fieldtags import field_tags, list_changed_fields
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.given import Given, base_of, mark_of, merged, said
from mlarchive.registries.mlflow.logging import log
from mlarchive.registries.mlflow.mlmodels import list_ids
from mlarchive.registries.mlflow.names import (
    decimals_of,
    list_changed_names,
    params_of,
    streams_of,
)
from mlarchive.registries.mlflow.reading_run import datasets_of, run_name_and_user
from mlarchive.registries.mlflow.sameorigin import (
    also_named,
    named_otherwise,
    origin_mark,
    own_first,
    where_from,
)
from mlarchive.registries.mlflow.selecting import quoted, run_of, runs_in
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.sourcetags import first_kept, source_tags
from mlarchive.registries.mlflow.uploading import file_streams, fill, list_refused_names
from mlarchive.registries.mlflow.work import (
    RunLabels,
    Step,
    Work,
    begun_why,
    called,
    cut,
    plan_given,
    plan_tags,
)
from mlarchive.registries.mlflow.writing_experiment import (
    experiment_made,
    experiment_there,
    name_there,
)
from mlarchive.registries.mlflow.writing_metrics import (
    STAYS_BESIDE,
    check_series,
    lacking_points,
    list_changed_points,
)

_ITS_OWN = "the target says its own"


def plan_run(work: Work, record: Run, *, stays: bool = False) -> None:
    """Plan a run's creation, what it lacks, or its labels.

    Args:
        work: Knows the target.
        record: The run.
        stays: Whether what is there stays, and gets labels alone.
    """
    what = called(record)
    origin = marks.origin_of(record, work.snapshot)
    every = field_tags(work.snapshot, record) | work.following(what, record.tags)
    found = _find(work, record, origin)
    every |= first_kept(source_tags(work, record), found[0].data.tags if found else {})
    every = work.taken(what, every)
    if record.user and MLFLOW_USER in work.connection.refused_tags:
        work.change(what, "user", _ITS_OWN)
    tags = cut(work, what, "tag", every, MAX_TAG_VAL_LENGTH)
    cut(work, what, "param", record.params, MAX_PARAM_VAL_LENGTH)
    digest = marks.record_digest(record)
    whole = [run for run in found if stays or run.data.tags.get(marks.RECORD) == digest]
    given = said(tags, name=record.name)
    streams = streams_of(work, record)
    list_refused_names(work, what, experiment_there(work, record.experiment), streams)
    if whole:
        _plan_labels(work, record, whole[0], tags, len(work.steps))
        return
    list_changed_names(work, record, work.snapshot.streams_of(record.key))
    list_changed_fields(work, record)
    list_changed_points(work, what, streams)
    list_ids(work, what, streams)
    settled = [run for run in found if marks.RECORD in run.data.tags]
    begun = [run for run in found if marks.RECORD not in run.data.tags]
    # What changed at the source becomes a run of its own where the policy makes new versions.
    extend = settled if work.extends else []
    if extend or begun:
        run, first = (extend or begun)[0], len(work.steps)
        _lacking_params(work, record, run)
        work.ids[record.key] = run.info.run_id
        if run.info.lifecycle_stage == "deleted":
            plan_revival(work, record, run.info.run_id)
        if extend:
            why = "it has changed at the source"
            work.step("update", what, why, lambda: _complete(work, record))
            _plan_labels(work, record, run, tags, first)
        else:
            why = begun_why(run.data.tags)
            work.step("update", what, why, lambda: _complete(work, record, tags, given))
        return
    work.change(what, "run_id", "the target gives it an id of its own; the old one is in a tag")

    def create() -> None:
        made = _create(work, record, origin, tags)
        _complete(work, record, tags, given, made)

    experiment = work.snapshot.by_key.get(record.experiment)
    where = ""
    if isinstance(experiment, Experiment):
        where = f"in experiment {name_there(work, experiment)!r}"
    work.step("create", what, where, create)


def plan_run_end(work: Work, record: Run) -> None:
    """Plan what comes last: a run that is deleted at the source is deleted here too."""
    run_id = work.ids.get(record.key)
    active = (
        not run_id
        or record.key in work.revived
        or run_of(work.connection, run_id).info.lifecycle_stage == "active"
    )
    if record.lifecycle == "deleted" and active:
        work.step_once(
            "delete",
            called(record),
            "deleted at the source",
            lambda: work.connection.tracking.delete_run(work.ids[record.key]),
        )


def is_whole(work: Work, record: Run) -> bool:
    """Whether the target has a run that was written whole."""
    found = _find(work, record, marks.origin_of(record, work.snapshot))
    return any(marks.RECORD in run.data.tags for run in found)


def plan_status(work: Work, record: Run) -> None:
    """Plan the status and the end of a run that is there; as with all of it, after its labels."""
    run = run_of(work.connection, work.ids[record.key])
    if (run.info.status, run.info.end_time or 0) == (record.status, record.end):
        return
    if run.info.lifecycle_stage == "deleted":
        _revive_once(work, record, run.info.run_id)
    status = RunStatus.from_string(record.status)
    work.step(
        "update",
        f"status of {called(record)}",
        f"is {record.status} at the source",
        lambda: work.connection.tracking.update_run_info(
            run.info.run_id, status, record.end or None, None
        ),
    )


def find_run(connection: Connection, origin: str, experiments: Sequence[str]) -> list[MlflowRun]:
    """The runs of some experiments that came from an origin, by its very name first, then age."""
    found = runs_in(connection, list(experiments), where_from(connection, origin))
    return own_first(list(found)[::-1], origin, lambda run: run.data.tags)


def _find(work: Work, record: Run, origin: str) -> list[MlflowRun]:
    if known := work.known.get(record.key):
        with contextlib.suppress(NotFoundError):
            return [run_of(work.connection, known)]
    experiment = experiment_there(work, record.experiment)
    return find_run(work.connection, origin, [experiment]) if experiment else []


def _create(work: Work, record: Run, origin: str, tags: dict[str, str]) -> MlflowRun:
    marked = {marks.ORIGIN: origin}
    refused = MLFLOW_USER in work.connection.refused_tags
    bare = record.native.also.get("user_tag") == "no"
    if record.user and MLFLOW_USER not in tags and not (refused or bare):
        marked[MLFLOW_USER] = record.user
    with once():
        run: MlflowRun = work.connection.tracking.create_run(
            experiment_id=experiment_made(work, record.experiment),
            user_id="" if refused else record.user,
            start_time=record.start,
            tags=[RunTag(name, value) for name, value in marked.items()],
            run_name=record.name,
        )
    work.ids[record.key] = run.info.run_id
    if not record.name:
        why = f"MLflow needs one and calls it {run.info.run_name!r}"
        work.change(called(record), "name", why)
    return run


def _complete(
    work: Work,
    record: Run,
    tags: dict[str, str] | None = None,
    given: Given | None = None,
    made: MlflowRun | None = None,
) -> None:
    """Bring everything a run lacks, check it, and mark it whole.

    Args:
        work: Knows the target.
        record: The run.
        tags: Those that it gets; None where it was whole before, and people may have labelled it.
        given: What the source says of its labels, likewise.
        made: The run, if it was made just now.
    """
    run_id = work.ids[record.key]
    what = called(record)
    streams = streams_of(work, record)
    run = made or run_of(work.connection, run_id)
    fresh = not run.data.metrics
    log(
        work.connection,
        run_id,
        params=_lacking_params(work, record, run),
        # What another tool wrote has no origin yet.
        tags={**_lacking_origin(work, record, run.data.tags), **(tags or {})},
        points=lacking_points(work, run_id, streams, fresh=fresh),
    )
    renamed: dict[str, str] = {}
    _log_inputs(work, record, run)
    if file_streams(streams):
        folder = artifact_folder(work.connection, run.info.artifact_uri)
        settled = tags is None and not _still_logs(work, run)
        renamed = fill(work, what, folder, streams, settled=settled, fresh=made is not None)
    work.connection.tracking.update_run_info(
        run_id,
        RunStatus.from_string(record.status),
        record.end or None,
        (record.name or None) if tags is not None else None,
    )
    check_series(work, what, run_id, streams, fresh=made is not None)
    _check(work, record, run_of(work.connection, run_id))
    parent = _parent(work, record)
    last = {
        marks.RECORD: marks.record_digest(record),
        **(mark_of(given) if given else {}),
        **renamed,
    }
    if decimals := decimals_of(streams):
        last[marks.STEP_DECIMALS] = decimals
    log(
        work.connection,
        run_id,
        tags=last | ({MLFLOW_PARENT_RUN_ID: parent} if parent else {}),
    )


def _lacking_origin(work: Work, record: Run, held: Tags) -> Tags:
    """What a run lacks of the marks that say where it came from; the first name stays the first."""
    origin = marks.origin_of(record, work.snapshot)
    if not work.connection.ends_found:
        return {} if held.get(marks.ORIGIN) == origin else {marks.ORIGIN: origin}
    if named_otherwise(held, origin) and origin not in marks.origins_in(held):
        why = f"it came from {held[marks.ORIGIN]} before, which is kept"
        work.change(called(record), "origin", why)
    # What is written by itself gets the mark of its other names with what it says, at the end.
    by_itself = record.key == work.snapshot.subject
    also = {} if by_itself else also_named(held, origin, "")
    return origin_mark(held, origin) | also


def _still_logs(work: Work, run: MlflowRun) -> bool:
    """Whether a run at the target was not at its end yet, and no version there is made of it."""
    if RunStatus.is_terminated(RunStatus.from_string(run.info.status)):
        return False
    made_of_it = f"run_id = {quoted(run.info.run_id)}"
    return not work.connection.models.search_model_versions(made_of_it, max_results=1)


def _lacking_params(work: Work, record: Run, run: MlflowRun) -> dict[str, str]:
    """The params that a run lacks.

    Raises:
        ConflictError: It has one with another value.
    """
    wanted = {name: value[:MAX_PARAM_VAL_LENGTH] for name, value in params_of(record).items()}
    for name, value in run.data.params.items():
        if name in wanted and wanted[name] != value:
            raise ConflictError(
                f"param {name!r} of {called(record)} at {work.connection.uri} is {value!r}, and"
                " params cannot be changed",
                hint="it changed at the source or at the target after it was written; with"
                " --conflict new-version another run is made of it",
            )
    return {n: value for n, value in wanted.items() if n not in run.data.params}


def _log_inputs(work: Work, record: Run, run: MlflowRun) -> None:
    present = {(item.name, item.digest) for item in datasets_of(run)}
    lacking = [d for d in record.inputs if (d.name, d.digest) not in present]
    if lacking:
        work.connection.tracking.log_inputs(
            run.info.run_id, datasets=[_dataset(d) for d in lacking]
        )


def plan_model_inputs(work: Work, record: Run) -> None:
    """Plan the links to the logged models that went into a run, where they are not there yet."""
    run_id = work.ids.get(record.key)
    inputs = (item.model for item in record.model_inputs if item.model not in work.left_out)
    wanted = {work.ids.get(model) for model in inputs}
    run = run_of(work.connection, run_id) if run_id else None
    if run is None or wanted - model_inputs_of(run):
        if run and run.info.lifecycle_stage == "deleted" and record.key not in work.revived:
            plan_revival(work, record, run.info.run_id)
        what = f"model inputs of {called(record)}"
        work.step("update", what, "new", lambda: _log_model_inputs(work, record))


def plan_run_marks(work: Work, record: Run) -> None:
    """Plan the marks that make a run count as mirrored by itself."""
    run_id = work.ids.get(record.key)
    run = run_of(work.connection, run_id) if run_id else None
    held = run.data.tags if run else {}
    state_id, origin = work.snapshot.state_id, marks.origin_of(record, work.snapshot)
    wanted = {
        marks.CONTENT_ID: work.snapshot.content_id,
        marks.STATE_ID: state_id,
        **marks.path_marks(record, work.snapshot),
    }
    if named_otherwise(held, origin):
        # By each of its names it came the same way; the state is what the first one gave last.
        del wanted[marks.STATE_ID]
        wanted |= also_named(held, origin, state_id)
        wanted.pop(marks.PATH if marks.PATH in held else "", None)
    lacking = {name: value for name, value in wanted.items() if held.get(name) != value}
    if lacking:
        if run and run.info.lifecycle_stage == "deleted":
            # A target deletes the runs of an experiment with it, and takes no mark of them then.
            _revive_once(work, record, run.info.run_id)
        work.step(
            "update",
            f"marks of {called(record)}",
            "content and state ids",
            lambda: log(work.connection, work.ids[record.key], tags=lacking),
        )


def _log_model_inputs(work: Work, record: Run) -> None:
    run = run_of(work.connection, work.ids[record.key])
    present = model_inputs_of(run)
    wanted = [work.ids[i.model] for i in record.model_inputs if i.model in work.ids]
    lacking = [LoggedModelInput(model_id) for model_id in wanted if model_id not in present]
    if lacking:
        work.connection.tracking.log_inputs(run.info.run_id, models=lacking)


def model_inputs_of(run: MlflowRun) -> set[str | None]:
    """The ids of the logged models that went into a run."""
    return {item.model_id for item in run.inputs.model_inputs or []} if run.inputs else set()


def _dataset(item: DatasetInput) -> MlflowDatasetInput:
    dataset = Dataset(
        item.name,
        item.digest,
        item.source_type,
        item.source,
        item.schema or None,
        item.profile or None,
    )
    return MlflowDatasetInput(dataset, [InputTag(name, value) for name, value in item.tags.items()])


def _check(work: Work, record: Run, run: MlflowRun) -> None:
    """Compare what the target holds with what was wanted; what is there beside it stays.

    Raises:
        RemoteError: Something is not as it was sent.
    """
    what = called(record)
    info = run.info
    params = {name: value[:MAX_PARAM_VAL_LENGTH] for name, value in params_of(record).items()}
    more = run.data.params.keys() - params.keys()
    for name in sorted(more):
        work.change(what, f"param {name}", STAYS_BESIDE)
    sides: dict[str, tuple[Any, Any]] = {
        "params": (params, {n: v for n, v in run.data.params.items() if n not in more}),
        "status": (record.status, info.status),
        "start": (record.start, info.start_time or 0),
        "end": (record.end, info.end_time or 0),
        "user": (record.user, run_name_and_user(run)[1]),
    }
    for field, (wanted, held) in sides.items():
        if wanted != held and field in work.connection.assigns:
            work.change(what, field, _ITS_OWN)
        elif wanted != held:
            raise RemoteError(
                f"{field} of {what} at {work.connection.uri} is {held!r}, not {wanted!r} as sent",
                hint="it was changed there while it was written; run the same command again",
            )
    held_inputs = {(item.name, item.digest): item for item in datasets_of(run)}
    for item in record.inputs:
        if held_inputs.get((item.name, item.digest)) != item:
            why = "its experiment has another dataset with that name and digest, which MLflow takes"
            work.lose(what, f"dataset {item.name}", why)


def plan_revival(work: Work, record: Run, run_id: str, position: int | None = None) -> None:
    """Restore a deleted run, before a step that is planned already or before the next one."""
    work.revived.add(record.key)
    action = Action(verb="update", what=called(record), why="restored")
    step = Step(action, lambda: work.connection.tracking.restore_run(run_id), once=True)
    work.steps.insert(len(work.steps) if position is None else position, step)


def _plan_labels(
    work: Work, record: Run, run: MlflowRun, tags: dict[str, str], before: int
) -> None:
    """Plan the labels of a run that is there; `before` is where its steps begin."""
    what = called(record)
    run_id = run.info.run_id
    store = work.connection.tracking
    work.ids[record.key] = run_id
    if run.info.lifecycle_stage == "deleted" and record.lifecycle == "active":
        _revive_once(work, record, run_id)
    if lacking := _lacking_origin(work, record, run.data.tags):
        work.step(
            "update",
            f"origin of {what}",
            "it has another name now",
            lambda: log(work.connection, run_id, tags=lacking),
        )
    first = len(work.steps)
    base = base_of(work.policy, run.data.tags)
    name, user = run_name_and_user(run)
    present = marks.run_tags(run.data.tags, name=name, user=user)
    own = work.connection.own_tags
    held = {tag: value for tag, value in present.items() if tag in tags or not tag.startswith(own)}
    to_be, called_as = tags, record.name
    if work.settle is not None:
        base = None
        to_be, called_as = work.settle(
            RunLabels(
                what=what,
                marked=run.data.tags,
                held=held,
                tags=tags,
                held_name=name,
                name=record.name,
            )
        )
    if called_as and called_as != name and _renames(work, record, name, base):
        work.step(
            "update",
            f"name of {what}",
            f"was {name!r}",
            lambda: store.update_run_info(
                run_id, RunStatus.from_string(record.status), None, called_as
            ),
        )
    plan_tags(
        work,
        what,
        to_be,
        held,
        put=lambda tag, value: store.set_tag(run_id, RunTag(tag, value)),
        drop=lambda tag: store.delete_tag(run_id, tag),
        before=base,
    )
    given = said(tags, name=record.name)
    plan_given(
        work,
        what,
        run.data.tags,
        given,
        first,
        lambda marked: log(work.connection, run_id, tags=marked),
    )
    parent = _parent(work, record)
    if parent and run.data.tags.get(MLFLOW_PARENT_RUN_ID) != parent:
        work.step(
            "update",
            f"parent of {what}",
            "it is here too now",
            lambda: store.set_tag(run_id, RunTag(MLFLOW_PARENT_RUN_ID, parent)),
        )
    if len(work.steps) == before:
        is_as_said = held == tags and record.name in {"", name}
        same = "same content and labels"
        work.step("keep", what, same if is_as_said else "same content, but for labels")
    elif run.info.lifecycle_stage == "deleted" and record.key not in work.revived:
        # MLflow takes no label of a deleted run; `plan_run_end` deletes it again.
        plan_revival(work, record, run_id, before)


def _revive_once(work: Work, record: Run, run_id: str) -> None:
    if record.key not in work.revived:
        plan_revival(work, record, run_id)


def _renames(work: Work, record: Run, held: str, base: Given | None) -> bool:
    """Whether a run that has another name gets the source's, or people gave it its own."""
    if base is None:
        return True
    verdict = merged(held or None, record.name, base.of_text("name"))
    if verdict == "lose":
        work.lose(called(record), "name", "people at the target changed it, and theirs stays")
    return verdict == "write"


def _parent(work: Work, record: Run) -> str:
    """The target's id of the run's parent; "" if there is none, or it was not mirrored."""
    native = record.native.also.get("parent", "")
    experiment = experiment_there(work, record.experiment)
    if not native or not experiment:
        return ""
    address = Address(origin=work.snapshot.address.origin, kind="runs", name=native)
    beside = find_run(work.connection, marks.origin_mark(address), [experiment])
    found = beside[0] if beside else run_elsewhere(work, native, experiment)
    if found is None:
        why = f"its parent {native} is not at the target; its id stays in the package"
        work.change(called(record), "parent", why)
    return found.info.run_id if found else ""
