"""What targets are called on a person's screen."""

from mlarchived.mirrors import MirrorJob
from mlarchived.views import SPOOL, VAULT


def whence(job: MirrorJob) -> str:
    """Where a mirror's objects come from, for a person."""
    return f"{job.drop.folder}/" if job.drop else job.source.locator.text


def destinations(job: MirrorJob) -> str:
    """Where a mirror goes, for a person."""
    return ", ".join(shown(target) for target in job.rules().targets)


def shown(target: str) -> str:
    """A target's name, for a person."""
    return target.rstrip(":") if target in {VAULT, SPOOL} else target
