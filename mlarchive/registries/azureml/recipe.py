"""What an environment is made of, so that equal ones are known whatever they are called.

What counts is what the service gets of it: other registries have other names for the same files.
"""

import posixpath
from collections.abc import Sequence

import msgspec

from mlarchive.records import Environment, File
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.reading_environment import read_environment_version
from mlarchive.registries.azureml.standin import BASE_IMAGE
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.azureml.uploading import Sent
from mlarchive.registries.marking import digest, sha256_of
from mlarchive.registries.mlflow.gathering import Gathering

_LINUX = "Linux"
_DOCKERFILE = f"{keys.CONTEXT}/Dockerfile"


class Recipe(msgspec.Struct, frozen=True):
    """Digests of what an environment is made of.

    Attributes:
        stated: What this program notes of it where it writes it.
        known: That one, and the one that it noted before names were left out of it.
    """

    stated: str
    known: frozenset[str]

    def is_same(self, other: "Recipe") -> bool:
        """Whether another one is made of the same."""
        return not self.known.isdisjoint(other.known)


def recipe(record: Environment, files: Sequence[Sent]) -> Recipe:
    """Of an environment, given its files with their digests."""
    return recipe_of(record, {one.file.path: one.file.sha256 for one in files})


def recipe_of(record: Environment, held: dict[str, str]) -> Recipe:
    """Of an environment, given the digests of its files by their paths."""
    before = _digest(record, record.image, record.conda, record.dockerfile, held)
    if is_built(record):
        dockerfile, placed = _in_context(record, held)
        now = _digest(record, "", record.conda if record.context else "", dockerfile, placed)
    else:
        conda = {keys.CONDA_FILE: held[record.conda]} if record.conda in held else {}
        image = record.image or BASE_IMAGE
        now = _digest(record, image, keys.CONDA_FILE if conda else "", "", conda)
    return Recipe(now, frozenset({now, before}))


def is_built(record: Environment) -> bool:
    """Whether the service builds it from a context."""
    return bool(record.dockerfile) and not record.image


def recipe_read(control: ControlPlane, storage: Storage, name: str, version: Asset) -> Recipe:
    """Of an environment that is registered, whatever is noted of it: all its files are read."""
    found = Gathering()
    key = read_environment_version(control, storage, name, version, found)
    record = next(record for record in found.records if record.key == key)
    assert isinstance(record, Environment)  # noqa: S101  (it was gathered as one)
    files = []
    for stream in found.streams:
        assert isinstance(stream.entry, File)  # noqa: S101  (an environment has no metrics)
        with stream.open() as source:
            digest = sha256_of(source)
        files.append(Sent(msgspec.structs.replace(stream.entry, sha256=digest), stream))
    return recipe(record, files)


def _in_context(record: Environment, held: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The Dockerfile and all files by path, under the names that they have here.

    Beside another file that has its name, the Dockerfile is known by what is in it; one that is
    not there, by the name that it would have.
    """
    below = f"{record.context}/" if record.context else ""
    placed = {
        f"{keys.CONTEXT}/{path.removeprefix(below)}" if path.startswith(below) else path: sha256
        for path, sha256 in held.items()
    }
    named = posixpath.normpath(f"{keys.CONTEXT}/{record.dockerfile.removeprefix(below)}")
    if named == _DOCKERFILE or named not in placed:
        return named, placed
    built = placed.pop(named)
    if _DOCKERFILE in placed:
        return built, placed
    return _DOCKERFILE, {**placed, _DOCKERFILE: built}


def _digest(
    record: Environment, image: str, conda: str, dockerfile: str, held: dict[str, str]
) -> str:
    inference = msgspec.json.decode(record.inference) if record.inference else None
    files = sorted([path, sha256] for path, sha256 in held.items())
    return digest([image, record.os or _LINUX, inference, conda, dockerfile, files])
