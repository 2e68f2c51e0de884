"""Webhooks of a server: finding them, reading them without their secrets (clause 10)."""

from typing import TYPE_CHECKING, Any, cast

import msgspec
from mlflow.entities.webhook import Webhook as MlflowWebhook
from sqlalchemy.orm import defer
from sqlalchemy.orm.attributes import set_committed_value

from mlarchive.records import Native, Webhook
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import lacks_endpoint
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.natives import verbatim
from mlarchive.registries.mlflow.remembering import (
    Remembered,
    native_marks,
    remembered,
    webhook_tag,
)
from mlarchive.registries.mlflow.selecting import by_name_or_id
from mlarchive.registries.mlflow.writing_experiment import home
from mlarchive.registries.redaction import redacted_text

if TYPE_CHECKING:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

_PAGE = 1000


def all_webhooks(connection: Connection) -> list[MlflowWebhook]:
    """Every webhook, newest first; none at a server that knows none."""
    if not connection.served:
        return _in_database(cast("SqlAlchemyStore", connection.models))
    try:
        return list(connection.pages(connection.models.list_webhooks, max_results=_PAGE))
    except Exception as error:
        if lacks_endpoint(error):
            return []
        raise


def _in_database(store: "SqlAlchemyStore") -> list[MlflowWebhook]:
    """Without the secrets: the key that they are encrypted with is the server's, and not here."""
    from mlflow.store.model_registry.dbmodels.models import SqlWebhook

    table: Any = SqlWebhook  # its columns carry no types
    with store.ManagedSessionMaker() as session:
        rows = (
            store._get_query(session, table)  # noqa: SLF001  (minds workspaces)
            .filter(table.deleted_timestamp.is_(None))
            .order_by(table.creation_timestamp.desc())
            .options(defer(table.secret))
            .all()
        )
        for row in rows:
            set_committed_value(row, "secret", None)
        return [row.to_mlflow_entity() for row in rows]


def selected_webhooks(connection: Connection, selector: Selector) -> list[MlflowWebhook]:
    """The webhooks meant, by name or id, newest first.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    named = [(w.name, w.webhook_id, w) for w in all_webhooks(connection)]
    return by_name_or_id(connection, selector, named, "webhook")


def mark_of(connection: Connection, webhook_id: str) -> Remembered | None:
    """What is remembered of a webhook."""
    experiment = home(connection)
    return remembered(experiment.tags, webhook_tag(webhook_id)) if experiment else None


def webhook_record(webhook: MlflowWebhook) -> Webhook:
    """A webhook as a record, without its marks."""
    said = {
        "name": webhook.name,
        "url": webhook.url,
        "events": [str(event) for event in webhook.events],
        "description": webhook.description,
        "status": str(webhook.status),
    }
    return Webhook(
        key=f"webhook/{webhook.webhook_id}",
        native=Native(
            id=webhook.webhook_id,
            created=webhook.creation_timestamp or 0,
            updated=webhook.last_updated_timestamp or 0,
            verbatim=verbatim(said),
        ),
        name=webhook.name,
        url=redacted_text(webhook.url),
        events=tuple(sorted(str(event) for event in webhook.events)),
        description=webhook.description or "",
        status=str(webhook.status),
    )


def read_webhook(connection: Connection, webhook: MlflowWebhook, gathering: Gathering) -> str:
    """Gather a webhook; returns the key of its record."""
    record = webhook_record(webhook)
    what = f"webhook {webhook.name!r}"
    why = "no server tells it, nor whether there is one; set it again where the webhook is written"
    gathering.lose(what, "secret", why)
    if record.url != webhook.url:
        gathering.lose(what, "url", "credentials in it are never kept; complete it by hand")
    also = native_marks(mark_of(connection, webhook.webhook_id))
    native = msgspec.structs.replace(record.native, also=also)
    gathering.records.append(msgspec.structs.replace(record, native=native))
    return record.key
