"""Reads a model version with everything that hangs on it (clause 2.1).

Where a version's files are is told by its source: in a logged model, in a run, or elsewhere; the
last are the version's own.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import BinaryIO, NamedTuple

import msgspec
from mlflow.entities import Run as MlflowRun
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.entities.model_registry import RegisteredModel as MlflowModel
from mlflow.utils.uri import append_to_uri_path

from mlarchive.errors import NotFoundError, RemoteError
from mlarchive.records import ArtifactRoot, File, ModelVersion, RegisteredModel
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.environments import environments, flavors, joined
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.folders import ArtifactFolder, artifact_folder
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.mlflow.keys import logged_model_key, run_key
from mlarchive.registries.mlflow.labelmarks import stage_of, version_mark
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.mlflow.loggedmodels import is_pointed
from mlarchive.registries.mlflow.mlmodels import as_logged
from mlarchive.registries.mlflow.natives import native_registered_model, native_version
from mlarchive.registries.mlflow.reading_model import Found, find_logged_model, read_logged_model
from mlarchive.registries.mlflow.reading_run import read_experiment, read_run
from mlarchive.registries.redaction import redacted_text, without_credentials
from mlarchive.snapshot import WithheldFileError

_MEND = "mend it at the server, then run the same command again; its run comes without it"
_MODEL_SOURCE = re.compile(r"models:/(m-[0-9a-fA-F]+)/*$")
_MODEL_LOCATION = re.compile(r"/models/(m-[0-9a-fA-F]+)/artifacts(?:/|$)")
_RUN_SOURCE = re.compile(r"runs:/([0-9a-zA-Z_-]+)(?:/+(.*?))?/*$")


class _Carried(NamedTuple):
    """A record whose files a version's source may lie in."""

    key: str
    location: str
    folder: ArtifactFolder | None
    listed: tuple[Listed, ...]


def version_key(name: str, version: str) -> str:
    """The key of a version's record."""
    return f"model-version/{name}/{version}"


def read_version(
    connection: Connection, version: MlflowVersion, model: MlflowModel, gathering: Gathering
) -> str:
    """Gather a version; returns the key of its record."""
    found = _logged_model(connection, version, gathering)
    carrier = found.model if found and marks.CARRIER in (found.model.tags or {}) else None
    found = None if carrier else found
    logged = found.model if found else None
    source = carrier or logged
    run_id = version.run_id or (logged and logged.source_run_id) or ""
    run = _run(connection, run_id, version, gathering)
    carried = _carry(connection, found, run, gathering)
    read_registered_model(model, gathering)
    own = run if version.run_id else None
    gathering.state_mark = version_mark(version, model, own, source, gathering.experiments)
    if carrier:
        location = carrier.artifact_location
        folder = as_logged(artifact_folder(connection, location), carrier.tags or {})
        place, path = _own_files(folder, location, version, gathering), ""
    else:
        place, path = _place(connection, version, carried, gathering)
    if place.folder and not any(_below(entry.path, path) for entry in place.listed):
        gathering.lose(
            f"models/{version.name}/{version.version}",
            "files",
            f"the server lists none under its source {without_credentials(version.source or '')}",
        )
    _require_own_files(version, place, path, gathering)
    key = version_key(version.name, str(version.version))
    gathering.records.append(
        ModelVersion(
            key=key,
            native=native_version(version, _also(version)),
            registered_model=f"registered-model/{model.name}",
            name=version.name,
            version=str(version.version),
            aliases=tuple(sorted(version.aliases)),
            stage=stage_of(version),
            description=version.description or "",
            tags=marks.state_tags(version.tags),
            flavors=flavors(place.folder, place.listed, path) if place.folder else (),
            run=run_key(run.info.run_id) if run else "",
            job=version.tags.get(marks.JOB, ""),
            logged_model=logged_model_key(logged.model_id) if logged else "",
            root=None if place.key == key else ArtifactRoot(record=place.key, path=path),
            status=version.status or "",
        )
    )
    return key


def _require_own_files(
    version: MlflowVersion, place: _Carried, path: str, gathering: Gathering
) -> None:
    """Let a version fail of which the server withholds a file: a part of a model is no model.

    Raises:
        RemoteError: A folder cannot be listed that its files may be in. A file that cannot be
            opened raises when it is.
    """
    name = f"models/{version.name}/{version.version}"
    for folder in gathering.unlisted.get(place.key, ()):
        if _below(path, folder) or _below(folder, path):
            raise RemoteError(
                f"the server does not list {folder or 'the folder'!r} of its artifacts, however"
                f" often it is asked, and files of {name} may be in it",
                hint=f"a name in it may be unsayable, or a link lead nowhere; {_MEND}",
            )
    for at, stream in enumerate(gathering.streams):
        entry = stream.entry
        if stream.owner == place.key and isinstance(entry, File) and _below(entry.path, path):
            needed = partial(_open_needed, stream.open, name)
            gathering.streams[at] = replace(stream, open=needed)


def _open_needed(open_file: Callable[[], BinaryIO], version: str) -> BinaryIO:
    try:
        return open_file()
    except WithheldFileError as error:
        raise RemoteError(f"{error.message}; it is a file of {version}", hint=_MEND) from error


