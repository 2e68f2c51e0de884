"""Runs that hold what is not theirs: files of logged models, and of versions without a run."""

from collections.abc import Mapping
from typing import Any

from mlarchive.records import Experiment, LoggedModel, ModelVersion, Native, Run
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflowexport.numbering import Numbered
from mlarchive.registries.mlflowexport.placed import CARRIER, plan_placed
from mlarchive.registries.mlflowexport.placing import plain_id
from mlarchive.registries.mlflowexport.work import Work
from mlarchive.registries.mlflowexport.writing_experiment import plan_experiment
from mlarchive.registries.mlflowexport.writing_run import plan_run

_CARRIERS = Experiment(key="carriers", native=Native(id="mlarchive"), name="mlarchive")


def experiment_of_none(work: Work) -> Mapping[str, Any]:
    """Plan the experiment of what belongs to none."""
    if _CARRIERS.key not in work.experiments:
        plan_experiment(work, _CARRIERS)
    return work.experiments[_CARRIERS.key]


def plan_carrier(work: Work, version: ModelVersion, at: Numbered) -> str:
    """Plan a run that holds the files of a version that no run has made."""
    origin = marks.origin_of(version, work.snapshot)
    run = Run(
        key=CARRIER,
        native=Native(id=plain_id("", origin)),
        name=f"files of {at.name}/{at.number}",
        status="FINISHED",
    )
    plan_run(work, run, experiment_of_none(work), carrier=True)
    plan_files_of_models(work, run)
    what = f"models/{at.name}/{at.number}"
    work.change(what, "run", f"its files lie in a run made for them, {run.native.id}")
    return run.key


def plan_files_of_models(work: Work, run: Run) -> None:
    """Plan what lies among a run's artifacts and is of another record."""
    placed = work.marks[run.key].get("placed", {})
    for record in work.snapshot.records:
        if not isinstance(record, LoggedModel | ModelVersion):
            continue
        if marks.origin_of(record, work.snapshot) in placed:
            plan_placed(work, run.key, record)
            if isinstance(record, LoggedModel):
                _list_model_losses(work, record)


def _list_model_losses(work: Work, model: LoggedModel) -> None:
    """List what an export before MLflow 3 cannot say of a logged model."""
    facts: Mapping[str, object] = {
        "type": model.model_type,
        "status": "" if model.status in {"", "READY"} else model.status,
        "params": model.params,
        "tags": model.tags,
        "step": model.step,
        **{f"metric {series.key}": True for series in model.metrics},
    }
    name = f"logged model {model.native.id or model.name}"
    for field, value in facts.items():
        if value:
            work.lose(name, field, "the layout has no logged models, only their files")
