"""What lies in a drop folder, without touching it."""

from collections.abc import Iterator
from typing import Literal

from mlarchived.drop.candidates import candidates, require_there
from mlarchived.drop.claims import claims
from mlarchived.drop.markers import is_complete
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob

ELSEWHERE = (
    "waits for another package in a folder that was this mirror's drop folder before, or was taken"
    " away there: drop it again, here, or let it be: `mlarchived forget --object NAME`"
)
"""What becomes of a claim that is noted and is not in the drop folder."""


def dropped(job: MirrorJob, ledger: Ledger) -> Iterator[tuple[str, Literal["take", "wait"], str]]:
    """What would be taken, or waits for another package: its path in the drop folder, and why.

    Raises:
        NotFoundError: The folder is not there.
        MlarchiveError: It may not be read.
    """
    if job.drop is None:
        return
    require_there(job.drop.folder)
    waiting = dict(ledger.waiting_drops(job.name))
    for claim in claims(job.drop.folder, clearing=False):
        _, why = waiting.pop(claim.token, ("", ""))
        yield claim.shown, "wait" if why else "take", why or "claimed already"
    for name, _ in waiting.values():
        yield name, "wait", f"it {ELSEWHERE}"
    for candidate in candidates(job.drop.folder, job.drop.pattern):
        reason = "complete"
        if not is_complete(candidate):
            reason = f"when it has stood still for {job.drop.settle} s"
        yield candidate.shown, "take", reason
