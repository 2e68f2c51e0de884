"""What the content document names, read alone: state and evidence may be lost (clauses 7 and 8)."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from mlarchive.errors import FormatError
from mlarchive.package.checkpoints import Kind, checkpoint_name
from mlarchive.package.entries import check_well_formed, size_of
from mlarchive.records import File, MetricSeries


class ContentEntry(Struct, frozen=True, kw_only=True):
    """A file or metric series that content names.

    Attributes:
        owner: Key of its record.
        kind: `file` or `metric`.
        name: Path of the file or key of the series.
        dataset: Of a series, what it was measured on.
        size: In bytes.
        sha256: Lower-case hex.
    """

    owner: str
    kind: Kind
    name: str
    dataset: str = ""
    size: int
    sha256: str


class _Record(Struct, frozen=True):
    files: tuple[File, ...] = ()
    metrics: tuple[MetricSeries, ...] = ()


class _Content(Struct, frozen=True):
    records: dict[str, _Record]


def content_entries(content: bytes) -> Sequence[ContentEntry]:
    """All files and series, in the order in which the document names them.

    Raises:
        FormatError: E030, E036 to E039.
    """
    try:
        document = msgspec.json.decode(content, type=_Content)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FormatError("E030", f"the content document cannot be read: {error}") from error
    found = []
    for key, record in sorted(document.records.items()):
        check_well_formed(key, record.files, record.metrics)
        entries: list[File | MetricSeries] = [*record.files, *record.metrics]
        for entry in entries:
            kind, name = checkpoint_name(entry)
            found.append(
                ContentEntry(
                    owner=key,
                    kind=kind,
                    name=name,
                    dataset="" if isinstance(entry, File) else entry.dataset,
                    size=size_of(entry),
                    sha256=entry.sha256,
                )
            )
    return found
