"""Whether an environment that is registered is made of what is written, as it is by now.

What this program noted of it (`mlarchive.record`) says what it was made of when it was made. People
register others with all its marks, and reach the files of a workspace.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from mlarchive.errors import NotFoundError
from mlarchive.records import Environment
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.altered import altered_in
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.recipe import is_built, recipe, recipe_of, recipe_read
from mlarchive.registries.azureml.uploading import Sent, digest_of, files_within
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks
from mlarchive.registries.redaction import image_without_user


class Look(NamedTuple):
    """What was seen of an environment.

    Attributes:
        is_same: Whether it is made of the same.
        altered: What somebody did to the files of its build context since they were written, for
            a person; "" if nothing, or if it is another one.
    """

    is_same: bool
    altered: str = ""


def look_at(
    work: Work, name: str, version: Asset, record: Environment, files: Sequence[Sent]
) -> Look:
    """Look at an environment; at its files once, and only where all else is the same.

    Args:
        work: Knows the target.
        name: Of the environment there.
        version: It.
        record: What it is to be made of.
        files: With these files.

    Raises:
        MlarchiveError: The storage does not answer.
    """
    own = recipe(record, files)
    stated = version.texts("properties").get(marks.RECORD, "")
    if stated and stated not in own.known:
        return Look(is_same=False)
    place = (name, version.name, own.stated)
    if place not in work.looked:
        if stated:
            work.looked[place] = _look_at_own(work, name, version, record, files)
        else:
            read = recipe_read(work.control, work.storage, name, version)
            work.looked[place] = Look(read.is_same(own))
    return Look(*work.looked[place])


def _look_at_own(
    work: Work, name: str, version: Asset, record: Environment, files: Sequence[Sent]
) -> Look:
    """Look at one that has the very mark."""
    build = version.properties.get("build") or {}
    held = {one.file.path: one.file.sha256 for one in files}
    if bool(build) is not is_built(record) or not _is_as_shown(version, record, held):
        return Look(is_same=False)
    if not build:
        return Look(is_same=True)
    uri, context = str(build.get("contextUri") or ""), files_within(files, record.context)
    if digest_of(keys.CONTEXT, context) not in uri:
        # Its files had other names where it was written from, or are not where they were written.
        read = recipe_read(work.control, work.storage, name, version)
        return Look(read.is_same(recipe(record, files)))
    if work.control.place.is_registry:
        return Look(is_same=True)
    try:
        folder = work.storage.folder("environments", name, version.name, uri)
    except NotFoundError as error:
        return Look(is_same=False, altered=error.message)
    altered = altered_in(folder, [one.file for one in context])
    return Look(not altered, altered)


def _is_as_shown(version: Asset, record: Environment, held: dict[str, str]) -> bool:
    """Whether the answer itself says what is wanted: all but the files of a build context."""
    said = version.properties
    inference = said.get("inferenceConfig")
    shown = replace(record, os=version.text("osType"), inference=_json(inference))
    if build := said.get("build"):
        path = str(build.get("dockerfilePath") or "Dockerfile")
        shown = replace(shown, dockerfile=f"{record.context}/{path}" if record.context else path)
        digests = held
    else:
        conda = version.text("condaFile")
        image = image_without_user(version.text("image"))
        shown = replace(shown, image=image, conda=keys.CONDA_FILE if conda else "")
        digest = hashlib.sha256(conda.encode()).hexdigest()
        digests = {keys.CONDA_FILE: digest} if conda else {}
    # The service may say of members that are not there that they are null.
    known = msgspec.json.decode(record.inference) if record.inference else None
    bare = replace(record, image=image_without_user(record.image), inference=_json(known))
    return recipe_of(shown, digests).is_same(recipe_of(bare, held))


def _json(value: object) -> str:
    said = _without_nulls(value)
    return msgspec.json.encode(said, order="sorted").decode() if said else ""


def _without_nulls(value: Any) -> Any:  # noqa: ANN401  (any JSON)
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(one) for name, one in value.items() if one is not None}
