"""The environment that a model names in its tags, by its number or as the latest at its place.

InnerEye's models name theirs so, and Azure ML's by way of them.
"""

from dataclasses import replace

import msgspec

from mlarchive.package.fields import references
from mlarchive.records import AnyRecord, Environment, ModelVersion
from mlarchive.snapshot import Snapshot

NAME = "python_environment_name"
"""The tag by which a model names its environment, as InnerEye does."""

VERSION = "python_environment_version"
"""The tag that says which version of it; without it the latest is meant."""


def but_named_environment(snapshot: Snapshot) -> Snapshot:
    """A snapshot of a version without the environment that its tags name.

    That one is another when somebody says so in a tag, or makes a later one where the tags name no
    number, whatever becomes of the version.
    """
    version = snapshot.record(snapshot.subject)
    if not isinstance(version, ModelVersion):
        return snapshot
    meant = snapshot.by_key.get(version.environment)
    if not isinstance(meant, Environment) or meant.record or meant.name != version.tags.get(NAME):
        return snapshot
    others = (one for one in snapshot.records if one is not version)
    if any(key == meant.key for one in others for _, key in references(one)):
        return snapshot
    without = msgspec.structs.replace(version, environment="")
    records: tuple[AnyRecord, ...] = tuple(
        without if one is version else one for one in snapshot.records if one is not meant
    )
    streams = tuple(stream for stream in snapshot.streams if stream.owner != meant.key)
    return replace(snapshot, records=records, streams=streams)
