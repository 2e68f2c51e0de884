"""The ids of run and model that `MLmodel` files name: the target's there, the source's when read.

Clause 3.7. Ids are replaced as text, never by writing the YAML anew, and only by ids of the same
length. A mark keeps the ids and a digest of each file as it was, so that reading gives back these
very bytes, and leaves alone what others logged.
"""

import hashlib
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct

from mlarchive.records import File, LoggedModel, ModelVersion, Run, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.folders import ArtifactFolder
from mlarchive.registries.mlflow.gathering import MODEL_FILE
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.mlflow.work import Work
from mlarchive.snapshot import Stream

_LONGEST = 4 << 20
_MOST = 200
"""Files of a record; the mark of more would not fit into a tag."""
_DIGITS = 16
_MLFLOWS = re.compile("(m-)?[0-9a-f]{32}")
"""Ids as MLflow gives them, which are all as long as each other."""


class Renamed(Struct, frozen=True):
    """What a mark remembers.

    Attributes:
        ids: The ids at the source that were replaced, with those at the target.
        were: The first digits of the SHA-256 of each file as it was.
    """

    ids: Mapping[str, str]
    were: Sequence[str]


class Form(NamedTuple):
    """An `MLmodel` file with the target's ids.

    Attributes:
        file: What it is then.
        raw: Its bytes.
    """

    file: File
    raw: bytes

    def open(self) -> BinaryIO:
        """Its bytes as a stream."""
        return io.BytesIO(self.raw)


def renamed(work: Work, streams: Sequence[Stream]) -> tuple[dict[str, Form], Tags]:
    """The `MLmodel` files of a record with the target's ids, as far as these are known.

    Args:
        work: Knows the ids.
        streams: The record's.

    Returns:
        Those that change, by their paths, and the mark by which they are read as they were.
    """
    found: dict[str, Form] = {}
    used: dict[str, str] = {}
    were = []
    ids = _ids(work)
    for file, raw in _model_files(work, streams):
        named = {old: new for old, new in ids.items() if old.encode() in raw}
        if named and len(found) < _MOST:
            used |= named
            were.append(_digest(raw))
            found[file.path] = _form(file, _replaced(raw, named))
    mark = msgspec.json.encode(Renamed(used, were), order="sorted").decode()
    return found, {marks.MLMODEL: mark} if found else {}


def list_ids(work: Work, what: str, streams: Sequence[Stream]) -> None:
    """List what becomes of the `MLmodel` files of a record that is about to be written."""
    ids = [old for one in _named(work) for old in _ids_of(one)]
    for file, raw in _model_files(work, streams):
        named = [old for old in ids if old.encode() in raw]
        if named:
            follow = work.policy.mlmodel == "follow" and all(map(_MLFLOWS.fullmatch, named))
            why = "become the target's" if follow else "are still the source's"
            work.change(what, file.path, f"the ids of run and model in it {why}")


def as_logged(folder: ArtifactFolder, tags: Mapping[str, str]) -> ArtifactFolder:
    """A folder whose `MLmodel` files read as they did at their source.

    Args:
        folder: Of a run or a logged model.
        tags: That it has, with the marks.
    """
    try:
        mark = msgspec.json.decode(tags.get(marks.MLMODEL, ""), type=Renamed)
    except msgspec.DecodeError:
        return folder
    return _AsLogged(folder, mark)


class _AsLogged:
    """A folder in which the ids of some files are the source's again."""

    def __init__(self, folder: ArtifactFolder, mark: Renamed) -> None:
        self._folder = folder
        self._mark = mark
        self.is_remote = folder.is_remote
        self.at_once = folder.at_once
        self.folders = folder.folders
        self.put = folder.put
        self.refuses = folder.refuses

    def files(self) -> Iterator[Listed]:
        return self._folder.files()

    def open(self, path: str) -> BinaryIO:
        file = self._folder.open(path)
        if PurePosixPath(path).name != MODEL_FILE:
            return file
        with file:
            raw = file.read(_LONGEST + 1)
        return self._folder.open(path) if len(raw) > _LONGEST else io.BytesIO(self._before(raw))

    def _before(self, raw: bytes) -> bytes:
        """A file as it was; as it is, if it is none of those that were changed."""
        back: dict[str, list[str]] = {}
        for old, new in self._mark.ids.items():
            back.setdefault(new, []).append(old)
        for olds in itertools.product(*back.values()):
            was = _replaced(raw, dict(zip(back, olds, strict=True)))
            if _digest(was) in self._mark.were:
                return was
        return raw


def _named(work: Work) -> list[Run | LoggedModel]:
    return [one for one in work.snapshot.records if isinstance(one, Run | LoggedModel)]


def _ids(work: Work) -> dict[str, str]:
    """The ids at the source that have one of the same length at the target by now."""
    return {
        old: new
        for record in _named(work)
        if (new := work.ids.get(record.key, ""))
        for old in _ids_of(record)
        if len(old) == len(new) and old != new
    }


def _ids_of(record: Run | LoggedModel) -> set[str]:
    """What a record was called at its source, and where that had it from."""
    before = record.native.also.get(marks.ORIGIN, "").rpartition("/")[2]
    return {record.native.id, before} - {""}


def _model_files(work: Work, streams: Sequence[Stream]) -> Iterator[tuple[File, bytes]]:
    """The `MLmodel` files of what has models, with their bytes, but for one that is too long."""
    for stream in streams:
        file, owner = stream.entry, work.snapshot.by_key.get(stream.owner)
        if not isinstance(file, File) or not isinstance(owner, Run | LoggedModel | ModelVersion):
            continue
        if PurePosixPath(file.path).name == MODEL_FILE:
            with stream.open() as source:
                raw = source.read(_LONGEST + 1)
            if len(raw) <= _LONGEST:
                yield file, raw


def _form(file: File, raw: bytes) -> Form:
    digest = hashlib.sha256(raw).hexdigest()
    return Form(msgspec.structs.replace(file, sha256=digest), raw)


def _replaced(raw: bytes, ids: Mapping[str, str]) -> bytes:
    for old, new in ids.items():
        raw = raw.replace(old.encode(), new.encode())
    return raw


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:_DIGITS]
