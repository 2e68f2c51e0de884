"""How a process ends whose work had many parts."""

from collections.abc import Iterable

from mlarchive.errors import MixedFailuresError


def exit_status(statuses: Iterable[int]) -> int:
    """The one status that all failures share, the status of mixed failures, or 0 for none."""
    failures = {status for status in statuses if status}
    if len(failures) > 1:
        return MixedFailuresError.exit_status
    return failures.pop() if failures else 0
