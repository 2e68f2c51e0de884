"""Which histories an object has, and their points in blocks of bounded size."""

import difflib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mlarchive.errors import DamageError, FormatError, NotFoundError
from mlarchive.package.columns import NOT_IN_ORDER, in_order
from mlarchive.package.entries import POINT
from mlarchive.records import AnyRecord, MetricSeries
from mlarchive.snapshot import Snapshot, Stream

if TYPE_CHECKING:
    from mlarchive.package.columns import Floats, Integers

    Columns = tuple[Integers, Integers, Floats]

BLOCK = 1 << 18
"""Points read at a time: 2 MiB of each column, so that few chunks are decoded more than once."""

_TYPES = ("<i8", "<i8", "<u8")
_WORD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One history and whose it is.

    Attributes:
        run: Name of the record it hangs on, else the server's id, else its key.
        record: Key of that record within the snapshot.
        entry: What the source says of it; `points` may be -1.
        stream: Its columns, as `MetricSeries` lays them out.
    """

    run: str
    record: str
    entry: MetricSeries
    stream: Stream

    def blocks(self) -> "Iterator[Columns]":
        """Its points in their order, at most `BLOCK` at a time.

        Yields:
            Steps (int64), timestamps (int64, ms since 1970 UTC) and values (float64, bit-exact),
            of one length.

        Raises:
            MissingChunksError: They are in another package.
            DamageError: The length is no whole number of points, or they are in no order.
        """
        with self.stream.open() as file:
            yield from blocks(file)


def series_of(
    snapshot: Snapshot, *, runs: Sequence[str] = (), keys: Sequence[str] = ()
) -> list[Series]:
    """The histories of a snapshot, in the order of its streams.

    Args:
        snapshot: From any source.
        runs: Names, ids or keys of the records that are meant; all if none are given.
        keys: Names of the metrics that are meant; all if none are given.

    Raises:
        NotFoundError: One of them names nothing; the hint has the nearest.
    """
    may_have = [record for record in snapshot.records if hasattr(record, "metrics")]
    owners = {record.key: record for record in may_have}
    for run in runs:
        if not any(run in _names(record) for record in may_have):
            known = [name for record in may_have for name in _names(record)]
            raise _unknown("run", run, known)
    meant = {r.key for r in may_have if not runs or not _names(r).isdisjoint(runs)}
    found = [
        Series(run=_called(owners[s.owner]), record=s.owner, entry=s.entry, stream=s)
        for s in snapshot.streams
        if isinstance(s.entry, MetricSeries) and s.owner in meant
    ]
    present = [series.entry.key for series in found]
    for key in keys:
        if key not in present:
            raise _unknown("metric", key, present)
    return [series for series in found if not keys or series.entry.key in keys]


def blocks(file: BinaryIO, *, size: int = BLOCK) -> "Iterator[Columns]":
    """The points of columns in their order, at most `size` at a time.

    Args:
        file: The three columns; one that cannot be sought is read whole.
        size: Points in a block.

    Raises:
        DamageError: The length is no whole number of points.
        FormatError: E041; they do not stand in their order.
    """
    if not file.seekable():
        file = io.BytesIO(file.read())
    length = file.seek(0, io.SEEK_END)
    points, rest = divmod(length, POINT)
    if rest:
        raise DamageError(f"a metric series has {length} bytes, no whole number of points")
    for start in range(0, points, size):
        # The point before the block is read with it, so that the order across them is seen.
        before = min(start, 1)
        count = min(size, points - start) + before
        steps, timestamps, bits = (
            np.frombuffer(_column(file, number * points + start - before, count), kind)
            for number, kind in enumerate(_TYPES)
        )
        if not in_order(steps, timestamps, bits):
            raise FormatError("E041", NOT_IN_ORDER)
        yield (
            steps[before:].astype(np.int64, copy=False),
            timestamps[before:].astype(np.int64, copy=False),
            bits[before:].view("<f8").astype(np.float64, copy=False),
        )


def _column(file: BinaryIO, word: int, count: int) -> bytes:
    file.seek(word * _WORD)
    return file.read(count * _WORD)


def _called(record: AnyRecord) -> str:
    return getattr(record, "name", "") or record.native.id or record.key


def _names(record: AnyRecord) -> set[str]:
    return {record.key, record.native.id, getattr(record, "name", "")} - {""}


def _unknown(thing: str, name: str, known: Iterable[str]) -> NotFoundError:
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3) or names[:3]
    if not near:
        return NotFoundError(f"no {thing} is called {name!r}", hint=f"it has no {thing} at all")
    said = "did you mean " + " or ".join(map(repr, near)) + "?"
    return NotFoundError(f"no {thing} is called {name!r}", hint=said)
