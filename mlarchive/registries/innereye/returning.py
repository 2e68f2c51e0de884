"""Finds the model's folder that a version was written from, though its content has another id.

A registry on the way, as Azure ML, may not hold all of what the layout has (clause 5.6).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from mlarchive.records import Address, Environment, File, ModelVersion, Tags
from mlarchive.registries.innereye.layout import CONDA, DOCKERFILE
from mlarchive.registries.innereye.placing import Present
from mlarchive.registries.innereye.reading import read_folder
from mlarchive.registries.marking import sha256_of
from mlarchive.registries.returning import first_of
from mlarchive.registries.tree import files_of
from mlarchive.snapshot import Snapshot, Stream

_OF_SERVICE = "azureml."


def home_among(
    snapshot: Snapshot, names: Collection[str], present: Sequence[Present]
) -> Present | None:
    """The folder that a snapshot was written from, as its marks tell; None if it is not there.

    Args:
        snapshot: What is to be written.
        names: Of the folder of models.
        present: What is in it under the name that is wanted.
    """
    at = {_address(one): one for one in present}
    marked = {address: one.marks for address, one in at.items()}
    first = first_of(snapshot, names, marked, snapshot.content_id)
    return at[first] if first else None


def is_alike(snapshot: Snapshot, environment: Mapping[str, Stream], there: Present) -> bool:
    """Whether a folder has the very files of a version, and of the environment that comes along.

    Args:
        snapshot: What is to be written.
        environment: The files of its environment, by the names that they have in the layout.
        there: The folder.
    """
    held = read_folder(there.place, _address(there))
    if _digests(held) != _digests(snapshot):
        return False
    named = held.by_key.get(_version(held).environment)
    if not environment or not isinstance(named, Environment):
        return not environment
    own = {_path(stream): stream for stream in held.streams_of(named.key)}
    return all(
        (name in own and digest_of(own[name]) == digest_of(environment[name]))
        if name in environment
        else name not in own
        for name in (CONDA, DOCKERFILE)
    )


def lacking(version: ModelVersion, tags: Tags, there: Present) -> Iterator[str]:
    """Which labels of a version a folder does not say.

    Args:
        version: What is to be written.
        tags: Its tags, as they are to be there.
        there: The folder.
    """
    held = _version(read_folder(there.place, _address(there)))
    if version.description not in {"", held.description}:
        yield "description"
    for label, said, has in (
        ("tag", tags, held.tags),
        ("property", version.properties, held.properties),
    ):
        for name, value in sorted(said.items()):
            if has.get(name) != value and not name.startswith(_OF_SERVICE):
                yield f"{label} {name}"


def _address(one: Present) -> Address:
    return Address(origin="", kind="models", name=one.name, version=one.number)


def _version(snapshot: Snapshot) -> ModelVersion:
    version = snapshot.record(snapshot.subject)
    assert isinstance(version, ModelVersion)  # noqa: S101  (nothing else is read or written there)
    return version


def _digests(snapshot: Snapshot) -> dict[str, str]:
    return {leaf.path: digest_of(leaf.stream) for leaf in files_of(snapshot, snapshot.subject)}


def digest_of(stream: Stream) -> str:
    """The SHA-256 of a file, which is read where nobody says it."""
    entry = stream.entry
    if isinstance(entry, File) and entry.sha256:
        return entry.sha256
    with stream.open() as source:
        return sha256_of(source)


def _path(stream: Stream) -> str:
    return stream.entry.path if isinstance(stream.entry, File) else ""
