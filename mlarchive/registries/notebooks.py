"""Notebooks of runs as records: by which format a file is one, and attaching one by hand.

Knows no server. Kept for every source of notebooks: `spec/notebooks.md`.
"""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import UnsupportedError, UsageError
from mlarchive.package import canonical
from mlarchive.package.paths import refusal
from mlarchive.records import File, Folder, ModelVersion, Native, Notebook, Run
from mlarchive.snapshot import Snapshot, Stream

FORMATS = ("SOURCE", "HTML", "JUPYTER", "DBC")
"""As Databricks calls them; SOURCE is text in the notebook's language."""

_SUFFIXES: Mapping[str, str] = {
    ".ipynb": "JUPYTER",
    ".html": "HTML",
    ".htm": "HTML",
    ".dbc": "DBC",
    ".py": "SOURCE",
    ".r": "SOURCE",
    ".scala": "SOURCE",
    ".sql": "SOURCE",
}


class Found(Struct, frozen=True, kw_only=True):
    """A revision of a notebook at hand.

    Attributes:
        source: As `Notebook` has it.
        path: As `Notebook` has it.
        revision: As `Notebook` has it.
        location: Of the workspace or repository, without credentials.
        contents: File name and bytes by format.
    """

    source: str
    path: str
    revision: str = ""
    location: str = ""
    contents: Mapping[str, tuple[str, bytes]] = {}


def format_of(path: str) -> str:
    """The format of a notebook's file, by its suffix; "" if it is none."""
    return _SUFFIXES.get(PurePosixPath(path).suffix.lower(), "")


def notebook(owner: str, found: Found) -> tuple[Notebook, tuple[Stream, ...]]:
    """The record of a notebook, and its files as streams.

    Args:
        owner: Key of the record that it made.
        found: The notebook.
    """
    record = Notebook(
        key=key_of(owner, found.source, found.location, found.path, found.revision),
        native=Native(location=found.location),
        record=owner,
        formats={form: name for form, (name, _) in sorted(found.contents.items())},
        source=found.source,
        path=found.path,
        revision=found.revision,
    )
    streams = tuple(
        _stream(record.key, name, len(raw), partial(io.BytesIO, raw))
        for name, raw in found.contents.values()
    )
    return record, streams


def key_of(owner: str, *facts: str) -> str:
    """A key that tells a notebook from the others of a snapshot."""
    return f"notebook-{short_digest([owner, *facts])}"


def short_digest(facts: Sequence[str]) -> str:
    """Sixteen hex digits that stand for some facts."""
    return hashlib.sha256(canonical.encode(list(facts))).hexdigest()[:16]


def attached(snapshot: Snapshot, paths: Sequence[Path]) -> Snapshot:
    """The snapshot with files of this machine as notebooks of what it is about.

    A notebook of a model version is one of the run that made it, where that is carried.

    Args:
        snapshot: From any source.
        paths: Each a notebook in one format.

    Raises:
        UsageError: A file has no notebook's suffix, or no package may hold its name.
        UnsupportedError: The object is neither a run nor a model version.
        MlarchiveError: A file cannot be read.
    """
    owner = _owner(snapshot)
    records, streams = list[Notebook](), list[Stream]()
    for path in paths:
        form = format_of(path.name)
        problem = refusal(path.name)
        if not form or problem:
            raise UsageError(
                f"{path} is no notebook: its name {problem or f'ends in {path.suffix!r}'}",
                hint=f"a notebook's name ends in {', '.join(_SUFFIXES)}",
            )
        with fsops.explaining(path, "read"), path.open("rb") as file:
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
        record = Notebook(
            key=key_of(owner, "file", path.name, digest),
            record=owner,
            formats={form: path.name},
            source="file",
            path=path.name,
            revision=digest,
        )
        if record.key not in {one.key for one in records}:
            records.append(record)
            streams.append(_stream(record.key, path.name, size, partial(_opened, path), digest))
    return replace(
        snapshot,
        records=(*snapshot.records, *records),
        streams=(*snapshot.streams, *streams),
        content_id="",
        state_id="",
        original=None,
    )


def _owner(snapshot: Snapshot) -> str:
    subject = snapshot.record(snapshot.subject)
    if isinstance(subject, ModelVersion):
        return subject.run or subject.key
    if isinstance(subject, Run):
        return subject.key
    why = "a folder is packed as it is" if isinstance(subject, Folder) else "it has none"
    raise UnsupportedError(
        f"a notebook is attached to a run or a model version, and {snapshot.address} is neither",
        hint=f"{why}; put the file into it" if isinstance(subject, Folder) else "name a run of it",
    )


def _stream(
    key: str, name: str, size: int, opening: Callable[[], BinaryIO], sha256: str = ""
) -> Stream:
    file = File(path=name, size=size, sha256=sha256, role="notebook")
    return Stream(owner=key, entry=file, open=opening)


def _opened(path: Path) -> BinaryIO:
    with fsops.explaining(path, "read"):
        return path.open("rb")
