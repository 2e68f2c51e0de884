"""A record of a snapshot as an object of its own, with all that it refers to."""

from mlarchive.package.fields import references
from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    ModelVersion,
    Notebook,
    RegisteredModel,
    Traces,
)
from mlarchive.snapshot import Snapshot

_KINDS = {
    "model-version": "models",
    "registered-model": "registered-models",
    "logged-model": "logged-models",
    "run": "runs",
    "experiment": "experiments",
    "environment": "environments",
    "folder": "folders",
    "prompt": "prompts",
    "prompt-version": "prompts",
    "evaluation-dataset": "evaluation-datasets",
    "scorer": "scorers",
    "webhook": "webhooks",
    "other-objects": "other-objects",
    "notebook": "notebooks",
    "traces": "traces",
    "fields": "fields",
}


def address_of(snapshot: Snapshot, record: AnyRecord) -> Address:
    """What a record would be called if it were the subject."""
    if record.key == snapshot.subject:
        return snapshot.address
    named = isinstance(record, RegisteredModel | ModelVersion) or not record.native.id
    name = getattr(record, "name", "") if named else record.native.id
    return Address(
        origin=snapshot.address.origin,
        kind=_KINDS[str(record.__struct_config__.tag)],
        name=name or record.key,
        version=getattr(record, "version", ""),
    )


def part_of(snapshot: Snapshot, record: AnyRecord, address: Address) -> Snapshot:
    """The snapshot of one record, with what it refers to and what hangs on one of these.

    Args:
        snapshot: It all.
        record: One of its records, the subject of the part.
        address: What the part is called.
    """
    keys = _closure(snapshot, record.key)
    return Snapshot(
        address=address,
        subject=record.key,
        records=tuple(r for r in snapshot.records if r.key in keys),
        streams=tuple(s for s in snapshot.streams if s.owner in keys),
    )


def _closure(snapshot: Snapshot, key: str) -> set[str]:
    """The keys of a record, of what it refers to, and of what hangs on one of these.

    That is, traces of a run with what they refer to, notebooks, and environments.
    """
    keys = _references(snapshot, key)
    for record in snapshot.records:
        if isinstance(record, Traces) and record.run in keys:
            keys |= _references(snapshot, record.key)
    describing = (r for r in snapshot.records if isinstance(r, Environment | Notebook))
    return keys | {record.key for record in describing if record.record in keys}


def _references(snapshot: Snapshot, key: str) -> set[str]:
    """The keys of a record and of all that it refers to, near and far."""
    keys: set[str] = set()
    to_see = [key]
    while to_see:
        here = to_see.pop()
        if here not in keys:
            keys.add(here)
            to_see.extend(to for _, to in references(snapshot.by_key[here]))
    return keys
