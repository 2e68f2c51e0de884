"""What traces have among their artifacts, and what is gone of it (clause 2.9).

Spans are there as well, where MLflow kept them before 3.4.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec
from mlflow.protos.service_pb2 import TraceInfoV3 as InfoMessage
from mlflow.tracing.constant import (
    TRACE_SCHEMA_VERSION_KEY,
    TraceMetadataKey,
    TraceSizeStatsKey,
    TraceTagKey,
)

from mlarchive.records import Loss
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.mlflow.tracedifferences import of_these
from mlarchive.registries.mlflow.tracefetching import (
    SPANS_FILE,
    fetch_traces,
    keeps_spans_in_file,
    location_of,
)
from mlarchive.registries.mlflow.tracefolders import (
    is_elsewhere,
    named_in,
    named_in_line,
    open_given,
)
from mlarchive.traces import UNATTACHED

ATTACHED = "attached"
"""The folder of what was attached to traces, among the files of a `Traces` record."""

_SUFFIX = "artifacts"
_ENDED = {InfoMessage.OK, InfoMessage.ERROR}
_OF_SPANS = {
    TRACE_SCHEMA_VERSION_KEY,
    TraceMetadataKey.INPUTS,
    TraceMetadataKey.OUTPUTS,
    TraceMetadataKey.SIZE_BYTES,
    TraceMetadataKey.TOKEN_USAGE,
}
_GONE = f"the source no longer has their spans: {SPANS_FILE} is gone from their artifacts"
_NOT_THERE = "their spans name what the source no longer has"


@dataclass(slots=True)
class Places:
    """Where the traces of a record have their artifacts.

    Attributes:
        tops: Ids of those that have a folder of their own in a place, by the place.
        filed: Ids of those whose spans are among their artifacts.
        owed: Ids of those of these that must have spans.
    """

    tops: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    filed: set[str] = field(default_factory=set)
    owed: set[str] = field(default_factory=set)

    def note(self, info: InfoMessage) -> None:
        """Note where one has them."""
        top, _, suffix = location_of(info).rpartition(f"/{info.trace_id}/")
        if suffix == _SUFFIX:
            self.tops[top].add(info.trace_id)
        if keeps_spans_in_file(info):
            self.filed.add(info.trace_id)
            if _had_spans(info):
                self.owed.add(info.trace_id)


def _had_spans(info: InfoMessage) -> bool:
    """Whether a trace had spans at its server once, as what MLflow makes of them there tells.

    A copy of ours whose spans are in no database came without any, which was told then.
    """
    if info.state not in _ENDED or marks.ORIGIN in info.tags:
        return False
    with contextlib.suppress(ValueError, TypeError, KeyError):
        stats = json.loads(info.trace_metadata.get(TraceMetadataKey.SIZE_STATS, ""))
        return bool(stats[TraceSizeStatsKey.NUM_SPANS])
    return TraceTagKey.TRACE_NAME in info.tags or not _OF_SPANS.isdisjoint(info.trace_metadata)


class Attachments:
    """What was attached to the traces of a record, as a folder with a folder for each trace."""

    def __init__(self, connection: Connection, places: Places) -> None:
        self._connection = connection
        self._places = places
        self.is_remote = connection.served
        self._listed: set[str] = set()
        self._known: set[str] = set()
        self._owed = set(places.owed)
        self._missing: dict[str, None] = {}

    def files(self) -> Iterator[Listed]:
        """Everything but spans; one request for each trace that has anything."""
        for top, ids in sorted(self._places.tops.items()):
            if is_elsewhere(self._connection, top):
                yield from self._named(ids)
                continue
            there = set(artifact_folder(self._connection, top).folders())
            for trace_id in sorted(there & ids):
                yield from self._of(trace_id, top)
            self._known |= ids

    def open(self, path: str) -> BinaryIO:
        """One file of one trace."""
        _, trace_id, name = path.split("/", 2)
        top = next(top for top, ids in self._places.tops.items() if trace_id in ids)
        if is_elsewhere(self._connection, top):
            return open_given(self._connection, trace_id, name)
        return artifact_folder(self._connection, f"{top}/{trace_id}/{_SUFFIX}").open(name)

    def without_spans(self, record: str) -> list[Loss]:
        """The traces of a record whose spans are gone; known when `files` were listed."""
        why = f"{of_these(sorted(self._owed))}: {_GONE}"
        return [Loss(record=record, field="spans", why=why)] if self._owed else []

    def look_at(self, trace_id: str, line: bytes) -> None:
        """See whether what a trace's spans name is there.

        Args:
            trace_id: Of a trace.
            line: It, as a line of a page.
        """
        if trace_id not in self._known:
            return
        for path in named_in_line(trace_id, line):
            if f"{ATTACHED}/{trace_id}/{path}" not in self._listed:
                self._missing[f"{trace_id}/{path}"] = None

    def missing(self, record: str) -> list[Loss]:
        """What was gone of all that was looked at, which is said of a record."""
        why = f"{of_these(sorted(self._missing))}: {_NOT_THERE}"
        return [Loss(record=record, field=UNATTACHED, why=why)] if self._missing else []

    def _of(self, trace_id: str, top: str) -> Iterator[Listed]:
        """What is in the folder of one trace."""
        folder = artifact_folder(self._connection, f"{top}/{trace_id}/{_SUFFIX}")
        for listed in folder.files():
            if listed.unlisted:
                self._owed.discard(trace_id)
            if listed.path == SPANS_FILE and trace_id in self._places.filed:
                self._owed.discard(trace_id)
                continue
            path = f"{ATTACHED}/{trace_id}/{listed.path}".rstrip("/")
            self._listed.add(path)
            yield msgspec.structs.replace(listed, path=path)

    def _named(self, ids: Collection[str]) -> Iterator[Listed]:
        """What the spans of some traces name."""
        for messages in fetch_traces(self._connection, sorted(ids)):
            for trace_id, message in messages.items():
                if message.spans:
                    self._owed.discard(trace_id)
                for path, size in named_in(message):
                    yield Listed(f"{ATTACHED}/{trace_id}/{path}", size)
