"""What is to be written: an object that came from Neptune, and what it is called as a run."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

from msgspec import Struct

from mlarchive.errors import UnsupportedError
from mlarchive.records import (
    Experiment,
    Field,
    Fields,
    Loss,
    ModelVersion,
    RegisteredModel,
    Run,
)
from mlarchive.registries.neptune.live.table import is_mark
from mlarchive.snapshot import Snapshot, Stream, entry_name

LONGEST_CUSTOM_ID = 36
"""Characters; the client passes over a longer custom id of a run."""

_KINDS: dict[type, str] = {Run: "run", ModelVersion: "model_version", RegisteredModel: "model"}


class Point(Struct, frozen=True):
    """An item of a series; its value is got when it is sent."""

    step: float | None
    time: int
    value: Callable[[], Any]


class Points(Struct, frozen=True, kw_only=True):
    """The items of a series that the server takes, in order of their steps.

    Attributes:
        kept: These.
        same_step: How many are not taken since their step is not above the one before.
        not_finite: How many are not taken since their value is no finite number.
    """

    kept: Sequence[Point]
    same_step: int = 0
    not_finite: int = 0


@dataclass(frozen=True)
class Work:
    """A snapshot as a target sees it.

    Attributes:
        snapshot: From a package.
        fields: All attributes.
        points: Of the series that were looked at, by path.
    """

    snapshot: Snapshot
    fields: Fields
    points: "dict[str, Points]" = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Work":
        """Look at a snapshot.

        Raises:
            UnsupportedError: It did not come from Neptune.
        """
        for record in snapshot.records:
            if isinstance(record, Fields) and record.record == snapshot.subject:
                return cls(snapshot, record)
        raise UnsupportedError(
            f"{snapshot.address} did not come from Neptune, and only what did can be written there",
            hint="unpack it into an MLflow server, or into a folder: dir:DIR",
        )

    @cached_property
    def kind(self) -> str:
        """`run`, `model_version` or `model`: the tag that says what a run was."""
        return _KINDS[type(self.snapshot.record(self.snapshot.subject))]

    @cached_property
    def id(self) -> str:
        """`sys/id` at the source."""
        subject = self.snapshot.record(self.snapshot.subject)
        return subject.native.id or self.snapshot.address.name

    @cached_property
    def model(self) -> str:
        """The id of the model that it belongs to, or is; "" for a run."""
        models = [one for one in self.snapshot.records if isinstance(one, RegisteredModel)]
        return models[0].native.id or models[0].name if models else ""

    @cached_property
    def project(self) -> str:
        """`WORKSPACE/PROJECT` at the source; "" if unknown."""
        names = [one.name for one in self.snapshot.records if isinstance(one, Experiment)]
        return names[0] if names else ""

    @cached_property
    def wanted_id(self) -> str:
        """Its own custom id, else the id at the source, of any length."""
        own = [one.value for one in self.fields.facts if one.path == "sys/custom_run_id"]
        return own[0] if own and own[0] else self.id

    @cached_property
    def custom_id(self) -> str:
        """What the run is asked for by: that, or its beginning with a digest."""
        wanted = self.wanted_id
        if len(wanted) <= LONGEST_CUSTOM_ID:
            return wanted
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
        return f"{wanted[: LONGEST_CUSTOM_ID - 13]}~{digest}"

    @cached_property
    def called(self) -> str:
        """What losses call it."""
        return f"{self.kind.replace('_', ' ')} {self.id}"

    def loss(self, name: str, why: str) -> Loss:
        """Something that is not carried as it is."""
        return Loss(record=self.called, field=name, why=why)

    @cached_property
    def streams(self) -> dict[str, Stream]:
        """What holds the attributes' bytes, by path of a file or key of a series."""
        held = self.snapshot.streams_of(self.fields.carrier)
        return {entry_name(stream.entry): stream for stream in held}

    def bytes_of(self, path: str) -> bytes:
        """A file or a series, whole."""
        with self.streams[path].open() as source:
            return source.read()

    @cached_property
    def values(self) -> tuple[Field, ...]:
        """What was logged and can be written."""
        left_out = {one.path for one in (*self.marks, *self.covered)}
        return tuple(one for one in self.fields.values if one.path not in left_out)

    @cached_property
    def covered(self) -> tuple[Field, ...]:
        """What stands where a namespace of others is, which no server takes."""
        paths = [one.path for one in self.fields.values]
        above = {path[:at] for path in paths for at, sign in enumerate(path) if sign == "/"}
        return tuple(one for one in self.fields.values if one.path in above)

    @cached_property
    def marks(self) -> tuple[Field, ...]:
        """What a target has noted on it for itself, and an export holds."""
        return tuple(one for one in self.fields.values if is_mark(one.path))

    @cached_property
    def old_sys(self) -> str:
        """The namespace for what `sys/` held, in which nothing was logged."""
        names = (f"old_sys_{n}/" if n > 1 else "old_sys/" for n in count(1))
        return next(
            name for name in names if not any(one.path.startswith(name) for one in self.values)
        )
