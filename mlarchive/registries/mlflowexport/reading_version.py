"""Reads an exported model version with everything that hangs on it (clause 2.1)."""

import re
from typing import NamedTuple

from mlarchive.errors import DamageError
from mlarchive.package.paths import refusal
from mlarchive.records import ArtifactRoot, ModelVersion, Native, RegisteredModel
from mlarchive.registries.jsondocuments import Table, read_document
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.environments import environments, flavors, joined
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.mlflow.reading_version import version_key
from mlarchive.registries.mlflowexport.artifacts import ExportedFolder
from mlarchive.registries.mlflowexport.layout import (
    ARTIFACTS,
    MODEL,
    RUN,
    Export,
    ModelPlace,
    part,
)
from mlarchive.registries.mlflowexport.reading_run import ExportedRun, read_run, verbatim
from mlarchive.registries.mlflowexport.written import is_carrier, mark_of
from mlarchive.registries.redaction import redacted_text, without_credentials

_RUN_SOURCE = re.compile(r"runs:/([0-9a-zA-Z_-]+)(?:/+(.*?))?/*$")
_NO_STAGE = {"", "None"}


class _Asked(NamedTuple):
    """A version that is read, the key of its record, and what a person calls it."""

    version: Table
    key: str
    called: str


class ExportedModel(NamedTuple):
    """A registered model and its versions.

    Attributes:
        model: The registered model.
        versions: Those that were exported.
        failed: Those that were not: number and reason.
    """

    model: Table
    versions: list[Table]
    failed: dict[str, str]


def read_model(place: ModelPlace) -> ExportedModel:
    """A registered model's document.

    Raises:
        DamageError: It is malformed.
    """
    document = read_document(place.folder / MODEL)
    model = part(document).table("registered_model")
    if not model.text("name"):
        raise DamageError(f"{document.where} does not say which model it is of")
    if place.version:
        versions = [part(read_document(place.version)).table("model_version")]
    else:
        # Before 1.2 all versions stood under the name of the latest ones.
        name = "versions" if "versions" in model.members else "latest_versions"
        versions = model.tables(name)
    for version in versions:
        if not version.text("version"):
            raise DamageError(f"{version.where} does not say which version it is")
    failed = {
        item.text("version"): item.text("error")
        for item in document.table("info").tables("failed_versions")
    }
    return ExportedModel(model, versions, failed)


def aliases_of(model: Table, version: Table) -> tuple[str, ...]:
    """The aliases that point at a version: newer servers tell them with the model alone."""
    number = version.text("version")
    of_model = {
        item.text("alias") for item in model.tables("aliases") if item.text("version") == number
    }
    return tuple(sorted({*of_model, *version.texts("aliases")}))


def stage_of(version: Table) -> str:
    """A version's stage; "" for none."""
    stage = version.text("current_stage")
    return "" if stage in _NO_STAGE else stage


def read_version(export: Export, model: Table, version: Table, gathering: Gathering) -> str:
    """Gather a version; returns the key of its record."""
    name, number = model.text("name"), version.text("version")
    asked = _Asked(version, version_key(name, number), f"models/{name}/{number}")
    run_id, key = version.text("run_id"), asked.key
    run = _run(export, asked, gathering)
    folder, root, path = _place(export, asked, run, gathering)
    gathering.records.append(_registered_model(model))
    gathering.records.append(
        ModelVersion(
            key=key,
            native=_native(version),
            registered_model=f"registered-model/{name}",
            name=name,
            version=number,
            aliases=aliases_of(model, version),
            stage=stage_of(version),
            description=version.text("description"),
            tags=marks.state_tags(version.tags("tags")),
            flavors=flavors(folder, tuple(folder.files()), path) if folder else (),
            run=run_key(run_id) if run else "",
            root=root,
            status=version.text("status"),
        )
    )
    return key


def _run(export: Export, asked: _Asked, gathering: Gathering) -> ExportedRun | None:
    version = asked.version
    run_id = version.text("run_id")
    place = export.runs.get(run_id)
    if place and (place.folder / RUN).exists() and is_carrier(read_document(place.folder / RUN)):
        return None
    if place:
        return read_run(place, run_id, gathering, experiment_name=version.text("_experiment_name"))
    if run_id:
        why = f"the export does not have the run that made {asked.called}"
        gathering.lose(f"run {run_id}", "all of it", why)
    return None


def _place(
    export: Export, asked: _Asked, run: ExportedRun | None, gathering: Gathering
) -> tuple[ExportedFolder | None, ArtifactRoot | None, str]:
    """Where the version's files are: the folder, the record that carries them, the path."""
    run_id, source = asked.version.text("run_id"), asked.version.text("source")
    path = _path_in_run(source, run_id, run.location if run else "")
    place = export.runs.get(run_id)
    if place and path is not None and is_carrier(read_document(place.folder / RUN)):
        folder = ExportedFolder(place.folder, path)
        listed = gather_files(folder, asked.key, asked.called, gathering)
        gathering.records.extend(environments(folder, listed, asked.key))
        return folder, None, ""
    shown = without_credentials(source)
    if run and path is not None:
        if not any(not path or e.path.startswith(joined(path, "")) for e in run.listed):
            why = f"the export has none under its source {shown}"
            gathering.lose(asked.called, "files", why)
        return run.folder, ArtifactRoot(record=run_key(run_id), path=path), path
    why = f"its source {shown} is not among the files that were exported"
    gathering.lose(asked.called, "files", why)
    return None, None, ""


def _path_in_run(source: str, run_id: str, location: str) -> str | None:
    """The folder among a run's artifacts that a source means; None if it means something else."""
    path = _path_stated(source, run_id, location)
    return None if path and refusal(path) else path


def _path_stated(source: str, run_id: str, location: str) -> str | None:
    if (match := _RUN_SOURCE.match(source)) and match[1] == run_id:
        return match[2] or ""
    top = location.rstrip("/")
    if top and f"{source}/".startswith(f"{top}/"):
        return source[len(top) :].strip("/")
    _, cut, path = f"/{source}".partition(f"/{run_id}/{ARTIFACTS}")
    return path.strip("/") if run_id and cut and path[:1] in {"", "/"} else None


def _registered_model(model: Table) -> RegisteredModel:
    name = model.text("name")
    members = {n: v for n, v in model.members.items() if n not in {"versions", "latest_versions"}}
    return RegisteredModel(
        key=f"registered-model/{name}",
        native=Native(
            created=model.number("creation_timestamp"),
            updated=model.number("last_updated_timestamp"),
            verbatim=verbatim(members),
        ),
        name=name,
        description=model.text("description"),
        tags=marks.state_tags(model.tags("tags")),
    )


def _native(version: Table) -> Native:
    also = {n: v for n, v in version.tags("tags").items() if n.startswith(marks.PREFIX)}
    if origin := mark_of(version).text("origin"):
        also[marks.ORIGIN] = origin
    if link := version.text("run_link"):
        also["run_link"] = redacted_text(link)
    return Native(
        created=version.number("creation_timestamp"),
        updated=version.number("last_updated_timestamp"),
        user=version.text("user_id"),
        location=without_credentials(version.text("source")),
        verbatim=verbatim(version.members),
        also=also,
    )
