"""Use cases that only look: what a snapshot or a package holds, one file of it."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mlarchive.errors import MissingChunksError, NotFoundError
from mlarchive.footprint import Footprint, footprint
from mlarchive.lastpoint import last_point
from mlarchive.package import Package
from mlarchive.records import AnyRecord, ArtifactRoot, DatasetInput, Field, File, Loss, MetricSeries
from mlarchive.registries.innereye.inferenceconfig import inference_facts
from mlarchive.registries.tree import Leaf, files_of, tree
from mlarchive.snapshot import Snapshot, Stream

_SHOWN_ELSEWHERE = {"key", "native", "name", "params", "tags", "files", "metrics"}
_USUAL = ("lifecycle", "active")
"""What goes without saying."""


class MetricView(Struct, frozen=True, kw_only=True):
    """A metric series in one line.

    Attributes:
        key: The metric's name.
        points: How many.
        step: Of the last point; None where it is not known.
        value: Of the last point, as Python writes it ("nan", "inf" and "-0.0" too).
        dataset: What it was measured on.
        step_decimals: How many of the step's digits stand after the point.
    """

    key: str
    points: int
    step: int | None = None
    value: str = ""
    dataset: str = ""
    step_decimals: int = 0


class FileView(Struct, frozen=True, kw_only=True):
    """A file in one line.

    Attributes:
        path: Within its record.
        size: In bytes; -1 where the source does not say.
        sha256: "" where it is not known yet.
        role: Why it is there.
        stored: Bytes that it takes in the package; -1 outside of one.
        codecs: Bytes of it that each codec holds, the most first; see `Footprint`.
    """

    path: str
    size: int
    sha256: str = ""
    role: str = "artifact"
    stored: int = -1
    codecs: Mapping[str, int] = {}


class RecordView(Struct, frozen=True, kw_only=True):
    """A record for a person.

    Attributes:
        kind: Of record.
        key: Within the snapshot.
        id: The server's own.
        name: Where it has one.
        facts: Further fields by name; times are milliseconds since 1970 UTC.
        params: As logged.
        tags: As the registry has them.
        metrics: With their last values.
        files: With sizes.
    """

    kind: str
    key: str
    id: str = ""
    name: str = ""
    facts: dict[str, str | int] = {}
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    metrics: tuple[MetricView, ...] = ()
    files: tuple[FileView, ...] = ()


class PackageView(Struct, frozen=True, kw_only=True):
    """A package as a file.

    Attributes:
        content_id: What the object is.
        state_id: How it is labelled.
        package_id: These very bytes.
        size: In bytes.
        raw_size: Of all objects, unpacked, each counted once.
        packed_by: Tool and version.
        packed_at: ms since 1970 UTC.
        missing: Chunks that only other packages have.
        saved_by_sharing: Bytes that it need not hold, as they occur more than once in it.
        saved_by_codecs: Bytes that it need not hold, as chunks are encoded.
        elsewhere: Bytes that it leaves to other packages.
        signatures: Ids of the keys that say to have signed it; only a policy judges them.
    """

    content_id: str
    state_id: str
    package_id: str
    size: int
    raw_size: int
    packed_by: str
    packed_at: int
    missing: int = 0
    saved_by_sharing: int = 0
    saved_by_codecs: int = 0
    elsewhere: int = 0
    signatures: tuple[str, ...] = ()


class Description(Struct, frozen=True, kw_only=True):
    """All that `mlarchive show` says.

    Attributes:
        address: Of the object.
        subject: Key of the record it is about.
        records: The subject first.
        package: Where it is in one.
        losses: What did not make it.
        transformations: What is held in another form.
    """

    address: str
    subject: str
    records: tuple[RecordView, ...]
    package: PackageView | None = None
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()


def describe(snapshot: Snapshot, package: Package | None = None) -> Description:
    """Say what a snapshot holds.

    Args:
        snapshot: Metric series are opened for their last values.
        package: Where the snapshot is from one.

    Raises:
        MlarchiveError: As the streams say.
    """
    records = sorted(snapshot.records, key=lambda r: (r.key != snapshot.subject, r.key))
    held = footprint(package) if package else None
    return Description(
        address=str(snapshot.address),
        subject=snapshot.subject,
        records=tuple(_view(record, snapshot, package, held) for record in records),
        package=package_view(package, held) if package and held else None,
        losses=snapshot.losses,
        transformations=snapshot.transformations,
    )


def package_view(package: Package, held: Footprint) -> PackageView:
    """Say what a package is as a file.

    Args:
        package: Open.
        held: How it holds its objects.
    """
    packed = package.meaning.packed
    return PackageView(
        content_id=package.content_id,
        state_id=package.state_id,
        package_id=package.package_id,
        size=package.size,
        raw_size=sum(row.size for row in package.objects.values()),
        packed_by=packed.tool,
        packed_at=packed.time,
        missing=len(package.missing()),
        saved_by_sharing=held.by_sharing,
        saved_by_codecs=held.by_codecs,
        elsewhere=held.elsewhere,
        signatures=_signatures(package),
    )


def _signatures(package: Package) -> tuple[str, ...]:
    text = package.signatures()
    if not text:
        return ()
    from mlarchive.trust.envelope import key_ids

    return key_ids(text)


def leaves(snapshot: Snapshot, *, alone: bool) -> list[Leaf]:
    """The files of a snapshot.

    Args:
        snapshot: From any source.
        alone: Whether only the subject's own files are meant, at the top; else the whole tree.
    """
    return list(files_of(snapshot, snapshot.subject) if alone else tree(snapshot))


def chosen(found: Sequence[Leaf], paths: Sequence[str]) -> list[Leaf]:
    """The leaves at some paths, or below them; all for no path.

    Raises:
        NotFoundError: There is nothing at one of the paths; the hint names the nearest.
    """
    if not paths:
        return list(found)
    wanted: dict[str, Leaf] = {}
    for path in paths:
        clean = path.rstrip("/")
        below = [f for f in found if f.path == clean or f.path.startswith(f"{clean}/")]
        if not below:
            near = difflib.get_close_matches(clean, [leaf.path for leaf in found], n=1)
            raise NotFoundError(
                f"there is no file {path!r} in it",
                hint=f"did you mean {near[0]!r}?" if near else "`mlarchive ls --files` lists them",
            )
        wanted |= {leaf.path: leaf for leaf in below}
    return list(wanted.values())


def _view(
    record: AnyRecord, snapshot: Snapshot, package: Package | None, held: Footprint | None
) -> RecordView:
    streams = snapshot.streams_of(record.key)
    return RecordView(
        kind=str(record.__struct_config__.tag),
        key=record.key,
        id=record.native.id,
        name=getattr(record, "name", ""),
        facts={**_facts(record), **inference_facts(streams)},
        params=getattr(record, "params", {}),
        tags=getattr(record, "tags", {}),
        metrics=tuple(
            _metric_view(stream, stream.entry)
            for stream in streams
            if isinstance(stream.entry, MetricSeries)
        ),
        files=tuple(
            _file_view(stream.entry, package, held)
            for stream in streams
            if isinstance(stream.entry, File)
        ),
    )


def _facts(record: AnyRecord) -> dict[str, str | int]:
    facts: dict[str, str | int] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name not in _SHOWN_ELSEWHERE and value and (name, value) != _USUAL:
            facts[name] = _fact(value)
    return facts


def _fact(value: Any) -> str | int:  # noqa: ANN401  (any field of any record)
    if isinstance(value, str | int):
        return value
    if isinstance(value, ArtifactRoot):
        return f"{value.record}/{value.path}".rstrip("/")
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    return ", ".join(_fact_item(item) for item in value)


def _fact_item(item: Any) -> str:  # noqa: ANN401  (any item of any field)
    if isinstance(item, DatasetInput):
        return f"{item.name}@{item.digest}"
    if isinstance(item, Field):
        return f"{item.path} ({item.type})"
    return str(getattr(item, "model", item))


def _metric_view(stream: Stream, series: MetricSeries) -> MetricView:
    try:
        with stream.open() as columns:
            points, step, last = last_point(columns, series.points)
        value = "" if last is None else repr(last)
    except MissingChunksError:
        # A thin package states the series; its points are in another.
        points, step, value = series.points, None, ""
    return MetricView(
        key=series.key,
        points=points,
        step=step,
        value=value,
        dataset=series.dataset,
        step_decimals=series.step_decimals,
    )


def _file_view(file: File, package: Package | None, held: Footprint | None) -> FileView:
    row = package.objects.get(file.sha256) if package else None
    return FileView(
        path=file.path,
        size=file.size,
        sha256=file.sha256,
        role=file.role,
        stored=row.stored if row else -1,
        codecs=held.codecs.get(file.sha256, {}) if held else {},
    )
