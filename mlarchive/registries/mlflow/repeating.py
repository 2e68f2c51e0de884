"""Repeats a write one of whose requests that are sent once only failed for now (clause 5.3).

What the request did, if it did anything, is found by the next attempt. Requests that may be sent
again are repeated by mlflow's client itself, and what fails after that is not repeated here.
"""

from collections.abc import Callable, Sequence

from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR,
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
)

from mlarchive import waiting
from mlarchive.registries.base import Action
from mlarchive.registries.mlflow.failures import Unanswered
from mlarchive.registries.mlflow.settings import answered
from mlarchive.registries.mlflow.work import Work

_MOST = 20
"""Attempts in all, however far each of them gets."""


def repeated(planned: Callable[[], Work]) -> list[Work]:
    """Plan a write and do it, as often in a row as mlflow's client would send one request.

    An attempt that got further counts as the first in a row: it failed at another step, or more
    requests that are sent once were answered.

    Args:
        planned: Plans it, from what is at the target now.

    Returns:
        All attempts, of which the last one did everything.

    Raises:
        Unanswered: The last attempt's.
    """
    works: list[Work] = []
    tried, stuck = 0, None
    while True:
        before, work = answered(), planned()
        works.append(work)
        try:
            work.do()
        except Unanswered:
            failed = work.steps[len(work.done)].action
            tried = tried + 1 if failed == stuck and answered() == before else 1
            stuck = failed
            if tried > MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() or len(works) == _MOST:
                raise
        else:
            return works
        pause = MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR.get() * 2 ** (tried - 1)
        waiting.pause(pause, "the server, which did not answer")


def all_done(works: Sequence[Work]) -> tuple[Action, ...]:
    """What all attempts have done; what an earlier one did is not told again as kept."""
    earlier = [
        action for work in works[:-1] for action in work.done if action.verb not in {"keep", "skip"}
    ]
    told = {action.what for action in earlier}
    last = [a for a in works[-1].done if a.verb not in {"keep", "skip"} or a.what not in told]
    return (*earlier, *last)
