"""Gives a version's own files a home at the target: a logged model that only carries them.

A version whose files lie neither in its run nor in its logged model has no place in MLflow that
can be written to. The carrier is marked, so that reading it back gives the version's own files
again (clause 3.6). It is only ever filled with the files that it was made for: other versions may
have it.
"""

import hashlib
from collections.abc import Iterable

from mlflow.entities import LoggedModel as MlflowLoggedModel
from mlflow.entities import LoggedModelStatus, LoggedModelTag

from mlarchive.records import File, ModelVersion, Run, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.mlmodels import list_ids
from mlarchive.registries.mlflow.reading_version import logged_model_id
from mlarchive.registries.mlflow.selecting import is_placeholder, versions_of
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.uploading import fill, has_odd_names, list_refused_names
from mlarchive.registries.mlflow.work import Work, target_name
from mlarchive.registries.mlflow.writing_experiment import experiment_made, experiment_there
from mlarchive.registries.mlflow.writing_model import find_logged_models
from mlarchive.snapshot import Stream

_NAME = "version-files"


def plan_carrier(work: Work, record: ModelVersion, *, held: bool, begun: int = 0) -> None:
    """Plan a home for a version's own files, if it has any.

    Args:
        work: Gets the step, and what is lost of them each time.
        record: The version.
        held: Whether they are there already.
        begun: The number of the version that an interrupted write left, which has its home; 0
            where there is none.
    """
    if record.root is not None:
        return
    what = f"files of version {record.version} of {record.name!r}"
    streams = work.snapshot.streams_of(record.key)
    if has_odd_names(streams):
        experiment = experiment_there(work, _experiment_key(work, record))
        list_refused_names(work, what, experiment, streams)
    if held:
        return
    list_ids(work, what, streams)
    work.change(what, "place", "a logged model at the target carries them")
    work.step(
        "create", what, "in a logged model of their own", lambda: _carry(work, record, what, begun)
    )


def _carry(work: Work, record: ModelVersion, what: str, begun: int) -> None:
    store = work.connection.tracking
    streams = work.snapshot.streams_of(record.key)
    origin = f"{marks.origin_of(record, work.snapshot)}!files"
    made_for = {marks.ORIGIN: origin, marks.RECORD: _digest(streams)}
    experiment_id = experiment_made(work, _experiment_key(work, record))
    model = _home(work, record, made_for, experiment_id, begun)
    if model is None:
        tags = {**made_for, marks.CARRIER: "true"}
        with once():
            model = store.create_logged_model(
                experiment_id=experiment_id,
                name=_NAME,
                source_run_id=work.ids[record.run] if record.run else None,
                tags=[LoggedModelTag(name, value) for name, value in tags.items()],
            )
    folder = artifact_folder(work.connection, model.artifact_location)
    renamed = fill(work, what, folder, streams, settled=False)
    store.set_logged_model_tags(
        model.model_id,
        [LoggedModelTag(name, value) for name, value in (made_for | renamed).items()],
    )
    store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    work.ids[f"files of {record.key}"] = model.model_id


def _home(
    work: Work, record: ModelVersion, made_for: Tags, experiment_id: str, begun: int
) -> MlflowLoggedModel | None:
    """What is there for the very files; of older ones, that do not say so, what no version has."""
    found = find_logged_models(work, made_for[marks.ORIGIN], experiment_id)
    versions = [
        one
        for one in versions_of(work.connection, target_name(work, record))
        if not is_placeholder(one) or int(one.version) == begun
    ]
    own = {logged_model_id(one) for one in versions if int(one.version) == begun}
    others = {logged_model_id(one) for one in versions if int(one.version) != begun}
    for model in found:
        if model.model_id in own:
            return model
    for model in found:
        said = (model.tags or {}).get(marks.RECORD, "")
        if said == made_for[marks.RECORD] or not (said or model.model_id in others):
            return model
    return None


def _digest(streams: Iterable[Stream]) -> str:
    """Of names, sizes and digests of files, as the package states them."""
    files = (stream.entry for stream in streams if isinstance(stream.entry, File))
    lines = sorted(f"{one.sha256} {one.size} {one.path}\n" for one in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _experiment_key(work: Work, record: ModelVersion) -> str:
    run = work.snapshot.by_key.get(record.run)
    return run.experiment if isinstance(run, Run) else ""
