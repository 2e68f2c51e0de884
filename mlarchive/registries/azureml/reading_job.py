"""Reads the job that made a model: what Azure ML says of it, and its run as MLflow tells it.

A workspace speaks MLflow's interface for experiments, runs, metrics, parameters and tags, with the
token of its control plane.
"""

import msgspec

from mlarchive.errors import NotFoundError
from mlarchive.records import Run
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.natives import native
from mlarchive.registries.azureml.reading_code import gather_code_notebooks
from mlarchive.registries.azureml.runfacts import TAG, with_facts
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.azureml.tracking import tracking_connection
from mlarchive.registries.azureml.withholding import NEVER_KEPT
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.notebooks.wanted import Wanted
from mlarchive.registries.redaction import redacted_text

_ROOT_TAG = "mlflow.rootRunId"
"""The service puts it on every run: itself, or the first of its parents."""

_NOTE = "mlflow.note.content"
"""The tag in which MLflow keeps the description of a run."""


def job_of(version: Asset) -> str:
    """The job that made a version of a model; "" for none.

    A service that took the run for no job of its own still has it.
    """
    return version.text("jobName") or version.texts("properties").get(keys.RUN, "")


def run_there(version: Asset) -> str:
    """The run that says what made a version: this program's own before its job; "" for none."""
    return version.texts("properties").get(keys.RUN, "") or job_of(version)


def read_job(
    control: ControlPlane, storage: Storage, name: str, wanted: Wanted, gathering: Gathering
) -> str:
    """Gather a job as a run; returns the key of its record, "" if there is none."""
    if not name or control.place.is_registry:
        return ""
    try:
        _read_run(control, name, gathering)
    except NotFoundError as error:
        gathering.lose(f"job {name}", "all but its name", f"it is no longer there: {error.message}")
        return ""
    key = run_key(name)
    job = _job(control, name)
    for at, record in enumerate(gathering.records):
        if record.key == key and isinstance(record, Run):
            run = gathering.records[at] = _with_job(record, job)
            for label, said in sorted(marks.state_tags(job.texts("properties")).items()):
                if redacted_text(said) != said:
                    gathering.lose(f"job {name}", f"property {label}", NEVER_KEPT)
            if job.text("description") not in {"", run.tags.get(_NOTE)}:
                why = f"the tag {_NOTE} of its run says something else; it is evidence alone"
                gathering.lose(f"job {name}", "description", why)
    why = "only the model's own files are carried, and not what else the job put out"
    gathering.change(f"job {name}", "outputs", why)
    gather_code_notebooks(control, storage, job, gathering, owner=key, wanted=wanted)
    return key


def _job(control: ControlPlane, name: str) -> Asset:
    """What the service says of a job; of a run that it takes for none, nothing."""
    try:
        return Asset(name, control.job(name))
    except NotFoundError:
        return Asset(name, {})


def _read_run(control: ControlPlane, name: str, gathering: Gathering) -> None:
    connection = tracking_connection(control)
    from mlarchive.registries.mlflow.failures import speaking
    from mlarchive.registries.mlflow.reading_run import read_run_itself

    with speaking(connection.uri):
        run = connection.tracking.get_run(name)
        read_run_itself(connection, run, frozenset(), gathering)


def _with_job(run: Run, job: Asset) -> Run:
    """The run with what only the job says."""
    facts = {name: said for name in ("jobType", "computeId") if (said := job.text(name))}
    facts["run"] = run.native.verbatim
    evidence = native(job, {**run.native.also, **facts})
    described = {_NOTE: job.text("description")} if job.text("description") else {}
    tags = {name: value for name, value in run.tags.items() if name != _ROOT_TAG}
    read = msgspec.structs.replace(
        run,
        tags={**described, **tags},
        properties={
            label: redacted_text(said)
            for label, said in marks.state_tags(job.texts("properties")).items()
        },
        native=msgspec.structs.replace(evidence, id=run.native.id, location=run.native.location),
    )
    return with_facts(read, run.native.also.get(TAG, ""))
