"""Reads a version of an environment: image, the very text of its conda file, its build context."""

import io
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import msgspec

from mlarchive.errors import MlarchiveError, NotFoundError, UnavailableError
from mlarchive.records import Environment, File, Tags
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind
from mlarchive.registries.azureml.behind import why_behind
from mlarchive.registries.azureml.blobfolder import BESIDE
from mlarchive.registries.azureml.merging import OF_SERVICE
from mlarchive.registries.azureml.natives import EVIDENCE_ALONE, evidence_alone, native
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.soundness import require_made
from mlarchive.registries.azureml.standin import stated_by
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.azureml.withholding import NEVER_KEPT, without_secrets
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.snapshot import Stream

OF_ALL = (
    "it is said of the environment as a whole, of which no record is kept, only of its versions"
)


def latest(control: ControlPlane, kind: Kind, whole: Asset, every: Sequence[Asset]) -> Asset:
    """The version that was made last, which is what `latest` means to azure-ai-ml.

    Args:
        control: Of the place.
        kind: Of the versions.
        whole: Their name, as it is said.
        every: All of them, archived ones too.

    Raises:
        NotFoundError: There is none.
    """
    found = [] if whole.is_archived else [one for one in _sound(every) if not one.is_archived]
    if not found:
        raise NotFoundError(
            f"{control.shown} has no {kind}/{whole.name}, or archived versions of it only",
            hint="name a version by its number, or see them with `mlarchive ls --archived`",
        )
    return max(found, key=lambda one: one.made_at)


def meant(control: ControlPlane, name: str) -> Asset:
    """The version of an environment that a model means which names none.

    It is the latest; where all are archived it is the latest of those, so that a model stays what
    it is when somebody archives its environment.

    Raises:
        NotFoundError: There is none.
        UnavailableError: Not all that there are were shown.
    """
    every, behind = all_shown(control, name)
    if behind:
        raise behind
    return meant_of(control, name, every)


def meant_of(control: ControlPlane, name: str, every: Sequence[Asset]) -> Asset:
    """Which of all versions of an environment that is.

    Raises:
        NotFoundError: There is none.
    """
    sound = _sound(every)
    # What stands for one that was not there is not what anybody means.
    found = [one for one in sound if not stated_by(one)]
    active = [one for one in found if not one.is_archived]
    if not found:
        but = " but what stands for another, of a model's own files" if sound else ""
        raise NotFoundError(f"{control.shown} has no environments/{name}{but}")
    return max(active or found, key=lambda one: one.made_at)


def all_shown(control: ControlPlane, name: str) -> tuple[list[Asset], UnavailableError | None]:
    """The versions of an environment that a place lists, and why these are not all, if so."""
    # What is made between both requests is listed, and not yet said.
    whole = control.named("environments", name)
    every = control.versions("environments", name, archived=True)
    found = (why_behind(control, "environments", one, every) for one in whole)
    return every, next(filter(None, found), None)


def may_mean(
    control: ControlPlane, tags: Tags, name: str, number: str, *, unless_unknown: bool = False
) -> bool:
    """Whether tags of a version of a model elsewhere could mean an environment that is here.

    One that they name without a number was the one made last in its time, whatever came since.

    Args:
        control: Of here.
        tags: Of the version.
        name: Of the environment.
        number: Of its version here, which may have had another one there.
        unless_unknown: What is said where nobody knows where that came from.
    """
    if tags.get(keys.ENVIRONMENT_NAME) != name:
        return False
    told = tags.get(keys.ENVIRONMENT_VERSION, "")
    if told in {"", number}:
        return True
    try:
        held = control.version("environments", name, number).texts("properties")
    except NotFoundError:
        return unless_unknown
    came_as = held.get(marks.ORIGIN, "").partition("#")[2]
    return came_as == f"environments/{name}/{told}" or (unless_unknown and not came_as)


def _sound(some: Iterable[Asset]) -> list[Asset]:
    return [one for one in some if not one.is_failed]


def named_environment(version: Asset) -> tuple[str, str]:
    """Name and number of the environment that a version of a model means.

    What was registered for it counts before its tags: these are as the source has them, and the
    number may be another one's here.

    Returns:
        No name if it means none; no number if it means the latest.
    """
    name, _, number = version.texts("properties").get(keys.ENVIRONMENT, "").partition(":")
    if name and number:
        return name, number
    tags = version.texts("tags")
    return tags.get(keys.ENVIRONMENT_NAME, ""), tags.get(keys.ENVIRONMENT_VERSION, "")


def read_environment(
    control: ControlPlane, storage: Storage, name: str, number: str, gathering: Gathering
) -> str:
    """Gather a version of an environment; returns the key of its record.

    Raises:
        NotFoundError: It is not there.
        RemoteError: The service could not make it.
        UnavailableError: It still makes it.
    """
    asset = control.version("environments", name, number)
    return read_environment_version(control, storage, name, asset, gathering)


