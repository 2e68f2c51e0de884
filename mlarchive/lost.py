"""What a source has lost of a model's version: it says nothing new of what that was."""

from mlarchive.records import File, ModelVersion
from mlarchive.snapshot import Snapshot

FILES = "files"
RUN = "run"


def lost_of(snapshot: Snapshot) -> frozenset[str]:
    """What a version's source had, and no longer has, as reading it told.

    Args:
        snapshot: Of any object.

    Returns:
        `files`, all of its own; `run`, that made it. Nothing for what is no version of a model.
    """
    version = snapshot.record(snapshot.subject)
    if not isinstance(version, ModelVersion):
        return frozenset()
    called = f"models/{version.name}/{version.version}"
    told = set()
    for loss in snapshot.losses:
        if (loss.record, loss.field) == (called, "files"):
            told.add(FILES)
        elif loss.record.startswith("run ") and loss.field == "all of it":
            told.add(RUN)
    return frozenset(told - parts_of(snapshot))


def parts_of(snapshot: Snapshot) -> frozenset[str]:
    """What of a version's that may be lost a snapshot has; as `lost_of`."""
    version = snapshot.record(snapshot.subject)
    if not isinstance(version, ModelVersion):
        return frozenset()
    root = version.root
    top = f"{root.path}/" if root and root.path else ""
    has_files = any(
        isinstance(stream.entry, File) and stream.entry.path.startswith(top)
        for stream in snapshot.streams_of(root.record if root else version.key)
    )
    return frozenset(part for part, has in ((FILES, has_files), (RUN, version.run)) if has)
