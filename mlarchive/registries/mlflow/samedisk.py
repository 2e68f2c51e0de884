"""Whether a folder of this machine is the one that a server means by the same path.

A server in a container, or at the other end of a tunnel, listens on this machine and keeps its
files elsewhere. So it is asked what it lists there. Knows nothing of records.
"""

import os
import re
from pathlib import Path, PurePosixPath

from mlflow.store.artifact.local_artifact_repo import _TEMP_ARTIFACT_PREFIX
from mlflow.utils.file_utils import local_file_uri_to_path

from mlarchive import fsops
from mlarchive.errors import NotFoundError, RemoteError, UnavailableError
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import FAILS_EACH_TIME, speaking

LOCAL_ARTIFACTS = "MLARCHIVE_LOCAL_ARTIFACTS"
"""Folders, `:` between them, where a server elsewhere and this machine have the same files."""

# MLflow's own layout; what lies elsewhere, no request lists.
_OWNED = re.compile(r"(.*/([0-9a-f]{32}|m-[^/]+)/artifacts)(?:/(.+))?")
_OF_A_RUN = "/api/2.0/mlflow/artifacts/list"
_OF_A_MODEL = "/api/2.0/mlflow/logged-models/{}/artifacts/directories"
# What is logged meanwhile is there at one of them.
_LOOKS = 3
_FOLDER = -1
_GONE = -2

Entries = dict[str, int]
"""Names directly in a folder, each with its size in bytes; -1 is a folder, -2 leads nowhere."""


def is_shared(root: Path) -> bool:
    """Whether the operator says that a folder is the same here as on the servers' machines."""
    folders = filter(None, os.environ.get(LOCAL_ARTIFACTS, "").split(os.pathsep))
    return any(root.resolve().is_relative_to(Path(folder).resolve()) for folder in folders)


def is_owned(root: Path) -> bool:
    """Whether a path is where MLflow puts what a run or a logged model has."""
    return bool(_OWNED.fullmatch(root.as_posix()))


def told(connection: Connection, root: Path) -> Entries | None:
    """What a server lists directly in a folder; None if it has nothing that is to be there.

    Raises:
        RemoteError: It cannot list it.
        MlarchiveError: It does not answer.
    """
    match = _OWNED.fullmatch(root.as_posix())
    if not match:
        return None
    top, owner, below = match.groups()
    if owner.startswith("m-"):
        endpoint, asked, name = _OF_A_MODEL.format(owner), {}, "artifact_directory_path"
    else:
        endpoint, asked, name = _OF_A_RUN, {"run_id": owner}, "path"
    if below:
        asked[name] = below
    try:
        with (
            speaking(connection.uri),
            connection.request("GET", endpoint, params=asked) as response,
        ):
            answer = response.json()
    except NotFoundError:
        return None
    except UnavailableError as error:
        if FAILS_EACH_TIME not in str(error.__cause__):
            raise
        raise RemoteError(
            f"{connection.uri} answers 500 when asked what is in {root}",
            hint="read the server's log; it may be a file that the server may not read",
        ) from error
    if Path(local_file_uri_to_path(answer.get("root_uri", ""))) != Path(top):
        return None
    return {
        PurePosixPath(entry["path"]).name: _FOLDER
        if entry.get("is_dir")
        else int(entry.get("file_size", 0))
        for entry in answer.get("files", [])
    }


def is_the_same(connection: Connection, root: Path) -> bool | None:
    """Whether a folder here has what a server lists in it; None if it cannot be asked.

    Raises:
        MlarchiveError: The server does not answer, or the folder here cannot be listed.
    """
    for _ in range(_LOOKS):
        # No server lists a folder in which a link leads nowhere.
        if _GONE in _here(root).values():
            return True
        there = told(connection, root)
        if there is None:
            return None
        if there == _here(root):
            return True
    return False


def _here(root: Path) -> Entries:
    try:
        with os.scandir(root) as entries:
            return {
                entry.name: _size(entry)
                for entry in entries
                if not entry.name.startswith(_TEMP_ARTIFACT_PREFIX)
            }
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise fsops.explain(error, root, "list") from error


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return _FOLDER if entry.is_dir() else entry.stat().st_size
    except OSError:
        return _GONE
