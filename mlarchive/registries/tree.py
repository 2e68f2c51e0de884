"""A snapshot as a tree of files that a person can read.

A folder's files stand at the top, under their own paths. Of anything else, each record that has
files or metrics is a folder named by its key, with metric histories as CSV in `metrics/`, and the
three documents stand beside. Must not know where the tree goes.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO
from urllib.parse import quote

from mlarchive.made import made
from mlarchive.metrics.text import csv_of
from mlarchive.package.documents import Documents
from mlarchive.package.paths import refusal
from mlarchive.records import File, Folder, MetricSeries
from mlarchive.snapshot import Snapshot, Stream

DOCUMENT_NAMES = ("content.json", "state.json", "evidence.json")
"""The documents' names, in the order of the fields of `Documents`."""

_LONGEST_NAME = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One file of a tree.

    Attributes:
        path: Where it stands in the tree.
        stream: Whose bytes it shows.
    """

    path: str
    stream: Stream

    @property
    def size(self) -> int:
        """In bytes; for a metric series the bytes of its columns, as its text is not made yet."""
        entry = self.stream.entry
        return entry.size if isinstance(entry, File) else max(entry.points, 0) * 24

    def open(self) -> BinaryIO:
        """The bytes as the tree shows them: a file's own, a metric series as CSV."""
        if isinstance(self.stream.entry, File):
            return self.stream.open()
        return made(self._text(self.stream.entry.step_decimals))

    def as_file(self) -> Stream:
        """The leaf as a stream of a file with its path in the tree; a text has no digest yet."""
        entry = self.stream.entry
        if isinstance(entry, File):
            named = File(path=self.path, size=entry.size, sha256=entry.sha256, role=entry.role)
        else:
            named = File(path=self.path, size=-1, sha256="")
        return replace(self.stream, entry=named, open=self.open)

    def _text(self, step_decimals: int) -> Iterator[bytes]:
        with self.stream.open() as columns:
            yield from csv_of(columns, step_decimals)


def tree(snapshot: Snapshot) -> Iterator[Leaf]:
    """The files of a snapshot at their places in its tree, without the documents."""
    if isinstance(snapshot.record(snapshot.subject), Folder):
        yield from files_of(snapshot, snapshot.subject)
        return
    taken: set[str] = set()
    for stream in snapshot.streams:
        if isinstance(stream.entry, File):
            yield Leaf(path=f"{stream.owner}/files/{stream.entry.path}", stream=stream)
            continue
        name = _series_name(stream.entry, plain=True)
        path = f"{stream.owner}/metrics/{name}"
        crowded = path.casefold() in taken or len(name) > _LONGEST_NAME
        if crowded or stream.entry.dataset or refusal(name):
            path = f"{stream.owner}/metrics/{_series_name(stream.entry, plain=False)}"
        taken.add(path.casefold())
        yield Leaf(path=path, stream=stream)


def files_of(snapshot: Snapshot, key: str) -> Iterator[Leaf]:
    """The files that a record has, or that are its own among another record's, at the top."""
    root = getattr(snapshot.record(key), "root", None)
    owner, folder = (root.record, root.path) if root else (key, "")
    prefix = f"{folder}/" if folder else ""
    for stream in snapshot.streams_of(owner):
        if isinstance(stream.entry, File) and stream.entry.path.startswith(prefix):
            yield Leaf(path=stream.entry.path.removeprefix(prefix), stream=stream)


def document_streams(documents: Documents) -> Iterator[Stream]:
    """The three documents as files of the tree."""
    contents = (documents.content, documents.state, documents.evidence)
    for name, raw in zip(DOCUMENT_NAMES, contents, strict=True):
        yield file_stream(name, raw)


def file_stream(path: str, raw: bytes) -> Stream:
    """Bytes at hand as a stream."""
    entry = File(path=path, size=len(raw), sha256=hashlib.sha256(raw).hexdigest())
    return Stream(owner="", entry=entry, open=lambda: io.BytesIO(raw))


def _series_name(series: MetricSeries, *, plain: bool) -> str:
    name = quote(series.key, safe=" ()+,=@")
    if plain:
        return f"{name}.csv"
    told_apart = hashlib.sha256(f"{series.key}\0{series.dataset}".encode()).hexdigest()[:8]
    return f"{name[:_LONGEST_NAME]}~{told_apart}.csv"
