"""Attaches files of this machine as notebooks, as a person asks (`spec/notebooks.md`, 2)."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mlarchive import fsops
from mlarchive.errors import UnsupportedError, UsageError
from mlarchive.package.paths import refusal
from mlarchive.records import Folder, ModelVersion, Notebook, Run
from mlarchive.registries.notebooks.records import SUFFIXES, format_of, key_of, notebook_stream
from mlarchive.snapshot import Snapshot, Stream


def attached(snapshot: Snapshot, paths: Sequence[Path]) -> Snapshot:
    """The snapshot with files of this machine as notebooks of what it is about, each once.

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
    there = {_identity(one) for one in snapshot.records if isinstance(one, Notebook)}
    for path in paths:
        form = format_of(path.name)
        problem = refusal(path.name)
        if not form or problem:
            raise UsageError(
                f"{path} is no notebook: its name {problem or f'ends in {path.suffix!r}'}",
                hint=f"a notebook's name ends in {', '.join(SUFFIXES)}",
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
        if _identity(record) not in there:
            there.add(_identity(record))
            records.append(record)
            streams.append(
                notebook_stream(record.key, path.name, size, partial(_opened, path), digest)
            )
    if not records:
        return snapshot
    return replace(
        snapshot,
        records=(*snapshot.records, *records),
        streams=(*snapshot.streams, *streams),
        content_id="",
        state_id="",
        original=None,
    )


def _identity(record: Notebook) -> tuple[str, str, str, str]:
    return record.record, record.source, record.path, record.revision


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


def _opened(path: Path) -> BinaryIO:
    with fsops.explaining(path, "read"):
        return path.open("rb")
