"""What hangs on records: files and metric series, and what must hold of them (clauses 7 and 8).

Entries are sorted and unique within their record, paths are allowed and do not collide, and
documents and index name the same objects with the same sizes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from mlarchive.errors import FormatError
from mlarchive.package.paths import check_paths
from mlarchive.records import AnyRecord, File, MetricSeries
from mlarchive.snapshot import Entry

_DIGEST = re.compile("[0-9a-f]{64}")

POINT = 24
"""Bytes that a point of a metric series takes: step, timestamp, value."""

MOST_DECIMALS = 18
"""Of a step of a metric series: as many digits as 64 bits always hold."""


def entries_of(record: AnyRecord) -> Iterator[Entry]:
    """The files and series that hang on a record, in its own order."""
    for name in ("files", "metrics"):
        yield from getattr(record, name, ())


def size_of(entry: Entry) -> int:
    """Size of the entry's bytes; -1 where a source claims nothing."""
    if isinstance(entry, File):
        return entry.size
    return entry.points * POINT if entry.points >= 0 else -1


def check_entries(record: AnyRecord) -> None:
    """Refuse entries that are not sorted, not unique, or not well-formed.

    Raises:
        FormatError: E036 to E039.
    """
    check_well_formed(
        record.key, tuple(getattr(record, "files", ())), tuple(getattr(record, "metrics", ()))
    )


def check_well_formed(key: str, files: Sequence[File], series: Sequence[MetricSeries]) -> None:
    """The same for the entries of the record of a key.

    Raises:
        FormatError: E036 to E039.
    """
    entries: tuple[Entry, ...] = (*files, *series)
    for entry in entries:
        if not _DIGEST.fullmatch(entry.sha256):
            raise FormatError("E039", f"{_name(key, entry)} has the digest {entry.sha256!r}")
        if size_of(entry) < 0:
            raise FormatError("E039", f"{_name(key, entry)} has a negative size")
    for one in series:
        if not 0 <= one.step_decimals <= MOST_DECIMALS:
            raise FormatError("E039", f"{_name(key, one)} has {one.step_decimals} decimals")
    _refuse_disorder(key, [(file.path.encode(errors="surrogatepass"),) for file in files])
    _refuse_disorder(key, [(one.key.encode(), one.dataset.encode()) for one in series])
    check_paths([file.path for file in files])


def _refuse_disorder(key: str, names: Sequence[tuple[bytes, ...]]) -> None:
    if any(before >= after for before, after in pairwise(names)):
        raise FormatError("E038", f"the entries of {key} are not sorted, or not unique")


def named_objects(records: Iterable[AnyRecord]) -> dict[str, int]:
    """Size of each object by its digest in hex, in the order of the index (clause 9.3).

    Args:
        records: What the documents say, in the order of their keys.

    Raises:
        FormatError: E035; two entries state two sizes for one digest.
    """
    sizes: dict[str, int] = {}
    for record in records:
        for entry in entries_of(record):
            size = sizes.setdefault(entry.sha256, size_of(entry))
            if size != size_of(entry):
                raise FormatError(
                    "E035",
                    f"{_name(record.key, entry)} is said to have {size_of(entry)} bytes, and"
                    f" elsewhere {size}",
                )
    return sizes


def check_objects(named: Mapping[str, int], sizes: Sequence[int]) -> None:
    """Refuse documents that name other objects than there are.

    Args:
        named: What the documents say, as `named_objects` gives it.
        sizes: Of the objects, in the order of the index.

    Raises:
        FormatError: E034 or E035.
    """
    if len(named) != len(sizes):
        raise FormatError(
            "E034", f"the documents name {len(named)} objects, and the package has {len(sizes)}"
        )
    for (sha256, size), found in zip(named.items(), sizes, strict=True):
        if size != found:
            raise FormatError(
                "E035", f"the object {sha256} is said to have {size} bytes, and has {found}"
            )


def _name(key: str, entry: Entry) -> str:
    if isinstance(entry, File):
        return f"file {entry.path!r} of {key}"
    return f"metric {entry.key!r} of {key}"
