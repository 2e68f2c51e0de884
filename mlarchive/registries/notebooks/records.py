"""Notebooks of runs as records, wherever they are from (`spec/notebooks.md`). Knows no server."""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

from msgspec import Struct

from mlarchive.package import canonical
from mlarchive.records import File, Native, Notebook
from mlarchive.snapshot import Stream

FORMATS = ("SOURCE", "HTML", "JUPYTER", "DBC")
"""As Databricks calls them; SOURCE is text in the notebook's language."""

SUFFIXES: Mapping[str, str] = {
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
    return SUFFIXES.get(PurePosixPath(path).suffix.lower(), "")


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
        notebook_stream(record.key, name, len(raw), partial(io.BytesIO, raw))
        for name, raw in found.contents.values()
    )
    return record, streams


def key_of(owner: str, *facts: str) -> str:
    """A key that tells a notebook from the others of a snapshot."""
    return f"notebook-{short_digest([owner, *facts])}"


def short_digest(facts: Sequence[str]) -> str:
    """Sixteen hex digits that stand for some facts."""
    return hashlib.sha256(canonical.encode(list(facts))).hexdigest()[:16]


def notebook_stream(
    key: str, name: str, size: int, opening: Callable[[], BinaryIO], sha256: str = ""
) -> Stream:
    """A notebook's file.

    Args:
        key: Of the notebook's record.
        name: The file's.
        size: In bytes.
        opening: Opens its bytes.
        sha256: Of them, where it is known.
    """
    file = File(path=name, size=size, sha256=sha256, role="notebook")
    return Stream(owner=key, entry=file, open=opening)
