"""What Azure ML says of models, runs and environments, and MLflow has no field for.

Writers for MLflow list it as losses; a type or a flavour that the files say anyway is none. An
environment that comes by itself is passed over by every target that has none, so that a whole
workspace can be copied there; so is any other object by targets of models alone.
"""

from collections.abc import Iterator

import msgspec

from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    Experiment,
    Folder,
    Loss,
    ModelVersion,
    RegisteredModel,
    Run,
)
from mlarchive.records.others import UNREAD
from mlarchive.registries.base import Action, Receipt, WritePlan
from mlarchive.registries.mlflow import marks
from mlarchive.snapshot import Snapshot

_WHY = "MLflow has no place for it"


def environment_alone(snapshot: Snapshot, origin: str, why: str = _WHY) -> WritePlan | None:
    """The plan of a target that passes environments over; None for any other object.

    Args:
        snapshot: What is to be written.
        origin: The target's own name.
        why: The target has no place for them.
    """
    subject = snapshot.record(snapshot.subject)
    if not isinstance(subject, Environment):
        return None
    what = _called(subject)
    return WritePlan(
        target=Address(
            origin=origin, kind="environments", name=subject.name, version=subject.version
        ),
        actions=(Action(verb="skip", what=what, why=why),),
        losses=(Loss(record=what, field="all of it", why=why),),
    )


def object_alone(snapshot: Snapshot, origin: str, why: str) -> WritePlan:
    """The plan of a target that passes an object over, whatever it is, and tells that it is lost.

    Args:
        snapshot: What is to be written.
        origin: The target's own name.
        why: The target has no place for it.
    """
    what = str(snapshot.address).partition("#")[2]
    # What could not be read was told then, and there is no more of it to lose.
    is_unread = any((one.record, one.field) == (what, UNREAD) for one in snapshot.losses)
    is_lost = not is_unread and not says_nothing(snapshot.record(snapshot.subject))
    return WritePlan(
        target=msgspec.structs.replace(snapshot.address, origin=origin),
        actions=(Action(verb="skip", what=what, why=why),),
        losses=(Loss(record=what, field="all of it", why=why),) if is_lost else (),
    )


def says_nothing(subject: AnyRecord) -> bool:
    """Whether an object has but its name."""
    if isinstance(subject, RegisteredModel):
        said = (subject.description, subject.tags, subject.properties)
        return not any(said) and subject.lifecycle != "archived"
    return isinstance(subject, Experiment) and not subject.tags


def passed_over(snapshot: Snapshot, plan: WritePlan) -> Receipt:
    """The receipt of a target that carries out such a plan."""
    return Receipt(
        source=snapshot.address,
        target=plan.target,
        content_id="",
        state_id="",
        actions=plan.actions,
        losses=plan.losses,
    )


def unplaced(record: AnyRecord, what: str) -> Iterator[Loss]:
    """The fields of a record that MLflow cannot hold, as losses.

    Args:
        record: Of any kind.
        what: What a person calls it at the target; environments are called by their own names.
    """
    if isinstance(record, Environment):
        if not record.record and marks.STATED not in record.native.also:
            yield Loss(record=_called(record), field="all of it", why=_WHY)
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


def _called(environment: Environment) -> str:
    named = ("environments", environment.name, environment.version)
    return "/".join(part for part in named if part)
