"""Kinds of objects that a server may refuse to list, where all that it has is wanted (clause 1.4).

An ordinary user of MLflow's own accounts may list runs and models, but neither webhooks nor all
evaluation datasets. One kind that is refused hides no other, and nothing of it counts as gone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mlarchive.errors import AccessError
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import speaking

T = TypeVar("T")

REFUSABLE = frozenset({"prompts", "evaluation-datasets", "scorers", "webhooks"})
"""What is listed behind experiments, runs and models: who may list none of these may do nothing."""


def allowed(connection: Connection, kind: str, listed: Callable[[], Iterable[T]]) -> Iterator[T]:
    """What is listed of a kind; where that is refused, the connection remembers why.

    Args:
        connection: To the server.
        kind: Of the objects.
        listed: Lists them.

    Raises:
        AccessError: It is refused, and of a kind that hides all others.
    """
    connection.denied.pop(kind, None)
    try:
        with speaking(connection.uri):
            yield from listed()
    except AccessError as error:
        if kind not in REFUSABLE:
            raise
        why = f"this user may not list any {kind}, so there may be more: {error.message}"
        connection.denied[kind] = AccessError(why, hint=error.hint)
