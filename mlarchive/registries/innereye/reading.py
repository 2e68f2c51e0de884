"""Reads a model's folder into records (clauses 1 to 4)."""

import json
from functools import partial
from pathlib import Path

import msgspec

from mlarchive.records import Address, AnyRecord, Folder, Loss, Tags
from mlarchive.registries.folderfiles import require_same
from mlarchive.registries.innereye.environmentdocument import read_environment
from mlarchive.registries.innereye.layout import (
    ENVIRONMENT_DOCUMENT,
    MARKS,
    MODEL,
    MODEL_DOCUMENT,
    contents,
    streams,
)
from mlarchive.registries.innereye.modeldocument import (
    hidden_members,
    read_version,
    registered_model,
)
from mlarchive.registries.innereye.secrets import NEVER_KEPT
from mlarchive.registries.jsondocuments import read_document
from mlarchive.registries.mlflow.marks import ORIGIN
from mlarchive.snapshot import Snapshot, Stream

BESIDE = "beside"
"""Key of the record that holds whatever else lies in a model's folder."""

_NOT_OURS = "it is somebody's own, and has the name under which mlarchive remembers what it wrote"
_NAMES_ENVIRONMENT = "python_environment_name"


def read_folder(place: Path, address: Address) -> Snapshot:
    """A version with its environment and all files.

    Raises:
        MlarchiveError: A document is damaged, or the folder may not be read.
    """
    found = contents(place)
    stated = read_document(place / MODEL_DOCUMENT)
    version = read_version(stated, found.folder, read_marks(place))
    records: list[AnyRecord] = [version, registered_model(version)]
    held: list[Stream] = [*streams(place, found.model, version.key)]
    what = f"models/{version.name}/{version.version}"
    losses = [Loss(record=what, field=item.path, why=item.why) for item in found.uncarried]
    losses += [Loss(record=what, field=at, why=NEVER_KEPT) for at in hidden_members(stated)]
    if not version.native.also.get(ORIGIN) and any(file.path == MARKS for file in found.files):
        losses.append(Loss(record=what, field=MARKS, why=_NOT_OURS))
    if not found.model:
        why = f"{MODEL} holds no files beside its document: the model itself is not there"
        losses.append(Loss(record=what, field="files", why=why))
    if (place / ENVIRONMENT_DOCUMENT).exists():
        document = read_document(place / ENVIRONMENT_DOCUMENT)
        environment, hidden = read_environment(document, found)
        records.append(environment)
        records[0] = msgspec.structs.replace(version, environment=environment.key)
        held += streams(place, found.environment, environment.key, "environment")
        losses += hidden
    else:
        found.beside.update({file.path: file for file in found.environment.values()})
        if named := version.tags.get(_NAMES_ENVIRONMENT):
            why = f"the model names it, and {ENVIRONMENT_DOCUMENT} is not there"
            losses.append(Loss(record=what, field=f"environment {named}", why=why))
    if found.beside:
        records.append(Folder(key=BESIDE, name=f"{version.name}_{version.version}"))
        held += streams(place, found.beside, BESIDE)
    return Snapshot(
        address=address,
        subject=version.key,
        records=tuple(records),
        streams=tuple(held),
        losses=tuple(losses),
        settled=partial(require_same, place, found.files, found.uncarried),
    )


def read_marks(place: Path) -> Tags:
    """What `mlarchive` remembers of a folder that it wrote; nothing of another's.

    Raises:
        DamageError: The document is malformed.
    """
    path = place / MARKS
    if not path.exists():
        return {}
    document = read_document(path)
    if ORIGIN not in document.members:
        return {}
    return {name: document.text(name) for name in document.members}


def encoded_marks(marks: Tags) -> bytes:
    """The document that `read_marks` reads."""
    return (json.dumps(marks, indent=2) + "\n").encode()
