"""Which environment a version needs at a target: the one that it names, or that its files state."""

from collections.abc import Container, Iterator
from typing import NamedTuple

import msgspec

from mlarchive.records import Environment, Folder, ModelVersion
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.standin import BASE_IMAGE, stated_by
from mlarchive.registries.azureml.uploading import Sent, sent_of
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import MODEL_FILE
from mlarchive.snapshot import Snapshot

_OF_FILES = "-files"
_LONGEST_NAME = 255


class Wanted(NamedTuple):
    """An environment as it is to be.

    Attributes:
        record: What it is.
        name: At the target.
        version: Wanted; "" for the next one.
        files: Its files.
        stated_by: The model whose files state it; "" if it is one of its own.
    """

    record: Environment
    name: str
    version: str
    files: tuple[Sent, ...]
    stated_by: str = ""

    @property
    def called(self) -> str:
        """What a person calls it."""
        return "/".join(part for part in ("environments", self.name, self.version) if part)


def environment_of(work: Work) -> Wanted | None:
    """The environment that the model version which is written names, if it comes along."""
    subject = work.snapshot.record(work.snapshot.subject)
    carried = work.snapshot.by_key.get(getattr(subject, "environment", ""))
    return carried_as(work, carried) if isinstance(carried, Environment) else None


def carried_as(work: Work, record: Environment) -> Wanted:
    """An environment that comes along, as it is to be under its own name."""
    files = sent_of(work.snapshot, record.key)
    stated_by = record.native.also.get(marks.STATED, "")
    return Wanted(record, record.name, record.version, files, stated_by)


def stated_by_files(snapshot: Snapshot, candidate: Candidate, named: str) -> Wanted | None:
    """The environment that the conda file beside a model's `MLmodel` states.

    It is called as the model is, and never as the one that the model names, if it names one.
    """
    name = candidate.name
    if name.casefold() == named.casefold():
        name = _of_files(name)
    files = {one.file.path: one for one in candidate.files}
    for path in _conda_files(snapshot, files):
        if one := files.get(path):
            file = msgspec.structs.replace(one.file, path=keys.CONDA_FILE)
            stated = Environment(
                key="", name=name, conda=keys.CONDA_FILE, image=BASE_IMAGE, os="Linux"
            )
            whose = f"models/{candidate.name}"
            return Wanted(stated, name, "", (Sent(file, one.stream),), whose)
    return None


def apart(work: Work, stated: Wanted) -> Wanted:
    """What a model's files state, under another name than a real environment has at the target."""
    there = work.control.versions("environments", stated.name, archived=True)
    held = [stated_by(one) for one in there]
    if all(held) or stated.stated_by in held:
        return stated
    return stated._replace(name=_of_files(stated.name), version="")


def _of_files(name: str) -> str:
    return f"{name[: _LONGEST_NAME - len(_OF_FILES)]}{_OF_FILES}"


def _conda_files(snapshot: Snapshot, files: Container[str]) -> Iterator[str]:
    """Where conda files may lie among a model's files."""
    subject = snapshot.record(snapshot.subject)
    if isinstance(subject, Folder):
        # Nobody has read what its files say.
        if MODEL_FILE in files:
            yield keys.CONDA_FILE
        return
    root = subject.root if isinstance(subject, ModelVersion) else None
    owner = root.record if root else snapshot.subject
    below = f"{root.path}/" if root and root.path else ""
    for record in snapshot.records:
        if isinstance(record, Environment) and record.record == owner and record.conda:
            yield record.conda.removeprefix(below)
