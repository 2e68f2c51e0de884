"""Writes what a model says as a whole, beside its versions: only where the source says something.

A model has one word for all its versions, which may come from several sources: it stays that of
the source that labelled it first, and what others say otherwise is a loss.
"""

from functools import partial

from mlarchive.records import RegisteredModel
from mlarchive.registries.azureml.assets import Asset, Json
from mlarchive.registries.azureml.labels import Labels, is_of_another, lacking
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks

_BLANK = Asset("", {})


def plan_model(work: Work, name: str) -> None:
    """Plan it, where the snapshot has it.

    Args:
        work: Gets the step, or the losses.
        name: Of the model at the target.
    """
    record = next((r for r in work.snapshot.records if isinstance(r, RegisteredModel)), None)
    if record is None:
        return
    wanted = Labels(
        description=record.description,
        tags=record.tags,
        properties={**record.properties, marks.ORIGIN: marks.origin_of(record, work.snapshot)},
        archived=record.lifecycle == "archived",
    )
    there = next(iter(work.control.named("models", name)), _BLANK)
    lacks = list(lacking(there, wanted))
    if is_of_another(there, wanted):
        origin = there.texts("properties")[marks.ORIGIN]
        for label in lacks:
            work.lose(f"models/{name}", label, f"the model has its labels from {origin}")
    elif lacks:
        do = partial(work.control.put_container, "models", name, _said(there, wanted))
        work.step("update", f"model {name}", f"{', '.join(lacks)} changed", do)


def _said(there: Asset, wanted: Labels) -> Json:
    """What is sent; what the source does not speak of stays."""
    return {
        "description": wanted.description or there.text("description"),
        "tags": {**there.texts("tags"), **wanted.tags},
        "properties": {**there.texts("properties"), **wanted.properties},
        "isArchived": wanted.archived,
    }
