"""Versions of which the source has lost something: what a vault keeps of them counts on."""

from dataclasses import replace

import msgspec

from mlarchive.lost import lost_of, parts_of
from mlarchive.package.fields import part_of
from mlarchive.records import AnyRecord, Loss, ModelVersion
from mlarchive.snapshot import Snapshot


def relabelled(counting: Snapshot, now: Snapshot) -> Snapshot | None:
    """What counts of a version, labelled as its source says now.

    Args:
        counting: The version as the vault keeps it.
        now: As its source gives it, which has lost something.

    Returns:
        None if what counts lacks that as well.
    """
    lost = lost_of(now) & parts_of(counting)
    if not lost:
        return None
    named = {_called(record, now): record for record in now.records}
    records = tuple(_labelled(one, named.get(_called(one, counting))) for one in counting.records)
    version = now.record(now.subject)
    assert isinstance(version, ModelVersion)  # noqa: S101  (nothing else loses anything)
    name = f"models/{version.name}/{version.version}"
    why = "the source has lost it, and it is kept as it was packed before"
    kept = tuple(Loss(record=name, field=part, why=why) for part in sorted(lost))
    return replace(
        counting,
        records=records,
        transformations=tuple(dict.fromkeys((*counting.transformations, *kept))),
        state_mark=now.state_mark,
        signatures=b"",
        original=None,
    )


def _called(record: AnyRecord, snapshot: Snapshot) -> tuple[str, str]:
    """What a record is known by in two snapshots of one object."""
    name = record.native.id or str(getattr(record, "name", ""))
    kind = str(record.__struct_config__.tag)
    return kind, "" if record.key == snapshot.subject else name


def _labelled(record: AnyRecord, now: AnyRecord | None) -> AnyRecord:
    state = [name for name, part in part_of(type(record)).items() if part == "state"]
    if now is None or not state:
        return record
    labels = {name: getattr(now, name) for name in state}
    return msgspec.structs.replace(record, native=now.native, **labels)
