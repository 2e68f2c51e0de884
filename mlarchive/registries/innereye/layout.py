"""Which files of a model's folder are what (clause 1).

NAME_VERSION/MODEL/model.json, MODEL/final_model/…
NAME_VERSION/ENVIRONMENT/azureml_environment.json, conda_dependencies.yml, BaseDockerfile
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import NotFoundError
from mlarchive.records import File, Role
from mlarchive.registries.folderfiles import FolderFile, Uncarried, open_watched, walk
from mlarchive.snapshot import Stream

MODEL, ENVIRONMENT = "MODEL", "ENVIRONMENT"
MODEL_DOCUMENT = f"{MODEL}/model.json"
ENVIRONMENT_DOCUMENT = f"{ENVIRONMENT}/azureml_environment.json"
CONDA, DOCKERFILE = "conda_dependencies.yml", "BaseDockerfile"
MARKS = "mlarchive.json"
"""What `mlarchive` remembers of a folder that it wrote; the script passes over it."""

FINAL_FOLDERS = ("final_model", "final_ensemble_model")
"""Where the script looks for a model's files, in this order."""


class Contents(Struct, frozen=True, kw_only=True):
    """The files of a model's folder, each in one place.

    Attributes:
        place: The folder.
        folder: What the folder in `MODEL` is called that the model's files lie in; "" for none.
        model: The model's files, without their folder.
        environment: Those that say what it needs to run, by name.
        beside: Whatever else lies there, by path in the whole folder.
        files: All of them, the documents too, as they were listed.
        uncarried: What no package can hold.
    """

    place: Path
    folder: str
    model: dict[str, FolderFile]
    environment: dict[str, FolderFile]
    beside: dict[str, FolderFile]
    files: tuple[FolderFile, ...]
    uncarried: tuple[Uncarried, ...]


def model_folders(top: Path) -> Iterator[Path]:
    """The folders of models, whole or not: the top itself if it is one, else those in it.

    Those behind a symbolic link are among them.

    Raises:
        NotFoundError: The top is no folder.
    """
    with fsops.explaining(top, "read"):
        if not top.is_dir():
            wrong = "is not a folder" if top.exists() else "does not exist"
            raise NotFoundError(f"{top} {wrong}", hint="check the path after innereye:")
        if _is_model(top):
            yield top
            return
        inside = sorted(path for path in top.iterdir() if not fsops.is_temporary(path.name))
        yield from (path for path in inside if _is_model(path))


def contents(place: Path) -> Contents:
    """See what each file of a model's folder is.

    Raises:
        MlarchiveError: The folder may not be read.
    """
    files, uncarried = walk(place)
    named = {file.path: file for file in files}
    documents = {MODEL_DOCUMENT, ENVIRONMENT_DOCUMENT, MARKS}
    folder = _folder_of_model([path for path in named if path not in documents])
    prefix = f"{MODEL}/{folder}/" if folder else f"{MODEL}/"
    found = Contents(
        place=place,
        folder=folder,
        model={},
        environment={},
        beside={},
        files=tuple(files),
        uncarried=tuple(uncarried),
    )
    for path, file in named.items():
        if path in documents:
            continue
        if path.startswith(prefix):
            found.model[path.removeprefix(prefix)] = file
        elif path in {f"{ENVIRONMENT}/{CONDA}", f"{ENVIRONMENT}/{DOCKERFILE}"}:
            found.environment[path.removeprefix(f"{ENVIRONMENT}/")] = file
        else:
            found.beside[path] = file
    return found


def streams(
    place: Path, files: dict[str, FolderFile], owner: str, role: Role = "artifact"
) -> Iterator[Stream]:
    """The files of a folder as streams of a record, under the names that they have there."""
    for path, file in files.items():
        entry = File(path=path, size=file.size, sha256="", role=role)
        yield Stream(owner=owner, entry=entry, open=partial(open_watched, place, file))


def _is_model(folder: Path) -> bool:
    return (folder / MODEL).is_dir() or (folder / ENVIRONMENT).is_dir()


def _folder_of_model(paths: list[str]) -> str:
    """The one that the script uploads, or the only one there is."""
    inside = [path.split("/")[1:] for path in paths if path.startswith(f"{MODEL}/")]
    folders = {parts[0] for parts in inside if len(parts) > 1}
    for name in FINAL_FOLDERS:
        if name in folders:
            return name
    alone = len(folders) == 1 and all(len(parts) > 1 for parts in inside)
    return folders.pop() if alone else ""
