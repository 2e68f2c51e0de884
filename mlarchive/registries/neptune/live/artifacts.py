"""Artifacts: lists of files that are kept elsewhere, made again under the hash that they had."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from neptune.internal.artifacts.file_hasher import FileHasher
from neptune.internal.artifacts.types import ArtifactFileData

from mlarchive.records import Field
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.operations import Operation
from mlarchive.registries.neptune.live.work import Work


def hash_of(work: Work, field: Field) -> tuple[str, bool]:
    """An artifact's hash; and whether its source stated it, or it is computed of the list."""
    if field.value:
        return str(json.loads(field.value)["hash"]), True
    tracked = [
        ArtifactFileData(
            file_path=one["filePath"],
            file_hash=one["fileHash"],
            type=one["type"],
            size=one["size"],
            metadata={},
        )
        for one in files_of(work, field)
    ]
    return FileHasher.get_artifact_hash_without_metadata(tracked), False


def files_of(work: Work, field: Field) -> Sequence[Mapping[str, Any]]:
    """The files that an artifact tracks, as the server lists them."""
    found: Sequence[Mapping[str, Any]] = json.loads(work.bytes_of(field.files[0].path))
    return found


def make_artifact(
    connection: Connection, project_id: str, run_id: str, work: Work, field: Field
) -> Operation:
    """Make an artifact known to a project; returns what gives it to the attribute."""
    digest, _ = hash_of(work, field)
    files = files_of(work, field)
    sizes = [one.get("size") for one in files]
    made = connection.ask_artifacts(
        "createNewArtifact",
        projectIdentifier=project_id,
        hash=digest,
        size=None if None in sizes else sum(sizes),
        parentIdentifier=run_id,
    )
    if not made["receivedMetadata"]:
        connection.ask_artifacts(
            "uploadArtifactFilesMetadata",
            projectIdentifier=project_id,
            hash=digest,
            artifactFilesDTO={"files": files},
        )
    return {"path": field.path, "assignArtifact": {"hash": digest}}
