"""What targets are called on a person's screen."""

from mlarchived.mirrors import MirrorJob
from mlarchived.views import SPOOL, VAULT


def destinations(job: MirrorJob) -> str:
    """Where a mirror goes, for a person."""
    return ", ".join(shown(target) for target in job.rules().targets)


def shown(target: str) -> str:
    """A target's name, for a person."""
    return target.rstrip(":") if target in {VAULT, SPOOL} else target
