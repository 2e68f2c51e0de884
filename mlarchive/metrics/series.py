"""Which histories an object has, and their points in blocks of bounded size."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlarchive.errors import NotFoundError
from mlarchive.package.columns import Columns, blocks
from mlarchive.records import AnyRecord, MetricSeries
from mlarchive.snapshot import Snapshot, Stream


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

    def blocks(self) -> Iterator[Columns]:
        """Its points in their order, some at a time.

        Yields:
            Steps (int64), timestamps (int64, ms since 1970 UTC) and values (float64, bit-exact),
            of one length.

        Raises:
            MissingChunksError: They are in another package.
            FormatError: E041; they are not whole, or not in their order.
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
