"""An object of Neptune as a snapshot: `snapshot(OBJECT, ORIGIN)` (`spec/mapping-neptune.md`, 1).

All sources go through here, so that a run is the same content whether it was read from an export,
an offline folder or a server. What it makes:

* a `Run` in the `Experiment` that is the project, with the object's single values as params, its
  float series as metrics, and every file;
* for a project that something was logged to a `Run` likewise;
* for a model a `RegisteredModel`, for a version its `ModelVersion` too, whose files are the run's;
* `Fields`: every attribute with its type and exact value, `carrier` being the run. What was logged
  is content; what can be changed at any time (`LABELS`) is state; the rest of `sys/` is evidence.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mlarchive.records import (
    Address,
    AnyRecord,
    ArtifactRoot,
    Experiment,
    Field,
    FieldFile,
    Fields,
    File,
    Loss,
    MetricSeries,
    ModelVersion,
    Native,
    RegisteredModel,
    Run,
    Tags,
)
from mlarchive.registries.neptune.names import Names
from mlarchive.registries.neptune.objects import (
    Attribute,
    AttributeFile,
    NeptuneObject,
    milliseconds,
)
from mlarchive.snapshot import Snapshot, Stream

SYS: Final = "sys/"
LABELS: Final = frozenset(
    SYS + name
    for name in (
        "archived",
        "description",
        "failed",
        "group_tags",
        "name",
        "stage",
        "state",
        "tags",
        "trashed",
    )
)
"""What anybody can change at any time."""

PROJECT_TAG: Final = "neptune.project"
"""On a model: the project that it is in, since no record of a model belongs to one."""

_SINGLE = frozenset({"bool", "int", "float", "string", "datetime", "string_set"})

_RUN, _MODEL, _VERSION, _EXPERIMENT, _FIELDS = "run", "model", "version", "experiment", "fields"
_KINDS = {"run": "runs", "project": "runs", "model": "registered-models"}
_SUBJECTS = {"run": _RUN, "project": _RUN, "model": _MODEL, "model-version": _VERSION}


def address_of(found: NeptuneObject, origin: str) -> Address:
    """What an object is called: `#runs/ID`, `#registered-models/ID`, `#models/MODEL/NUMBER`."""
    if found.kind == "model-version":
        return Address(origin=origin, kind="models", name=found.model, version=found.version)
    return Address(origin=origin, kind=_KINDS[found.kind], name=found.id)


def snapshot(found: NeptuneObject, origin: str, address: Address | None = None) -> Snapshot:
    """The snapshot of an object.

    Args:
        found: With each path once.
        origin: The registry's own name.
        address: What the object is called, where its own id is not enough; a model is named so.
    """
    plain = address_of(found, origin)
    address = address or plain
    known = found.model if found.kind == "model-version" else found.id
    # No registry of models takes a slash in a name.
    model = known if address.name == plain.name else address.name.replace("/", ".")
    held = _Held.of(found)
    sys = {attribute.path: attribute for attribute in found.attributes}
    records: list[AnyRecord] = [_run(found, held, sys)]
    if found.project:
        records.append(Experiment(key=_EXPERIMENT, name=found.project))
    if found.kind == "model":
        records.append(_model(found, found.id, model, found.attributes))
    if found.kind == "model-version":
        own = _model(found, found.model, model, found.model_attributes)
        records += [_version(found, model), own]
    subject = _SUBJECTS[found.kind]
    records.append(_fields(subject, held.fields))
    return Snapshot(
        address=address,
        subject=subject,
        records=tuple(records),
        streams=tuple(held.streams),
        losses=(*held.losses, *found.losses),
        transformations=(*found.transformations, *held.transformations),
    )


@dataclass(slots=True)
class _Held:
    """An object's attributes as fields, and the streams that hold their bytes."""

    fields: list[Field] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    transformations: list[Loss] = field(default_factory=list)

    @classmethod
    def of(cls, found: NeptuneObject) -> "_Held":
        held, names = cls(), Names()
        for attribute in sorted(found.attributes, key=lambda one: one.path.encode()):
            held.fields.append(
                Field(
                    path=attribute.path,
                    type=attribute.type,
                    value=attribute.value,
                    values=tuple(sorted(attribute.values)),
                    files=tuple(held.hold(found, names, file) for file in attribute.files),
                )
            )
            if attribute.series:
                series = attribute.series
                entry = MetricSeries(
                    key=attribute.path,
                    points=series.points,
                    sha256="",
                    step_decimals=series.decimals,
                )
                held.streams.append(
                    Stream(owner=_RUN, entry=entry, open=series.open, waits=series.waits)
                )
                if series.rounded:
                    why = f"{series.rounded} of its steps have more digits than can be kept"
                    held.losses.append(Loss(record=found.called, field=attribute.path, why=why))
        return held

    def hold(self, found: NeptuneObject, names: Names, file: AttributeFile) -> FieldFile:
        path = names.name(file.path)
        if path != file.path:
            why = f"it is kept as {path!r}: no package can hold that name, or another file has it"
            self.transformations.append(Loss(record=found.called, field=file.path, why=why))
        entry = File(path=path, size=file.size, sha256="")
        self.streams.append(Stream(owner=_RUN, entry=entry, open=file.open, waits=file.waits))
        return FieldFile(
            path=path,
            name=file.name,
            step=file.step,
            time=file.time,
            description=file.description,
        )


