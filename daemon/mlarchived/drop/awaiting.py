"""What lies in a drop folder, without touching it."""

from collections.abc import Iterator

from mlarchived.drop.candidates import candidates, require_there
from mlarchived.drop.claims import claims
from mlarchived.drop.markers import is_complete
from mlarchived.mirrors import MirrorJob


def dropped(job: MirrorJob) -> Iterator[tuple[str, str]]:
    """What would be taken, by its path in the drop folder, and why or when.

    Raises:
        NotFoundError: The folder is not there.
        MlarchiveError: It may not be read.
    """
    if job.drop is None:
        return
    require_there(job.drop.folder)
    for claim in claims(job.drop.folder, clearing=False):
        yield claim.shown, "claimed already"
    for candidate in candidates(job.drop.folder, job.drop.pattern):
        reason = "complete"
        if not is_complete(candidate):
            reason = f"when it has stood still for {job.drop.settle} s"
        yield candidate.shown, reason
