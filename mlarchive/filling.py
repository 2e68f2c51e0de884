"""Putting what was measured of a snapshot's streams into its records.

A source names files and series without digests; packing measures them. Here the two meet: claims
are checked, entries sorted, and each lands in its record. Pure: opens nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlarchive.errors import RemoteError, SourceChangedError
from mlarchive.package import Digest
from mlarchive.records import AnyRecord, File, MetricSeries
from mlarchive.snapshot import Entry, Snapshot, Stream, entry_name

POINT_BYTES = 24
"""A point of a metric series: step, timestamp and value, 8 bytes each."""

EntryKey = tuple[str, str, str]


def entry_key(entry: Entry) -> EntryKey:
    """What tells an entry from the others of its record, and sorts them."""
    if isinstance(entry, File):
        return ("file", entry.path, "")
    return ("series", entry.key, entry.dataset)


def in_order(snapshot: Snapshot) -> list[Stream]:
    """The streams in the order they are packed in: by what they are, not by servers' ids."""
    kinds = {record.key: str(record.__struct_config__.tag) for record in snapshot.records}
    return sorted(snapshot.streams, key=lambda s: (kinds[s.owner], entry_key(s.entry), s.owner))


def measured(stream: Stream, digest: Digest, owner: str) -> Entry:
    """The entry with the size and digest that were read.

    Raises:
        SourceChangedError: The source had claimed another size or digest.
        RemoteError: The columns of a series are no whole number of points.
    """
    entry = stream.entry
    name = f"{entry_name(entry)!r} of {owner}"
    if isinstance(entry, File):
        _compare(name, "bytes", entry.size, digest.size)
        filled: Entry = msgspec.structs.replace(entry, size=digest.size, sha256=digest.sha256)
    else:
        points, rest = divmod(digest.size, POINT_BYTES)
        if rest:
            raise RemoteError(f"the metric {name} came as {digest.size} bytes, no whole points")
        _compare(name, "points", entry.points, points)
        filled = msgspec.structs.replace(entry, points=points, sha256=digest.sha256)
    if entry.sha256 and entry.sha256 != digest.sha256:
        raise SourceChangedError(f"{name} is not the bytes its source states the digest of")
    return filled


def filled_records(
    snapshot: Snapshot, entries: Sequence[tuple[Stream, Entry]]
) -> tuple[AnyRecord, ...]:
    """The records with all their entries, sorted and complete.

    Raises:
        RemoteError: A record names one entry twice, or an entry that no stream brings.
    """
    by_owner: defaultdict[str, dict[EntryKey, Entry]] = defaultdict(dict)
    for stream, entry in entries:
        present = by_owner[stream.owner].setdefault(entry_key(entry), entry)
        if present is not entry:
            raise RemoteError(f"{snapshot.address} lists {entry_name(entry)!r} twice in one record")
    return tuple(_filled(record, by_owner[record.key]) for record in snapshot.records)


def _filled(record: AnyRecord, entries: Mapping[EntryKey, Entry]) -> AnyRecord:
    stated: tuple[Entry, ...] = (*getattr(record, "files", ()), *getattr(record, "metrics", ()))
    for entry in stated:
        if entry_key(entry) not in entries:
            raise RemoteError(f"{entry_name(entry)!r} of {record.key} came without its bytes")
    in_line = [entries[key] for key in sorted(entries)]
    changes: dict[str, Any] = {}
    if files := tuple(entry for entry in in_line if isinstance(entry, File)):
        changes["files"] = files
    if series := tuple(entry for entry in in_line if isinstance(entry, MetricSeries)):
        changes["metrics"] = series
    return msgspec.structs.replace(record, **changes) if changes else record


def _compare(name: str, unit: str, claimed: int, read: int) -> None:
    if claimed not in {-1, read}:
        raise SourceChangedError(
            f"{name} was announced with {claimed} {unit} and came with {read}",
            hint="run the same command again",
        )
