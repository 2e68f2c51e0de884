"""Which record of one object is which of another.

Records pair within their kind only. If the objects are equal in content, by key. Else by the first
of these rules that finds, among the records still alone, exactly one on each side: both are the
subject; same native id; same name and version; same paths of files. What is then left of a kind is
paired in the order of the keys, and the surplus came or went. The rules depend on the two objects
alone, so the same pair always compares the same.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

from mlarchive.records import AnyRecord
from mlarchive.snapshot import Snapshot

Pair: TypeAlias = tuple[AnyRecord | None, AnyRecord | None]
"""A record before and after; one of them is None where it came or went."""

Mark: TypeAlias = Callable[[AnyRecord], Hashable]


def kind_of(record: AnyRecord) -> str:
    """The record's kind, such as `run`."""
    return str(record.__struct_config__.tag)


def pairs(before: Snapshot, after: Snapshot) -> list[Pair]:
    """Pair the records of two snapshots, in the order of kinds and keys.

    Args:
        before: The first, with package-local keys, as its package gives it.
        after: The second, likewise.
    """
    if before.content_id == after.content_id:
        by_key = after.by_key
        found: list[Pair] = [(record, by_key[record.key]) for record in before.records]
        return sorted(found, key=_place)
    found = []
    for kind in {kind_of(record) for record in (*before.records, *after.records)}:
        left = _in_order(before, kind)
        right = _in_order(after, kind)
        for mark in _marks(before, after):
            found.extend(_matched(left, right, mark))
        together = min(len(left), len(right))
        found.extend(zip(left, right, strict=False))
        found.extend((record, None) for record in left[together:])
        found.extend((None, record) for record in right[together:])
    return sorted(found, key=_place)


def _marks(before: Snapshot, after: Snapshot) -> Sequence[Mark]:
    """What tells a record apart, strongest first; a mark that is false says nothing."""
    subjects = {id(s.record(s.subject)) for s in (before, after)}
    return (
        lambda record: id(record) in subjects,
        lambda record: record.native.id,
        _called,
        lambda record: tuple(file.path for file in getattr(record, "files", ())),
    )


def _called(record: AnyRecord) -> tuple[str, str] | None:
    name = getattr(record, "name", "")
    return (name, getattr(record, "version", "")) if name else None


def _matched(
    left: list[AnyRecord], right: list[AnyRecord], mark: Mark
) -> list[tuple[AnyRecord, AnyRecord]]:
    """Take the records out of both lists that have a mark which only one of each side has."""
    ours, theirs = _by_mark(left, mark), _by_mark(right, mark)
    matched = [
        (ours[sign][0], theirs[sign][0])
        for sign in ours.keys() & theirs.keys()
        if len(ours[sign]) == len(theirs[sign]) == 1
    ]
    taken = {id(record) for pair in matched for record in pair}
    for side in (left, right):
        side[:] = [record for record in side if id(record) not in taken]
    return matched


def _by_mark(records: Sequence[AnyRecord], mark: Mark) -> dict[Hashable, list[AnyRecord]]:
    found: defaultdict[Hashable, list[AnyRecord]] = defaultdict(list)
    for record in records:
        if sign := mark(record):
            found[sign].append(record)
    return found


def _in_order(snapshot: Snapshot, kind: str) -> list[AnyRecord]:
    return sorted((r for r in snapshot.records if kind_of(r) == kind), key=lambda r: _number(r.key))


def _place(pair: Pair) -> tuple[str, int, str, bool]:
    before, after = pair
    record = after or before
    assert record is not None  # noqa: S101  (a pair has a record)
    return (kind_of(record), *_number(record.key), after is None)


def _number(key: str) -> tuple[int, str]:
    """Keys are `KIND-N`: among those of a kind the shorter has the smaller number."""
    return len(key), key
