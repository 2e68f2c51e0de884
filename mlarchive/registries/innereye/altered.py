"""What somebody did to a folder that this program wrote (clause 5.2), whose marks still say it."""

import json
from collections.abc import Iterator, Sequence

import msgspec

from mlarchive.errors import DamageError, NotFoundError
from mlarchive.records import Environment, File, ModelVersion, Native
from mlarchive.registries.folderfiles import open_watched
from mlarchive.registries.innereye.environmentdocument import read_environment, write_environment
from mlarchive.registries.innereye.layout import (
    ENVIRONMENT_DOCUMENT,
    MODEL_DOCUMENT,
    Contents,
    contents,
)
from mlarchive.registries.innereye.parts import environment_of, files_written
from mlarchive.registries.innereye.placing import Present
from mlarchive.registries.innereye.returning import digest_of
from mlarchive.registries.jsondocuments import Table, read_document
from mlarchive.registries.marking import sha256_of
from mlarchive.registries.tree import files_of
from mlarchive.snapshot import Snapshot

_MOST_NAMED = 3


def what_is_wrong(snapshot: Snapshot, version: ModelVersion, there: Present) -> str:
    """Which files of a version are gone from a folder or altered, for a person; "" if none is.

    All of it is read.

    Args:
        snapshot: What is to be written.
        version: Its subject.
        there: The folder, which is said to hold the same.

    Raises:
        MlarchiveError: The folder may not be read.
    """
    found = contents(there.place)
    return _named([*_files(snapshot, version, found), *_documents(snapshot, version, found)])


def files_added(snapshot: Snapshot, version: ModelVersion, there: Present) -> str:
    """Which files a folder has among the model's own that a version does not; "" for none."""
    own = {leaf.path for leaf in files_of(snapshot, version.key)}
    return _named(sorted(contents(there.place).model.keys() - own))


def _named(found: Sequence[str]) -> str:
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _files(snapshot: Snapshot, version: ModelVersion, found: Contents) -> Iterator[str]:
    there = {file.path: file for file in found.files}
    for stream in files_written(snapshot, version, found.folder if found.model else None):
        path = stream.entry.path if isinstance(stream.entry, File) else ""
        if path not in there:
            yield f"{path} is gone"
            continue
        with open_watched(found.place, there[path]) as source:
            if sha256_of(source) != digest_of(stream):
                yield f"{path} is altered"


def _documents(snapshot: Snapshot, version: ModelVersion, found: Contents) -> Iterator[str]:
    stated = read_document(found.place / MODEL_DOCUMENT)
    if stated.tags("properties") != version.properties:
        yield f"{MODEL_DOCUMENT} has other properties"
    if environment := environment_of(snapshot, version):
        try:
            document = read_document(found.place / ENVIRONMENT_DOCUMENT)
            wanted = Table(json.loads(write_environment(environment)), document.where)
            if _meant(document, found) != _meant(wanted, found):
                yield f"{ENVIRONMENT_DOCUMENT} is altered"
        except NotFoundError:
            yield f"{ENVIRONMENT_DOCUMENT} is gone"
        except DamageError:
            yield f"{ENVIRONMENT_DOCUMENT} is damaged"


def _meant(document: Table, found: Contents) -> Environment:
    """What a document says of an environment, however it does."""
    return msgspec.structs.replace(read_environment(document, found)[0], native=Native())
