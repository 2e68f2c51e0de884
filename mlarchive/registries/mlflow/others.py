"""What a server has that no record is made of: read as it answers, redacted, never in silence.

Each kind is one object, `other-objects/KIND`: evidence of what there was, and a loss (clause 11 of
`spec/mapping-mlflow.md`).
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from mlarchive.errors import MlarchiveError, NotFoundError
from mlarchive.records import Native, OtherObjects
from mlarchive.records.others import UNREAD
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import lacks_endpoint, speaking
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.natives import plain, verbatim
from mlarchive.registries.mlflow.selecting import all_experiments
from mlarchive.registries.selecting import matches

_PAGE = 100
_MOST = 10_000
"""Of so many objects of a kind at most the answers are kept, so that evidence stays small."""

_MASKED = {"masked_values", "masked_value"}


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of one kind.

    Attributes:
        name: Of the kind.
        found: What the server says of each, as builtins.
        unread: Why they were not read; "" if they were.
    """

    name: str
    found: list[Any] = []
    unread: str = ""


def selected_others(connection: Connection, selector: Selector) -> list[Others]:
    """The kinds meant of which the server has something, or cannot say it.

    Without a kind of object in the selector, only those are looked for that one request tells.

    Raises:
        NotFoundError: One is named exactly and is not there.
        UnavailableError: The server does not answer.
    """
    kinds = {**_WHOLE, **(_EACH if selector.kind else {})}
    found = [
        _looked(connection, name, look) for name, look in kinds.items() if matches(selector, name)
    ]
    if selector.kind:
        found += [
            Others(name=name, unread=why)
            for name, why in _UNASKED.items()
            if matches(selector, name)
        ]
    found = [others for others in found if others.found or others.unread]
    if selector.name and not selector.pattern and not found:
        raise NotFoundError(
            f"{connection.uri} has no other objects {selector.name!r}",
            hint=f"kinds are {', '.join({**_WHOLE, **_EACH, **_UNASKED})}",
        )
    return found


def read_others(others: Others, gathering: Gathering) -> str:
    """Gather the answers of one kind; returns the key of the record."""
    key = f"other-objects/{others.name}"
    count = len(others.found)
    if others.unread:
        gathering.lose(key, UNREAD, others.unread)
    else:
        why = f"there is no record for the {count} of them; the server's answer is kept as evidence"
        gathering.lose(key, "meaning", why)
    if count > _MOST:
        gathering.lose(key, "answers", f"only the first {_MOST} of {count} are kept")
    gathering.records.append(
        OtherObjects(
            key=key,
            native=Native(
                verbatim=verbatim({"objects": others.found[:_MOST]}) if count else "",
                also={"count": str(count)},
            ),
            name=others.name,
        )
    )
    return key


def _looked(
    connection: Connection, name: str, look: Callable[[Connection], Iterable[Any]]
) -> Others:
    try:
        with speaking(connection.uri):
            try:
                return Others(name=name, found=[_told(item) for item in look(connection)])
            except Exception as error:
                if lacks_endpoint(error):
                    return Others(name=name)
                raise
    except MlarchiveError as error:
        # One kind that fails hides no other.
        return Others(name=name, unread=f"they cannot be read: {error.message}")


def _told(value: Any) -> Any:  # noqa: ANN401  (any entity of mlflow's)
    """An entity as builtins, without what only shows a part of a secret."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return _told(members)
    if isinstance(value, Enum):
        return _told(value.value)
    if isinstance(value, Mapping):
        return {
            str(name): _told(item)
            for name, item in value.items()
            if item is not None and name not in _MASKED
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_told(item) for item in value]
    return plain(value)


def _review_queues(connection: Connection) -> Iterable[Any]:
    store = connection.tracking
    for experiment in all_experiments(connection):
        if experiment.lifecycle_stage != "active":
            continue
        for queue in connection.pages(
            store.list_review_queues, experiment_id=experiment.experiment_id, max_results=_PAGE
        ):
            items = connection.pages(
                store.list_review_queue_items, queue_id=queue.queue_id, max_results=_PAGE
            )
            yield {"queue": queue, "items": list(items)}


def _mcp_servers(connection: Connection) -> Iterable[Any]:
    store = connection.tracking
    for server in connection.pages(store.search_mcp_servers, max_results=_PAGE):
        versions = connection.pages(
            store.search_mcp_server_versions, name=server.name, max_results=_PAGE
        )
        yield {"server": server, "versions": list(versions)}


_WHOLE: Mapping[str, Callable[[Connection], Iterable[Any]]] = {
    "issues": lambda c: c.pages(c.tracking.search_issues, max_results=_PAGE),
    "gateway-endpoints": lambda c: c.tracking.list_gateway_endpoints(),
    "gateway-models": lambda c: c.tracking.list_gateway_model_definitions(),
    "gateway-secrets": lambda c: c.tracking.list_secret_infos(),
    "gateway-budgets": lambda c: c.pages(c.tracking.list_budget_policies, max_results=_PAGE),
    "gateway-guardrails": lambda c: c.pages(c.tracking.list_gateway_guardrails, max_results=_PAGE),
    "mcp-servers": _mcp_servers,
    "mcp-endpoints": lambda c: c.pages(c.tracking.search_mcp_access_endpoints, max_results=_PAGE),
}
"""What one request tells, or hardly more."""

_EACH: Mapping[str, Callable[[Connection], Iterable[Any]]] = {"review-queues": _review_queues}
"""What each experiment must be asked for."""

_UNASKED: Mapping[str, str] = {
    "label-schemas": "a server adds one to each experiment that is asked for them, and a source is"
    " left as it is",
    "accounts": "users, roles, permissions and workspaces belong to the server, not to what it"
    " keeps",
}
"""What is not asked for, and why."""
