"""Gives a version's own files a home at the target: a logged model that only carries them.

A version whose files lie neither in its run nor in its logged model has no place in MLflow that
can be written to. The carrier is marked, so that reading it back gives the version's own files
again (clause 3.6).
"""

from mlflow.entities import LoggedModelStatus, LoggedModelTag

from mlarchive.records import ModelVersion, Run
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.mlmodels import list_ids
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.uploading import fill, has_odd_names, list_refused_names
from mlarchive.registries.mlflow.work import Work
from mlarchive.registries.mlflow.writing_experiment import experiment_made, experiment_there
from mlarchive.registries.mlflow.writing_model import find_logged_models

_NAME = "version-files"


def plan_carrier(work: Work, record: ModelVersion, *, held: bool) -> None:
    """Plan a home for a version's own files, if it has any.

    Args:
        work: Gets the step, and what is lost of them each time.
        record: The version.
        held: Whether they are there already.
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
    work.step("create", what, "in a logged model of their own", lambda: _carry(work, record, what))


def _carry(work: Work, record: ModelVersion, what: str) -> None:
    store = work.connection.tracking
    experiment_id = experiment_made(work, _experiment_key(work, record))
    origin = f"{marks.origin_of(record, work.snapshot)}!files"
    found = find_logged_models(work, origin, experiment_id)
    with once():
        model = (
            found[0]
            if found
            else store.create_logged_model(
                experiment_id=experiment_id,
                name=_NAME,
                source_run_id=work.ids[record.run] if record.run else None,
                tags=[LoggedModelTag(marks.ORIGIN, origin), LoggedModelTag(marks.CARRIER, "true")],
            )
        )
    folder = artifact_folder(work.connection, model.artifact_location)
    streams = work.snapshot.streams_of(record.key)
    renamed = fill(work, what, folder, streams, settled=False)
    store.set_logged_model_tags(
        model.model_id, [LoggedModelTag(name, value) for name, value in renamed.items()]
    )
    store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    work.ids[f"files of {record.key}"] = model.model_id


def _experiment_key(work: Work, record: ModelVersion) -> str:
    run = work.snapshot.by_key.get(record.run)
    return run.experiment if isinstance(run, Run) else ""
