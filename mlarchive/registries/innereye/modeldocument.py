"""`MODEL/model.json`: what the classic client serialises of a version (clause 2)."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from mlarchive.errors import DamageError
from mlarchive.records import Experiment, ModelVersion, Native, RegisteredModel, Run, Tags
from mlarchive.registries.innereye.secrets import hidden, without
from mlarchive.registries.jsondocuments import Table
from mlarchive.registries.redaction import REDACTED, redacted, redacted_text
from mlarchive.snapshot import Snapshot

_EXPERIMENT = "mlarchive.experiment"
"""Where a version without its run keeps the experiment, in workspaces and at MLflow servers."""

LAYOUT = "layout"
OURS = "innereye"
"""`native.also` of what was read from such a folder: its verbatim document has this form."""

_FIELDS: dict[str, Any] = {
    "createdTime": None,
    "createdBy": None,
    "description": None,
    "id": None,
    "mimeType": "application/x-python",
    "name": None,
    "framework": "Custom",
    "frameworkVersion": None,
    "tags": {},
    "properties": {},
    "unpack": False,
    "url": None,
    "version": None,
    "experimentName": None,
    "runId": None,
    "runDetails": None,
    "datasets": [],
    "resourceConfiguration": None,
    "sampleInputDatasetId": None,
    "sampleOutputDatasetId": None,
}
"""The members of the document, in its order, as they are where nothing is known."""

_TOLD = {
    *("createdTime", "createdBy", "description", "id", "name", "tags", "properties", "url"),
    *("version", "experimentName", "runId", "runDetails", "unpack"),
}
"""Members that a record says, or that are of the registry they come from."""

_DEFAULTS = {"docker.shmSize": "2g"}
"""What the classic client writes where nobody said anything."""

_LABELS = {"description", "tags", "properties"}


def read_version(document: Table, folder: str, marks: Tags) -> ModelVersion:
    """The version that a document states.

    Args:
        document: `model.json`.
        folder: What the folder of its files is called.
        marks: What `mlarchive` remembers of it.

    Raises:
        DamageError: It has no name or no version, or a member is of a wrong type.
    """
    name, version = document.text("name"), document.text("version")
    if not name or not version:
        raise DamageError(f"{document.where} does not say which model it is: name and version")
    return ModelVersion(
        key="version",
        native=Native(
            id=f"{name}:{version}",
            created=_milliseconds(document.text("createdTime")),
            user=document.text("createdBy") if _is_text(document, "createdBy") else "",
            location=redacted_text(document.text("url")),
            verbatim=json.dumps(redacted(dict(document.members)), ensure_ascii=False),
            also={**marks, LAYOUT: OURS},
        ),
        registered_model="model",
        name=name,
        version=version,
        description=document.text("description"),
        tags=document.tags("tags"),
        properties=document.tags("properties"),
        job=document.text("runId"),
        folder=folder,
    )


def hidden_members(document: Table) -> Iterator[str]:
    """The places of the secrets that a document gives up; labels are carried as they are."""
    for name, value in document.members.items():
        if name not in _LABELS:
            yield from hidden(redacted({name: value}), {name: value})


def registered_model(version: ModelVersion) -> RegisteredModel:
    """The model of a version, of which the layout says the name alone."""
    return RegisteredModel(key="model", native=Native(id=version.name), name=version.name)


def write_version(
    version: ModelVersion, snapshot: Snapshot, name: str, number: str, tags: Tags
) -> bytes:
    """The document of a version under a name and a number.

    Args:
        version: The record.
        snapshot: Where it is in; a run and an experiment are named.
        name: At the target.
        number: At the target.
        tags: As they are at the target.
    """
    stated = {**_FIELDS, **_before(version, snapshot)}
    said = {
        "id": f"{name}:{number}",
        "name": name,
        "version": int(number),
        "description": version.description or _empty(stated, "description"),
        "tags": stated_as(stated["tags"], tags) or _empty(stated, "tags"),
        "properties": stated_as(stated["properties"], version.properties)
        or _empty(stated, "properties"),
    }
    return json.dumps({**stated, **said}).encode()


def relabelled(document: Table, description: str, tags: Tags) -> bytes:
    """A document with other labels, and all else as it is."""
    stated = {"description": None, "tags": None, **document.members}
    said = {
        "description": description or _empty(stated, "description"),
        "tags": stated_as(stated["tags"], tags) or _empty(stated, "tags"),
    }
    return json.dumps({**stated, **said}).encode()


def is_ours(native: Native) -> bool:
    """Whether the verbatim document of a record has this layout's form."""
    return native.also.get(LAYOUT) == OURS


def evidence_alone(version: ModelVersion) -> Iterator[str]:
    """Members of such a document that say something, and that no record has a place for."""
    if is_ours(version.native):
        stated = json.loads(version.native.verbatim)
        yield from (place for place in telling(stated, _FIELDS) if place not in _TOLD)


def experiment_of(version: ModelVersion) -> str:
    """The name of the experiment that such a document states; "" for none."""
    stated = json.loads(version.native.verbatim) if is_ours(version.native) else {}
    return str(stated.get("experimentName") or "")


def telling(stated: Any, by_default: Any, where: str = "") -> Iterator[str]:  # noqa: ANN401  (any JSON)
    """The places in a document, such as `docker.shmSize`, that do not say what they do by default.

    Args:
        stated: The document, with `[redacted]` for secrets, which are told of elsewhere.
        by_default: One of which nothing is known.
        where: The place of both.
    """
    if isinstance(stated, dict) and isinstance(by_default, dict) and (by_default or not where):
        for name, value in stated.items():
            place = f"{where}.{name}" if where else name
            yield from telling(value, by_default.get(name), place)
    elif stated not in (by_default, _DEFAULTS.get(where), REDACTED, None, "", [], {}):
        yield where


def _before(version: ModelVersion, snapshot: Snapshot) -> dict[str, Any]:
    """What the document said, or what other registries say in its place."""
    if is_ours(version.native):
        before: dict[str, Any] = without(json.loads(version.native.verbatim))
        return before
    run = snapshot.by_key.get(version.run)
    experiment = snapshot.by_key.get(run.experiment) if isinstance(run, Run) else None
    named = version.native.also.get(_EXPERIMENT) or None
    created = version.native.created
    return {
        "createdTime": _text(created) if created else None,
        "createdBy": version.native.user or None,
        "url": version.native.location or None,
        "runId": version.job or (run.native.id if run else "") or None,
        "experimentName": experiment.name if isinstance(experiment, Experiment) else named,
    }


def stated_as(before: object, texts: Tags) -> dict[str, Any]:
    """Texts as the document spelled them where that means the same: null, or a number."""
    spelled = before if isinstance(before, dict) else {}
    return {
        name: _spelled(spelled[name], text) if name in spelled else text
        for name, text in texts.items()
    }


def _spelled(before: object, text: str) -> object:
    same = not text if before is None else str(before) == text
    return before if same else text


def _empty(stated: dict[str, Any], name: str) -> Any:  # noqa: ANN401  (any JSON)
    """How the document spells that there is none."""
    before = stated[name]
    return before if not before else type(before)()


def _is_text(document: Table, name: str) -> bool:
    return isinstance(document.members.get(name), str)


def _milliseconds(text: str) -> int:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return int(aware.timestamp() * 1000)


def _text(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).isoformat()
