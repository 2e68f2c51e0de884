"""Notebooks of runs as a server holds them: artifacts of the run, and a mark for each (clause 13).

A mark says which artifacts are a notebook, and which revision it is; so reading the run again
gives the same record.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec
from mlflow.entities import Run as MlflowRun
from msgspec import Struct

from mlarchive.records import File, Native, Notebook
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.mlflow.work import called
from mlarchive.registries.notebooks.records import key_of, short_digest

FOLDER = "notebooks"


class Mark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a mark says of a notebook, beside the digest of its record.

    Attributes:
        source: As `Notebook` has it.
        path: As `Notebook` has it.
        revision: As `Notebook` has it.
        location: Of the workspace or repository.
        formats: File names by format.
        digest: Of the record's content.
    """

    source: str = ""
    path: str = ""
    revision: str = ""
    location: str = ""
    formats: Mapping[str, str] = {}
    digest: str = ""

    @property
    def name(self) -> str:
        """Digits that tell a revision from others, in the tag's and the folder's name."""
        said = (part for pair in sorted(self.formats.items()) for part in pair)
        return short_digest([self.source, self.path, self.revision, self.location, *said])

    @property
    def tag(self) -> str:
        """The tag's name."""
        return f"{marks.NOTEBOOK}{self.name}"

    @property
    def text(self) -> str:
        """The tag's value."""
        return msgspec.json.encode(self, order="sorted").decode()

    @property
    def folder(self) -> str:
        """Where the files are among the artifacts of the run."""
        return f"{FOLDER}/{self.name}"


def mark_of(record: Notebook) -> Mark:
    """What the mark of a notebook says, which is whole and checked."""
    return Mark(
        source=record.source,
        path=record.path,
        revision=record.revision,
        location=record.native.location,
        formats=record.formats,
        digest=marks.record_digest(record),
    )


def gather_held_notebooks(run: MlflowRun, gathering: Gathering) -> None:
    """Make notebooks of those artifacts of a run, gathered before, that its marks say are some.

    Args:
        run: As the server gives it.
        gathering: Gets the records; streams of the artifacts become theirs.
    """
    told = [v for tag, v in sorted(run.data.tags.items()) if tag.startswith(marks.NOTEBOOK)]
    gather_marked_notebooks(run_key(run.info.run_id), told, gathering)


def gather_marked_notebooks(owner: str, told: Iterable[str], gathering: Gathering) -> None:
    """Make notebooks of those artifacts of a run that marks say are some.

    Args:
        owner: The run's key.
        told: The marks.
        gathering: Gets the records; streams of the artifacts become theirs.
    """
    for mark in _marks_in(told):
        record = Notebook(
            key=key_of(owner, mark.name),
            native=Native(location=mark.location),
            record=owner,
            formats=dict(mark.formats),
            source=mark.source,
            path=mark.path,
            revision=mark.revision,
        )
        gathering.records.append(record)
        names = {f"{mark.folder}/{name}": name for name in mark.formats.values()}
        for at, stream in enumerate(gathering.streams):
            entry = stream.entry
            if stream.owner == owner and isinstance(entry, File) and entry.path in names:
                named = File(
                    path=names.pop(entry.path), size=entry.size, sha256="", role="notebook"
                )
                gathering.streams[at] = replace(stream, owner=record.key, entry=named)
        for name in names.values():
            gathering.lose(called(record), name, "its run has no such artifact any more")


def _marks_in(told: Iterable[str]) -> list[Mark]:
    found = []
    for text in told:
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(text, type=Mark))
    return [mark for mark in found if mark.formats]
