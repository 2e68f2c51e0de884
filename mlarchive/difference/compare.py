"""Two objects, compared: the use case that the modules beside this one serve."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from mlarchive.difference.fields import evidence_changes, field_changes
from mlarchive.difference.files import file_changes
from mlarchive.difference.histories import series_changes
from mlarchive.difference.model import Difference, RecordChange, Side, Sign
from mlarchive.difference.pairing import Pair, kind_of, pairs
from mlarchive.package.fields import rekeyed
from mlarchive.records import MetricSeries
from mlarchive.snapshot import Snapshot, Stream

Progress = Callable[[int], None]


def compare(before: Snapshot, after: Snapshot, progress: Progress | None = None) -> Difference:
    """Say what differs between two objects in meaning, not in bytes.

    Args:
        before: As its package gives it: with ids, digests and package-local keys.
        after: Likewise.
        progress: Told of the bytes read.

    Raises:
        FormatError: What was read is damaged.
    """
    paired = pairs(before, after)
    old, new = _entries(before), _entries(after)
    changed = [
        change
        for pair, same in zip(paired, _under_one_name(paired), strict=True)
        if (change := _record_change(same, pair, old, new, progress))
    ]
    content, state = before.content_id == after.content_id, before.state_id == after.state_id
    return Difference(
        before=_side(before),
        after=_side(after),
        content_equal=content,
        state_equal=state,
        records=tuple(changed),
        evidence=tuple(_evidence(before, after, paired)),
        notes=tuple(_unexplained(changed, content=content, state=state)),
    )


def _side(snapshot: Snapshot) -> Side:
    return Side(
        address=snapshot.address, content_id=snapshot.content_id, state_id=snapshot.state_id
    )


def _under_one_name(paired: Sequence[Pair]) -> list[Pair]:
    """The same pairs with references that are equal where they name the two of a pair."""
    old, new = {"": ""}, {"": ""}
    for before, after in paired:
        if before is not None:
            old[before.key] = after.key if after is not None else f"{before.key} (removed)"
        if after is not None:
            new[after.key] = after.key if before is not None else f"{after.key} (added)"
    return [
        (before and rekeyed(before, old), after and rekeyed(after, new)) for before, after in paired
    ]


def _record_change(
    same: Pair, pair: Pair, before: "_Entries", after: "_Entries", progress: Progress | None
) -> RecordChange | None:
    one, other = pair
    record = other or one
    assert record is not None  # noqa: S101  (a pair has a record)
    old = before[one.key] if one else _NOTHING
    new = after[other.key] if other else _NOTHING
    sign: Sign = "+" if one is None else "-" if other is None else "~"
    change = RecordChange(
        sign=sign,
        kind=kind_of(record),
        name=getattr(record, "name", "") or record.native.id,
        key_before=one.key if one else None,
        key_after=other.key if other else None,
        changes=tuple(field_changes(*same)),
        files=tuple(file_changes(old.files, new.files, progress)),
        metrics=tuple(series_changes(old.series, new.series, progress)),
    )
    is_same = sign == "~" and not (change.changes or change.files or change.metrics)
    return None if is_same else change


class _Attached:
    """What hangs on a record."""

    def __init__(self) -> None:
        self.files: dict[str, Stream] = {}
        self.series: dict[tuple[str, str], Stream] = {}


_Entries = Mapping[str, _Attached]
_NOTHING = _Attached()


def _entries(snapshot: Snapshot) -> _Entries:
    """What hangs on each record, by its key."""
    attached = {record.key: _Attached() for record in snapshot.records}
    for stream in snapshot.streams:
        if isinstance(stream.entry, MetricSeries):
            named = (stream.entry.key, stream.entry.dataset)
            attached[stream.owner].series[named] = stream
        else:
            attached[stream.owner].files[stream.entry.path] = stream
    return attached


def _evidence(before: Snapshot, after: Snapshot, paired: Sequence[Pair]) -> Iterator[str]:
    for name in ("address", "losses", "transformations"):
        if getattr(before, name) != getattr(after, name):
            yield name
    for one, other in paired:
        if one is not None and other is not None:
            yield from (f"{other.key}.{field}" for field in evidence_changes(one, other))


def _unexplained(records: Sequence[RecordChange], *, content: bool, state: bool) -> Iterator[str]:
    """Where an id differs and no field does: how the records hang together is content too."""
    parts = {change.part for record in records for change in record.changes}
    came_or_went = any(record.sign != "~" for record in records)
    inside = any(record.files or record.metrics for record in records)
    if not (content or came_or_went or inside or "content" in parts):
        yield "content: every record has its equal, but the two are put together differently"
    if not (state or came_or_went or "state" in parts):
        yield "state: every record is labelled alike, but their order differs"
