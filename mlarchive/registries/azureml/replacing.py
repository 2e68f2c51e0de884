"""What somebody put where the files of a new version go: told before any of them is sent.

In a workspace equal files have one place, whatever version they are of, so that what is altered
there may be another model's. A registry gives each version a place of its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mlarchive.errors import ConflictError, RemoteError
from mlarchive.records import Loss
from mlarchive.registries.azureml.storage import Upload
from mlarchive.registries.azureml.uploading import (
    Sent,
    fill,
    look_where,
    require_alone,
    require_unaltered,
)
from mlarchive.registries.azureml.work import Work


class Sending(NamedTuple):
    """Files that are to be sent.

    Attributes:
        what: The version that is to have them.
        upload: Where they go.
        prefix: What their names begin with.
        files: All of them.
    """

    what: str
    upload: Upload
    prefix: str
    files: Sequence[Sent]


def why_unsent(work: Work, sending: Sending) -> str:
    """Look at where files go in a workspace; what is going to be written over is told.

    Args:
        work: Gets the transformation.
        sending: The files.

    Returns:
        Why the version is not made, as the policy is `skip`; else "".

    Raises:
        ConflictError: Something else is there, and the policy is `fail`.
        RemoteError: Something is there besides.
    """
    container = sending.upload.container
    found = look_where(container, sending.prefix, sending.files, work.storage.pool)
    try:
        if work.policy.conflict == "new-version":
            _list_over(work, sending, found.altered)
        else:
            require_unaltered(container, found.altered)
        require_alone(container, found.beside)
    except (ConflictError, RemoteError) as error:
        if work.policy.conflict == "skip":
            return error.message
        raise
    return ""


def send(work: Work, sending: Sending) -> None:
    """Send files, and tell what was written over though nothing told that it was altered.

    Args:
        work: Gets the bytes, and the transformation.
        sending: The files.

    Raises:
        MlarchiveError: As `fill`.
    """
    over_others = work.policy.conflict == "new-version"
    pool = work.storage.pool
    _, upload, prefix, files = sending
    over = look_where(upload.container, prefix, files, pool).altered if over_others else []
    filled = fill(upload.container, prefix, files, pool, over_others=over_others)
    work.sent += filled.sent
    # What was done stays told, also where all is planned anew since somebody else was quicker.
    work.replaced += _list_over(work, sending, [*over, *filled.over])


def _list_over(work: Work, sending: Sending, names: Sequence[str]) -> list[Loss]:
    """List what is written over; returns what is told of it."""
    if not names:
        return []
    why = (
        f"somebody altered {', '.join(names)}, where each version with equal files has its own, "
        "and it is written anew"
    )
    told = Loss(record=sending.what, field="files", why=why)
    if told not in work.transformations:
        work.transformations.append(told)
    return [told]