def _run(found: NeptuneObject, held: _Held, sys: Mapping[str, Attribute]) -> Run:
    created = time_of(sys, "creation_time")
    is_run = found.kind in {"run", "project"}
    description = _text(sys, "description") if is_run else ""
    return Run(
        key=_RUN,
        native=Native(
            id=found.id,
            created=created,
            updated=time_of(sys, "modification_time"),
            user=_text(sys, "owner"),
            location=found.location,
            verbatim=found.verbatim,
        ),
        experiment=_EXPERIMENT if found.project else "",
        name=_text(sys, "name") or (found.id if found.kind != "run" else ""),
        status=_status(sys),
        start=created,
        user=_text(sys, "owner"),
        lifecycle="deleted" if is_run and is_trashed(sys) else "active",
        params=_params(held.fields),
        tags=(_tags(found.attributes) if is_run else {})
        | ({"mlflow.note.content": description} if description else {}),
    )


def _status(sys: Mapping[str, Attribute]) -> str:
    """A run that no client writes to any more has ended, one way or the other."""
    if _text(sys, "failed") == "true":
        return "FAILED"
    return "RUNNING" if _text(sys, "state").lower() in {"active", "running"} else "FINISHED"


def is_trashed(sys: Mapping[str, Attribute]) -> bool:
    """Whether somebody put it away: Neptune 3 calls that archived."""
    return "true" in {_text(sys, "trashed"), _text(sys, "archived")}


def _params(fields: Sequence[Field]) -> Tags:
    """What was logged and is text, by its path; a set as a JSON array."""
    return {
        one.path: json.dumps(one.values) if one.type == "string_set" else one.value
        for one in fields
        if not one.path.startswith(SYS) and (one.type in _SINGLE or one.value)
    }


def _model(
    found: NeptuneObject, own_id: str, name: str, attributes: Iterable[Attribute]
) -> RegisteredModel:
    """The model of an object; a tag tells it from one of the same id in another project."""
    sys = {attribute.path: attribute for attribute in attributes}
    native = Native(
        id=own_id,
        created=time_of(sys, "creation_time"),
        updated=time_of(sys, "modification_time"),
        user=_text(sys, "owner"),
    )
    return RegisteredModel(
        key=_MODEL,
        native=native,
        name=name,
        description=_text(sys, "description"),
        tags=({PROJECT_TAG: found.project} if found.project else {})
        | _tags(sys.values(), name=True),
    )


def _version(found: NeptuneObject, model: str) -> ModelVersion:
    sys = {attribute.path: attribute for attribute in found.attributes}
    native = Native(
        id=found.id,
        created=time_of(sys, "creation_time"),
        updated=time_of(sys, "modification_time"),
        user=_text(sys, "owner"),
    )
    return ModelVersion(
        key=_VERSION,
        native=native,
        registered_model=_MODEL,
        name=model,
        version=found.version,
        aliases=tuple(sorted(found.aliases)),
        description=_text(sys, "description"),
        tags=_tags(sys.values(), name=True),
        run=_RUN,
        root=ArtifactRoot(record=_RUN),
        status="READY",
    )


def _tags(attributes: Iterable[Attribute], *, name: bool = False) -> Tags:
    """Labels that have no place of their own, as tags named `neptune.LABEL`; sets as JSON."""
    own = {"tags", "group_tags", "stage"} | ({"name"} if name else set())
    found = {}
    for attribute in attributes:
        label = attribute.path.removeprefix(SYS)
        if attribute.path.startswith(SYS) and label in own:
            is_set = attribute.type == "string_set"
            text = json.dumps(sorted(attribute.values)) if is_set else attribute.value
            found[f"neptune.{label}"] = text
    return found


def _fields(subject: str, fields: Sequence[Field]) -> Fields:
    return Fields(
        key=_FIELDS,
        record=subject,
        carrier=_RUN,
        values=tuple(one for one in fields if not one.path.startswith(SYS)),
        labels=tuple(one for one in fields if one.path in LABELS),
        facts=tuple(one for one in fields if one.path.startswith(SYS) and one.path not in LABELS),
    )


def _text(sys: Mapping[str, Attribute], name: str) -> str:
    found = sys.get(SYS + name)
    return found.value if found else ""


def stage_of(found: NeptuneObject) -> str:
    """A version's stage in lower case, `none` too; "" if it is not known."""
    sys = {one.path: one for one in found.attributes}
    return _text(sys, "stage").lower()


def time_of(attributes: Mapping[str, Attribute], name: str) -> int:
    """A time of `sys/` in ms since 1970 UTC; 0 if there is none.

    Args:
        attributes: By path.
        name: Such as `creation_time`.
    """
    found = attributes.get(SYS + name)
    is_time = found is not None and found.type == "datetime"
    return milliseconds(datetime.fromisoformat(found.value)) if found and is_time else 0
