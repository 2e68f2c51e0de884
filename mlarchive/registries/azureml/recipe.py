"""What an environment is made of, so that equal ones are known whatever they are called."""

from collections.abc import Sequence

import msgspec

from mlarchive.records import Environment, File
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.reading_environment import read_environment
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.azureml.uploading import Sent
from mlarchive.registries.marking import digest, sha256_of
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import Gathering

_LINUX = "Linux"


def recipe(record: Environment, files: Sequence[Sent]) -> str:
    """The digest of an environment, given its files with their digests."""
    held = sorted([one.file.path, one.file.sha256] for one in files)
    inference = msgspec.json.decode(record.inference) if record.inference else None
    made_of = [record.image, record.os or _LINUX, inference, record.conda, record.dockerfile, held]
    return digest(made_of)


def recipe_there(control: ControlPlane, storage: Storage, name: str, version: Asset) -> str:
    """The digest of an environment that is registered; what this program wrote states it."""
    stated = version.texts("properties").get(marks.RECORD, "")
    if stated:
        return stated
    found = Gathering()
    key = read_environment(control, storage, name, version.name, found)
    record = next(record for record in found.records if record.key == key)
    assert isinstance(record, Environment)  # noqa: S101  (it was gathered as one)
    files = []
    for stream in found.streams:
        assert isinstance(stream.entry, File)  # noqa: S101  (an environment has no metrics)
        with stream.open() as source:
            digest = sha256_of(source)
        files.append(Sent(msgspec.structs.replace(stream.entry, sha256=digest), stream))
    return recipe(record, files)
