"""What is sent for a version that is not registered, or not yet.

A registry gives a place for each version, which nobody can look into from outside. What copies
that were interrupted sent there is removed once the version is registered: its path is fixed then,
and no other copy can register it any more.
"""

import contextlib
from collections.abc import Iterator

from mlarchive.errors import ConflictError, MlarchiveError
from mlarchive.registries.azureml.assets import Kind
from mlarchive.registries.azureml.storage import Upload
from mlarchive.registries.azureml.work import LEFTOVERS, Work


@contextlib.contextmanager
def naming_what_was_sent(
    work: Work, kind: Kind, name: str, number: str, upload: Upload
) -> Iterator[None]:
    """Say of a failure to register inside the block where the files are that were sent before.

    If somebody else registered the version of other files, those can be of no use any more in a
    registry, and are removed.

    Raises:
        MlarchiveError: As the block does.
    """
    try:
        yield
    except MlarchiveError as error:
        if isinstance(error, ConflictError) and upload.place:
            _remove_unless_used(work, kind, name, number, upload)
            raise
        until = "until the version is registered" if upload.place else "for the same command"
        stays = f"what was sent is kept {until}, at {upload.container.url}/{upload.prefix}"
        error.hint = f"{error.hint}; {stays}" if error.hint else stays
        raise


def _remove_unless_used(work: Work, kind: Kind, name: str, number: str, upload: Upload) -> None:
    try:
        there = work.control.version(kind, name, number)
        used = there.text("modelUri") or str(
            (there.properties.get("build") or {}).get("contextUri")
        )
        if not used.startswith(upload.uri):
            for blob in list(upload.container.blobs(upload.prefix)):
                upload.container.remove(blob.name)
    except MlarchiveError as error:
        why = (
            f"what was sent to {upload.container.url}/{upload.prefix} before somebody else made "
            f"the version cannot be removed: {error.message}"
        )
        work.change(f"{kind}/{name}/{number}", LEFTOVERS, why)


def remove_leftovers(work: Work, what: str, upload: Upload) -> None:
    """Remove what interrupted copies sent for a version that is registered now; else name it.

    Args:
        work: Told of what cannot be removed.
        what: The version, as a person knows it.
        upload: Where its own files are.
    """
    if not upload.place:
        return
    try:
        for blob in list(upload.container.blobs(upload.place)):
            if not blob.name.startswith(upload.prefix):
                upload.container.remove(blob.name)
    except MlarchiveError as error:
        why = (
            f"what interrupted copies left at {upload.container.url}/{upload.place} cannot be "
            f"removed: {error.message}"
        )
        work.change(what, LEFTOVERS, why)
