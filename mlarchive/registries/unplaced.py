"""What Azure ML says of models, runs and environments, and MLflow has no field for.

Writers for MLflow list it as losses; a type or a flavour that the files say anyway is none.
"""

from collections.abc import Iterator

from mlarchive.records import (
    AnyRecord,
    Environment,
    Folder,
    Loss,
    ModelVersion,
    RegisteredModel,
    Run,
)

_WHY = "MLflow has no place for it"


def unplaced(record: AnyRecord, what: str) -> Iterator[Loss]:
    """The fields of a record that MLflow cannot hold, as losses.

    Args:
        record: Of any kind.
        what: What a person calls it at the target; environments are called by their own names.
    """
    if isinstance(record, Environment):
        if not record.record:
            name = "/".join(part for part in ("environments", record.name, record.version) if part)
            yield Loss(record=name, field="all of it", why=_WHY)
        return
    if isinstance(record, Folder):
        yield Loss(record=f"folder {record.name}", field="all of it", why=_WHY)
    if isinstance(record, ModelVersion | RegisteredModel | Run):
        for name in sorted(record.properties):
            yield Loss(record=what, field=f"property {name}", why=_WHY)
    if isinstance(record, ModelVersion | RegisteredModel) and record.lifecycle != "active":
        yield Loss(record=what, field="lifecycle", why=f"MLflow cannot call it {record.lifecycle}")
    if isinstance(record, ModelVersion):
        for flavor in sorted(record.flavor_data):
            yield Loss(record=what, field=f"data of flavor {flavor}", why=_WHY)
        said_by_files = "mlflow_model" if record.flavors else "custom_model"
        if record.model_type not in {"", said_by_files}:
            yield Loss(record=what, field="type", why=f"MLflow has no {record.model_type}")
