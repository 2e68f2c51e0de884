"""Writes a webhook, without a secret: found by what is remembered of it, else made (10.3)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from mlflow.entities.webhook import Webhook as MlflowWebhook
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

from mlarchive.errors import ConflictError
from mlarchive.records import Address, Tags, Webhook
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.failures import REFUSALS, speaking
from mlarchive.registries.mlflow.remembering import (
    Remembered,
    remember,
    remembered,
    webhook_tag,
    written_now,
)
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.webhooks import all_webhooks, webhook_record
from mlarchive.registries.mlflow.work import Work
from mlarchive.registries.mlflow.writing_experiment import experiment_made, home
from mlarchive.registries.redaction import REDACTED

_SET_AGAIN = "no package holds it; set it again at the target, if there is to be one"
_INCOMPLETE = "credentials in it were never kept: it is written disabled, complete it and enable it"


def plan_webhook(work: Work, origin: str, subject: Webhook) -> Address:
    """Plan a webhook's creation, or what differs.

    Raises:
        ConflictError: Another one has the name, and the policy is `fail`.
    """
    name = work.policy.named(subject.name)
    what = f"webhooks/{name}"
    found, mark = _find(work, subject, name)
    target = Address(origin=origin, kind="webhooks", name=found.webhook_id if found else "(new)")
    ours = mark is not None and mark.is_from(marks.origin_mark(work.snapshot.address))
    if found and not ours and not _same(subject, webhook_record(found)):
        trouble = f"{name!r} at {work.connection.uri} is another webhook, {found.webhook_id}"
        if work.policy.conflict == "fail":
            raise ConflictError(
                trouble,
                hint="choose --conflict skip or new-version (a mirror: `conflict`), or another"
                " name",
            )
        if work.policy.conflict == "skip":
            work.step("skip", what, trouble)
            return target
        found = None
    if found is None:
        work.change(what, "id", "the target gives it an id of its own")
        work.lose(what, "secret", _SET_AGAIN)
        if REDACTED in subject.url:
            work.lose(what, "url", _INCOMPLETE)
        work.step("create", what, "not there yet", partial(_create, work, subject, name, what))
    else:
        work.ids[subject.key] = found.webhook_id
        _plan_changes(work, subject, found, what)
    _plan_mark(work, subject, mark if found else None, what)
    if not work.steps:
        work.step("keep", what, "same content and labels")
    return target


def _find(
    work: Work, subject: Webhook, name: str
) -> tuple[MlflowWebhook | None, Remembered | None]:
    """The webhook from the same place, else one of that name, and what is remembered of it."""
    there = all_webhooks(work.connection)
    experiment = home(work.connection)
    tags = experiment.tags if experiment else {}
    origin = marks.origin_mark(work.snapshot.address)
    for webhook in there:
        mark = remembered(tags, webhook_tag(webhook.webhook_id))
        if mark and mark.is_from(origin):
            return webhook, mark
    # What came from another webhook of this source is not in the way: names need not be unique.
    named = [
        webhook
        for webhook in there
        if webhook.name == name and not _is_of_sibling(tags, webhook.webhook_id, origin)
    ]
    same = [webhook for webhook in named if _same(subject, webhook_record(webhook))]
    found = next(iter([*same, *named]), None)
    return found, remembered(tags, webhook_tag(found.webhook_id)) if found else None


def _is_of_sibling(tags: Tags, webhook_id: str, origin: str) -> bool:
    mark = remembered(tags, webhook_tag(webhook_id))
    return mark is not None and marks.is_of_sibling({mark.origin, *mark.also}, origin)


def _same(one: Webhook, other: Webhook) -> bool:
    return (one.url, one.events) == (other.url, other.events)


def _status(subject: Webhook) -> WebhookStatus:
    """What is not complete must call nobody."""
    if REDACTED in subject.url or subject.status == "DISABLED":
        return WebhookStatus.DISABLED
    return WebhookStatus.ACTIVE


def _events(work: Work, subject: Webhook, what: str) -> list[WebhookEvent]:
    known = []
    for event in subject.events:
        try:
            known.append(WebhookEvent.from_str(event))  # type: ignore[arg-type]  # it may be any
        except (MlflowException, ValueError):
            work.lose(what, f"event {event}", "this version of MLflow's client does not know it")
    return known


def _create(work: Work, subject: Webhook, name: str, what: str) -> None:
    try:
        with once(), speaking(work.connection.uri):
            made = work.connection.models.create_webhook(
                name=name,
                # With a user of that name it would be no address at all.
                url=subject.url.replace(f"{REDACTED}@", ""),
                events=_events(work, subject, what),
                description=subject.description or None,
                status=_status(subject),
            )
    except REFUSALS as error:
        # Such as an address that the server cannot look up in a closed network.
        work.refused = f"refused: {error.message}"
        work.lose(what, "all of it", work.refused)
        return
    work.ids[subject.key] = made.webhook_id


def _plan_changes(work: Work, subject: Webhook, found: MlflowWebhook, what: str) -> None:
    held = webhook_record(found)

    def change(**what: Any) -> Callable[[], None]:  # noqa: ANN401  (as the client takes them)
        def do() -> None:
            work.connection.models.update_webhook(found.webhook_id, **what)

        return do

    # An address with credentials was completed by hand; the package does not know them.
    if held.url != subject.url and REDACTED not in subject.url:
        work.step("update", f"url of {what}", "changed", change(url=subject.url))
    if held.events != subject.events:
        events = _events(work, subject, what)
        work.step("update", f"events of {what}", "changed", change(events=events))
    if held.description != subject.description:
        described = change(description=subject.description)
        work.step("update", f"description of {what}", "changed", described)
    if held.status != subject.status and REDACTED not in subject.url:
        status = change(status=_status(subject))
        work.step("update", f"status of {what}", f"is {subject.status} at the source", status)


def _plan_mark(work: Work, subject: Webhook, mark: Remembered | None, what: str) -> None:
    def put() -> None:
        webhook_id = work.ids.get(subject.key)
        if not webhook_id:
            work.refused = "it was refused"
        else:
            whole = written_now(work, subject, webhook_id, mark)
            experiment_id = experiment_made(work, "")
            remember(work.connection, experiment_id, webhook_tag(webhook_id), whole)

    if not mark or mark != written_now(work, subject, work.ids.get(subject.key, ""), mark):
        work.step("update", f"marks of {what}", "origin, content and state ids", put)
