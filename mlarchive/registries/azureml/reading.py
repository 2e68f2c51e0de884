"""Reads a version of a model, or of an environment, with all that hangs on it."""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from mlarchive.errors import NotFoundError, UnsupportedError
from mlarchive.records import Address, ModelVersion, RegisteredModel
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.blobfolder import BESIDE
from mlarchive.registries.azureml.natives import EVIDENCE_ALONE, evidence_alone, native
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.reading_environment import (
    meant,
    named_environment,
    read_environment,
    read_environment_version,
)
from mlarchive.registries.azureml.reading_job import job_of, read_job
from mlarchive.registries.azureml.soundness import require_made, why_unmade
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.environments import environments, flavors
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.notebooks.wanted import NONE_WANTED, Wanted
from mlarchive.snapshot import Snapshot


def read_object(
    control: ControlPlane, storage: Storage, address: Address, wanted: Wanted = NONE_WANTED
) -> Snapshot:
    """Read one object with everything that hangs on it.

    Args:
        control: Where it is.
        storage: Where its bytes are.
        address: What is meant.
        wanted: Which notebooks are fetched with it.

    Raises:
        NotFoundError: It is not there, or its files are not.
        UnsupportedError: Objects of that kind cannot be read.
    """
    gathering = Gathering()
    if address.kind == "models" and address.version:
        subject = _read_version(control, storage, address, wanted, gathering)
    elif address.kind == "environments" and address.version:
        subject = read_environment(control, storage, address.name, address.version, gathering)
    else:
        raise UnsupportedError(
            f"{address} cannot be read as one object",
            hint="name a version: #models/NAME/VERSION or #environments/NAME/VERSION",
        )
    return Snapshot(
        address=address,
        subject=subject,
        records=tuple(gathering.records),
        streams=tuple(gathering.streams),
        losses=tuple(gathering.losses),
        transformations=tuple(gathering.transformations),
        settled=partial(_require_same, tuple(gathering.checks)),
    )


def _require_same(checks: Sequence[Callable[[], None]]) -> None:
    for check in checks:
        check()


def _read_version(
    control: ControlPlane,
    storage: Storage,
    address: Address,
    wanted: Wanted,
    gathering: Gathering,
) -> str:
    """Gather a version of a model; returns its key."""
    name, number = address.name, address.version
    version = with_own_marks(name, control.version("models", name, number))
    require_made(control.shown, f"models/{name}/{number}", version)
    key = keys.version_key(name, number)
    called = f"models/{name}/{number}"
    _read_model(control.container("models", name), gathering)
    uri = version.text("modelUri")
    folder = storage.folder("models", name, number, uri)
    if folder.elsewhere:
        gathering.change(called, "path", folder.elsewhere)
    if folder.beside():
        gathering.lose(called, folder.name, BESIDE)
    for path, why in folder.encoded():
        gathering.lose(called, f"Content-Encoding of {path}", why)
    gathering.checks.append(folder.require_same)
    found = Gathering()
    listed = gather_files(folder, key, called, found)
    gathering.streams.extend(found.streams)
    # A name in another form is a loss: blobs of both names can lie side by side.
    gathering.losses.extend((*found.losses, *found.transformations))
    gathering.records.extend(environments(folder, listed, key))
    for member in evidence_alone(version):
        gathering.lose(called, member, EVIDENCE_ALONE)
    for label in keys.no_marks(version.texts("tags"), version.texts("properties")):
        gathering.lose(called, label, keys.NO_MARK)
    said = version.properties.get("flavors") or {}
    properties = version.texts("properties")
    run = read_job(control, storage, job_of(version), wanted, gathering)
    gathering.records.append(
        ModelVersion(
            key=key,
            native=native(version, _marks(version), location=uri),
            registered_model=keys.model_key(name),
            name=name,
            version=number,
            stage=version.stage,
            description=version.text("description"),
            tags=marks.state_tags(version.texts("tags")),
            properties=marks.state_tags(properties),
            flavors=tuple(sorted(said)) or flavors(folder, listed, ""),
            flavor_data={
                flavor: msgspec.json.encode(data, order="sorted").decode()
                for flavor, data in said.items()
            },
            model_type=version.text("modelType"),
            lifecycle="archived" if version.is_archived else "active",
            run=run,
            job=_first_job(version),
            environment=_read_named_environment(control, storage, version, called, gathering),
            folder=folder.name,
            status=version.text("provisioningState"),
        )
    )
    return key


def _first_job(version: Asset) -> str:
    """The job that made a version first: what this program wrote has a run in its place."""
    made, held = version.text("jobName"), version.texts("properties")
    stands_in = made in {"", held.get(keys.RUN, "")}
    return (held.get(keys.JOB, "") if stands_in else "") or made


def _read_model(model: Asset, gathering: Gathering) -> None:
    tags, properties = model.texts("tags"), model.texts("properties")
    for label in keys.no_marks(tags, properties):
        gathering.lose(f"models/{model.name}", label, keys.NO_MARK)
    gathering.records.append(
        RegisteredModel(
            key=keys.model_key(model.name),
            native=native(model, _marks(model)),
            name=model.name,
            description=model.text("description"),
            tags=marks.state_tags(tags),
            properties=marks.state_tags(properties),
            lifecycle="archived" if model.is_archived else "active",
        )
    )


def _read_named_environment(
    control: ControlPlane, storage: Storage, version: Asset, called: str, gathering: Gathering
) -> str:
    """Gather the environment that a version means; "" if it means none."""
    name, number = named_environment(version)
    if not name:
        return ""
    try:
        asset = control.version("environments", name, number) if number else meant(control, name)
        number, lost = asset.name, why_unmade(asset)
        if not lost:
            return read_environment_version(control, storage, name, asset, gathering)
    except NotFoundError as error:
        lost = error.message
    what = f"environment {name}" + (f", version {number}" if number else "")
    gathering.lose(called, what, f"the model names it, and it cannot be read: {lost}")
    return ""


def _marks(asset: Asset) -> dict[str, str]:
    return keys.marks_of(asset.texts("tags"), asset.texts("properties"))
