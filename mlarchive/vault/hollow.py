"""Versions whose files the source has lost: what is kept of them counts on."""

from mlarchive.errors import ConflictError
from mlarchive.records import ModelVersion
from mlarchive.snapshot import Snapshot


def require_hollow(counting: Snapshot) -> None:
    """Refuse that a version without files supersedes one with files.

    A source that lost something says nothing new of it.

    Args:
        counting: What counts of the version in the vault.

    Raises:
        ConflictError: It has files.
    """
    if not is_hollow(counting):
        raise ConflictError(
            f"the source has lost the files of {counting.address}, and the vault has them: what it"
            " keeps counts on",
            hint="give the files back at the source, or delete the version there",
        )


def is_hollow(snapshot: Snapshot) -> bool:
    """Whether a version was read without any of its files, since they are gone."""
    subject = snapshot.record(snapshot.subject)
    if not isinstance(subject, ModelVersion):
        return False
    called = f"models/{subject.name}/{subject.version}"
    return any(loss.field == "files" and loss.record == called for loss in snapshot.losses)