def logged_model_id(version: MlflowVersion) -> str:
    """The id of the logged model that a version's source names; "" if it names none."""
    source = version.source or ""
    if match := _MODEL_SOURCE.match(source) or _MODEL_LOCATION.search(source):
        return match[1]
    return version.model_id or ""


def is_of_record(version: MlflowVersion, run_location: str) -> bool:
    """Whether a version's source says that its files are its run's or a logged model's.

    Args:
        version: As a list tells of it.
        run_location: Where its run keeps artifacts; "" without one.
    """
    source = version.source or ""
    if _MODEL_SOURCE.match(source) or _MODEL_LOCATION.search(source):
        return True
    if match := _RUN_SOURCE.match(source):
        return match[1] == version.run_id
    return bool(run_location) and _below(source.rstrip("/"), run_location.rstrip("/"))


def _logged_model(
    connection: Connection, version: MlflowVersion, gathering: Gathering
) -> Found | None:
    model_id = logged_model_id(version)
    if not model_id:
        return None
    try:
        return find_logged_model(connection, model_id)
    except NotFoundError:
        why = "the server no longer has it; the version's files are read from their place"
        gathering.lose(f"logged model {model_id}", "all but its files", why)
        return None


def _run(
    connection: Connection, run_id: str, version: MlflowVersion, gathering: Gathering
) -> MlflowRun | None:
    if not run_id:
        return None
    try:
        with speaking(connection.uri):
            run: MlflowRun = connection.tracking.get_run(run_id)
            return run
    except NotFoundError:
        why = f"the server no longer has the run that made models/{version.name}/{version.version}"
        gathering.lose(f"run {run_id}", "all of it", why)
        return None


def _carry(
    connection: Connection,
    found: Found | None,
    run: MlflowRun | None,
    gathering: Gathering,
) -> list[_Carried]:
    places = []
    logged = found.model if found else None
    if run:
        carried = frozenset({logged.model_id} if logged else ())
        folder, listed = read_run(connection, run, carried, gathering)
        places.append(_Carried(run_key(run.info.run_id), run.info.artifact_uri, folder, listed))
    if found and logged:
        if run is None:
            read_experiment(connection, logged.experiment_id, gathering)
        maker = run if run and run.info.run_id == logged.source_run_id else None
        found = found._replace(pointed=is_pointed(connection, logged))
        folder, listed = read_logged_model(connection, found, maker, gathering)
        key = logged_model_key(logged.model_id)
        places.append(_Carried(key, logged.artifact_location, folder, listed))
    return places


def _place(
    connection: Connection, version: MlflowVersion, carried: list[_Carried], gathering: Gathering
) -> tuple[_Carried, str]:
    """Where the version's files are: the record that carries them, and the folder in it."""
    source = version.source or ""
    by_key = {place.key: place for place in carried}
    if (match := _MODEL_SOURCE.match(source)) and logged_model_key(match[1]) in by_key:
        return by_key[logged_model_key(match[1])], ""
    if (match := _RUN_SOURCE.match(source)) and run_key(match[1]) in by_key:
        return by_key[run_key(match[1])], match[2] or ""
    location = connection.models.get_model_version_download_uri(version.name, version.version)
    for place in carried:
        top = place.location.rstrip("/")
        if _below(location, top):
            return place, location[len(top) :].strip("/")
    reached = _reached(connection, location)
    if not reached:
        name = f"models/{version.name}/{version.version}"
        why = f"the server no longer has what its source {without_credentials(source)} names"
        gathering.lose(name, "files", why)
        key = version_key(version.name, str(version.version))
        return _Carried(key, location, None, ()), ""
    folder = artifact_folder(connection, reached)
    return _own_files(folder, location, version, gathering), ""


def _reached(connection: Connection, location: str) -> str:
    """Where artifacts are that a run or a logged model has; "" if the server no longer has that."""
    try:
        with speaking(connection.uri):
            if match := _RUN_SOURCE.match(location):
                top = connection.tracking.get_run(match[1]).info.artifact_uri
                return str(append_to_uri_path(top, match[2]) if match[2] else top)
            if match := _MODEL_SOURCE.match(location):
                return str(find_logged_model(connection, match[1]).model.artifact_location)
    except NotFoundError:
        return ""
    return location


def _own_files(
    folder: ArtifactFolder, location: str, version: MlflowVersion, gathering: Gathering
) -> _Carried:
    """Gather the files that hang on the version itself."""
    key = version_key(version.name, str(version.version))
    name = f"models/{version.name}/{version.version}"
    listed = gather_files(folder, key, name, gathering)
    gathering.records.extend(environments(folder, listed, key))
    return _Carried(key, location, folder, listed)


def read_registered_model(model: MlflowModel, gathering: Gathering) -> str:
    """Gather a registered model without its versions; returns the key of its record."""
    native = native_registered_model(model)
    record = RegisteredModel(
        key=f"registered-model/{model.name}",
        native=msgspec.structs.replace(native, also=marks.marks_in(model.tags)),
        name=model.name,
        description=model.description or "",
        tags=marks.state_tags(model.tags),
    )
    gathering.records.append(record)
    return record.key


def _also(version: MlflowVersion) -> dict[str, str]:
    facts = marks.marks_in(version.tags)
    if version.run_link:
        facts["run_link"] = redacted_text(version.run_link)
    return facts


def _below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(joined(folder, ""))