def read_environment_version(
    control: ControlPlane, storage: Storage, name: str, asset: Asset, gathering: Gathering
) -> str:
    """Gather a version of an environment, as the service gave it.

    Raises:
        MlarchiveError: As `read_environment`.
    """
    number, asset = asset.name, with_own_marks(name, asset)
    require_made(control.shown, f"environments/{name}/{number}", asset)
    whole = control.container("environments", name)
    key = keys.environment_key(name, number)
    conda = asset.text("condaFile")
    if conda:
        raw = conda.encode()
        file = File(path=keys.CONDA_FILE, size=len(raw), sha256="", role="environment")
        gathering.streams.append(Stream(owner=key, entry=file, open=partial(io.BytesIO, raw)))
    build = asset.properties.get("build") or {}
    uri = str(build.get("contextUri") or "")
    context = _read_context(storage, name, number, uri, gathering) if uri else ""
    dockerfile = str(build.get("dockerfilePath") or "Dockerfile") if uri else ""
    if context and not _has(gathering, key, f"{context}/{posixpath.normpath(dockerfile)}"):
        why = f"its build context has no {dockerfile}, so nothing can be built of it"
        gathering.lose(f"environments/{name}/{number}", "Dockerfile", why)
    inference = asset.properties.get("inferenceConfig")
    tags, properties = asset.texts("tags"), asset.texts("properties")
    model = stated_by(asset)
    stated = {marks.STATED: model} if model else {}
    record, left_out = without_secrets(
        Environment(
            key=key,
            native=native(asset, {**keys.marks_of(tags, properties), **stated}, location=uri),
            name=name,
            version=number,
            description=asset.text("description"),
            tags=marks.state_tags(tags),
            properties=marks.state_tags(properties),
            lifecycle="archived" if asset.is_archived or whole.is_archived else "active",
            conda=keys.CONDA_FILE if conda else "",
            image=asset.text("image"),
            dockerfile=f"{context}/{dockerfile}" if context else "",
            context=context,
            os=asset.text("osType"),
            inference=_json(inference) if inference else "",
        )
    )
    gathering.records.append(record)
    for member in evidence_alone(asset):
        gathering.lose(f"environments/{name}/{number}", member, EVIDENCE_ALONE)
    for label in keys.no_marks(tags, properties):
        gathering.lose(f"environments/{name}/{number}", label, keys.NO_MARK)
    for what in left_out:
        gathering.lose(f"environments/{name}/{number}", what, NEVER_KEPT)
    for label in said_of_all(whole, asset):
        gathering.lose(f"environments/{name}", label, OF_ALL)
    if whole.is_archived and not asset.is_archived:
        why = "the environment as a whole is archived, which is said of each of its versions"
        gathering.change(f"environments/{name}/{number}", "lifecycle", why)
    return key


def said_of_all(whole: Asset, version: Asset) -> Iterator[str]:
    """Labels of an environment as a whole that a version of it does not say as well."""
    if whole.text("description") not in {"", version.text("description")}:
        yield "description"
    for label, kind in (("tag", "tags"), ("property", "properties")):
        held = version.texts(kind)
        for name, value in sorted(whole.texts(kind).items()):
            if held.get(name) != value and not name.startswith(OF_SERVICE):
                yield f"{label} {name}"


def _read_context(storage: Storage, name: str, number: str, uri: str, gathering: Gathering) -> str:
    """Gather the files of a build context below `context`; "" if they cannot be had."""
    called, key = f"environments/{name}/{number}", keys.environment_key(name, number)
    found = Gathering()
    try:
        folder = storage.folder("environments", name, number, uri)
        if folder.beside():
            gathering.lose(called, folder.name, BESIDE)
        for path, why in folder.encoded():
            gathering.lose(called, f"Content-Encoding of {path}", why)
        gathering.checks.append(folder.require_same)
        if folder.elsewhere:
            gathering.change(called, "path of the build context", folder.elsewhere)
        gather_files(folder, key, called, found)
    except MlarchiveError as error:
        if error.retryable:
            raise
        gathering.lose(called, "build context", f"it cannot be read: {error.message}")
        return ""
    for stream in found.streams:
        assert isinstance(stream.entry, File)  # noqa: S101  (files alone were gathered)
        entry = msgspec.structs.replace(
            stream.entry, path=f"{keys.CONTEXT}/{stream.entry.path}", role="build-context"
        )
        gathering.streams.append(
            Stream(owner=key, entry=entry, open=stream.open, waits=stream.waits)
        )
    gathering.losses.extend((*found.losses, *found.transformations))
    return keys.CONTEXT


def _has(gathering: Gathering, key: str, path: str) -> bool:
    """Whether a record has a file."""
    return any(
        stream.owner == key and isinstance(stream.entry, File) and stream.entry.path == path
        for stream in gathering.streams
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
