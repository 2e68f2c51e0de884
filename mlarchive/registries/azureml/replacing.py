"""What somebody put where the files of a new version go: told before any of them is sent.

In a workspace equal files have one place, whatever version they are of, so that what is altered
there may be another model's. A registry gives each version a place of its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mlarchive.errors import ConflictError
from mlarchive.registries.azureml.storage import Upload
from mlarchive.registries.azureml.uploading import Sent, altered_at, fill, require_unaltered
from mlarchive.registries.azureml.work import Work

_MOST_NAMED = 3


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
    names = altered_at(container, sending.prefix, sending.files, work.storage.pool)
    if work.policy.conflict == "new-version":
        _list_over(work, sending, names)
        return ""
    try:
        require_unaltered(container, names)
    except ConflictError as error:
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
    filled = fill(upload.container, prefix, files, pool, over_others=over_others)
    work.sent += filled.sent
    _list_over(work, sending, filled.over)


def _list_over(work: Work, sending: Sending, names: Sequence[str]) -> None:
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        why = (
            f"somebody altered {', '.join(names[:_MOST_NAMED])}{more}, where each version with "
            "equal files has its own, and it is written anew"
        )
        work.change(sending.what, "files", why)
