"""The rows of a webhook; its secret, which no server tells, must be set again."""

from collections.abc import Iterator

from mlflow.store.model_registry.dbmodels.models import SqlWebhook, SqlWebhookEvent

from mlarchive.records import Webhook
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import plain_id_of
from mlarchive.registries.mlflow.restore.rows import Restoration, Row
from mlarchive.registries.redaction import REDACTED


def webhook_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """A webhook with its events; disabled where its address lost its credentials."""
    record = held.record
    assert isinstance(record, Webhook)  # noqa: S101  (the table of kinds says so)
    status = record.status
    if REDACTED in record.url and status != "DISABLED":
        status = "DISABLED"
        why = "its address lost its credentials; complete it and enable it"
        restoration.merged.change(held.called, "status", why)
    identity = plain_id_of(held)
    unsaid = evidence.answer(record).get("description") is None
    yield (
        SqlWebhook,
        {
            "workspace": evidence.workspace_of(record),
            "webhook_id": identity,
            "name": record.name,
            "description": record.description or (None if unsaid else ""),
            # With a user of that name it would be no address at all.
            "url": record.url.replace(f"{REDACTED}@", ""),
            "status": status,
            "secret": None,
            "creation_timestamp": record.native.created or None,
            "last_updated_timestamp": record.native.updated or None,
            "deleted_timestamp": None,
        },
    )
    for event in record.events:
        entity, _, action = event.rpartition(".")
        yield SqlWebhookEvent, {"webhook_id": identity, "entity": entity, "action": action}
