"""Which files of a version go where in a model's folder (clauses 1, 3 and 5.1)."""

import dataclasses
from collections.abc import Iterator

import msgspec

from mlarchive.records import Environment, File, Folder, ModelVersion
from mlarchive.registries.innereye.layout import (
    CONDA,
    DOCKERFILE,
    ENVIRONMENT,
    FINAL_FOLDERS,
    MODEL,
)
from mlarchive.registries.innereye.modeldocument import is_ours
from mlarchive.registries.tree import files_of
from mlarchive.snapshot import Snapshot, Stream


def folder_of(version: ModelVersion) -> str:
    """The folder of the model's files in `MODEL`, where the script looks for it."""
    folder = version.folder
    return folder if is_ours(version.native) or folder in FINAL_FOLDERS else FINAL_FOLDERS[0]


def environment_of(snapshot: Snapshot, version: ModelVersion) -> Environment | None:
    """The environment that a version names, if that is an object of its own."""
    found = snapshot.by_key.get(version.environment)
    return found if isinstance(found, Environment) and not found.record else None


def environment_files(snapshot: Snapshot, version: ModelVersion) -> dict[str, Stream]:
    """The files of a version's environment, by the names that they have in the layout."""
    environment = environment_of(snapshot, version)
    if environment is None:
        return {}
    streams = snapshot.streams_of(environment.key)
    placed = ((place_in_environment(environment, stream), stream) for stream in streams)
    return {name: stream for name, stream in placed if name}


def place_in_environment(environment: Environment, stream: Stream) -> str:
    """What a file of an environment is called there; "" if it has no place."""
    path = stream.entry.path if isinstance(stream.entry, File) else ""
    below = f"{environment.context}/" if environment.context else ""
    places = {environment.dockerfile: DOCKERFILE}
    if not environment.conda:
        # A context that was made of such a folder has its two files.
        places[below + CONDA] = CONDA
    places[environment.conda] = CONDA
    return places.get(path, "") if path else ""


def files_written(
    snapshot: Snapshot, version: ModelVersion, folder: str | None = None
) -> Iterator[Stream]:
    """All files but the documents, under their paths in the model's folder.

    Args:
        snapshot: What is written.
        version: Its subject.
        folder: That of the model's files in `MODEL`, where it is known from elsewhere.
    """
    folder = folder_of(version) if folder is None else folder
    prefix = f"{MODEL}/{folder}/" if folder else f"{MODEL}/"
    for leaf in files_of(snapshot, version.key):
        yield _moved(leaf.stream, prefix + leaf.path)
    for name, stream in environment_files(snapshot, version).items():
        yield _moved(stream, f"{ENVIRONMENT}/{name}")
    for record in snapshot.records:
        if isinstance(record, Folder):
            for stream in snapshot.streams_of(record.key):
                yield _moved(stream, getattr(stream.entry, "path", ""))


def _moved(stream: Stream, path: str) -> Stream:
    entry = stream.entry
    if not isinstance(entry, File):
        return stream
    return dataclasses.replace(stream, entry=msgspec.structs.replace(entry, path=path))
