"""Projects of one server as a source and a target: joins tables, reading and writing."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Self

import msgspec

from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError, UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import (
    Holding,
    Listing,
    Receipt,
    Ref,
    Selector,
    SideBySide,
    WritePlan,
    WritePolicy,
)
from mlarchive.registries.neptune.listing import KINDS, addressed, meant, traits_of
from mlarchive.registries.neptune.live import table
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.holding import find, origin_mark
from mlarchive.registries.neptune.live.reading import read_object
from mlarchive.registries.neptune.live.table import Row
from mlarchive.registries.neptune.live.work import Work
from mlarchive.registries.neptune.live.writing import Writer
from mlarchive.registries.neptune.objects import Kind, NeptuneObject
from mlarchive.registries.neptune.snapshots import LABELS, snapshot
from mlarchive.registries.neptune.stages import Models
from mlarchive.snapshot import Snapshot

_TABLES: dict[str, tuple[Kind, ...]] = {
    "models": ("model", "model-version"),
    "registered-models": ("model",),
    "runs": ("run", "project"),
    "": ("model", "model-version", "run", "project"),
}
"""The kinds of objects to look at for a kind of address; versions need their models."""

_ACTIVE = frozenset({"active", "running"})


class NeptuneRegistry(Closing, SideBySide):
    """Projects of a server of Neptune 2.x.

    Attributes:
        origin: The registry's own name, which mirrors remember.
    """

    def __init__(self, connection: Connection, projects: str, *, origin: str) -> None:
        """Look at nothing yet.

        Args:
            connection: To the server; closed with this.
            projects: `WORKSPACE/PROJECT`; `*` and `?` in PROJECT are wild.
            origin: The registry's own name.
        """
        self.origin = origin
        self._connection = connection
        self._pattern = projects
        self._known: dict[Address, tuple[Row, NeptuneObject]] = {}
        self._looking = threading.Lock()

    @classmethod
    def open(cls, projects: str, *, token: str, origin: str) -> Self:
        """Connect.

        Args:
            projects: As for the constructor.
            token: As NEPTUNE_API_TOKEN has it.
            origin: The registry's own name.

        Raises:
            MlarchiveError: The server cannot be used, or a project is not there.
        """
        return cls(Connection.open(token), projects, origin=origin)

    def close(self) -> None:
        """End the threads that ask."""
        self._connection.close()

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """Models, their versions, and runs, trashed ones too."""
        known = self._look(selector.kind)
        heads = {address: head for address, (_, head) in known.items()}
        yield from meant(heads, selector, self.origin)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """Every selected object; costs a request for a hundred objects, and none for each."""
        known = self._look(selector.kind)
        heads = {address: head for address, (_, head) in known.items()}
        for listing in meant(heads, selector, self.origin):
            row, head = known[listing.address]
            yield _ref(listing.address, row, head)

    def read(self, address: Address) -> Snapshot:
        """An object with all its attributes."""
        with self._looking:
            if address not in self._known:
                self._look(address.kind if address.kind in KINDS else "")
        if address not in self._known:
            raise NotFoundError(
                f"{address} is not there", hint=f"`mlarchive ls {self.origin}` lists what there is"
            )
        row, head = self._known[address]
        found = replace(
            read_object(self._connection, row),
            aliases=head.aliases,
            model_attributes=head.model_attributes,
        )
        return snapshot(found, self.origin, address)

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:  # noqa: ARG002
        """What a project remembers of an object; None if it never got it whole."""
        for project in self._projects:
            mark = origin_mark(source, project.path)
            held = find(self._connection, project, mark)
            whole = held is not None and held.origin == mark and not held.trashed
            if held is not None and whole and held.state_id:
                address = Address(origin=self.origin, kind="runs", name=held.sys_id)
                return Holding(address=address, content_id=held.content_id, state_id=held.state_id)
        return None

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Say what `write` would do now."""
        work = Work.of(snapshot)
        return self._writer(work, policy).plan(work, policy)

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Make a run of the snapshot."""
        work = Work.of(snapshot)
        return self._writer(work, policy).write(work, policy)

    @cached_property
    def _projects(self) -> list[table.Project]:
        return table.projects(self._connection, self._pattern)

    def _writer(self, work: Work, policy: WritePolicy) -> Writer:
        """What writes to the project of this registry, or of several to the object's own."""
        if policy.rename:
            raise UnsupportedError(
                "objects keep their ids in Neptune, as custom ids of runs",
                hint="leave --rename out",
            )
        chosen = self._projects
        if len(chosen) > 1:
            chosen = [one for one in chosen if one.path == work.project]
        if not chosen:
            raise UnsupportedError(
                f"{self.origin} has no project {work.project or 'of an object without one'}",
                hint="name one project as the target: neptune://WORKSPACE/PROJECT",
            )
        return Writer(self._connection, chosen[0], self.origin)

    def _look(self, kind: str) -> dict[Address, tuple[Row, NeptuneObject]]:
        """The tables that tell of a kind, now."""
        seen = [
            row
            for project in table.projects(self._connection, self._pattern)
            for wanted in _TABLES.get(kind, ())
            for row in self._rows(project, wanted)
        ]
        models = Models(row.head for row in seen)
        joined = [models.joined(row.head) for row in seen]
        places = {id(head): row for head, row in zip(joined, seen, strict=True)}
        found = {
            address: (places[id(head)], head)
            for address, head in addressed(joined, self.origin).items()
        }
        self._known |= found
        return found

    def _rows(self, project: table.Project, kind: Kind) -> Iterator[Row]:
        if kind != "project":
            yield from table.rows(self._connection, project, kind)
        elif row := table.itself(self._connection, project):
            yield row


def _ref(address: Address, row: Row, head: NeptuneObject) -> Ref:
    sys = {one.path: one for one in head.attributes}
    labels = [(one.path, one.value, one.values) for one in head.attributes if one.path in LABELS]
    content = [sys[name].value for name in ("sys/modification_time", "sys/size") if name in sys]
    labelled = [
        (one.path, one.value, one.values) for one in head.model_attributes if one.path in LABELS
    ]
    state = sys.get("sys/state")
    through: list[str] = []
    with contextlib.suppress(msgspec.DecodeError):
        through = msgspec.json.decode(row.marks.get(table.PATH, ""), type=list[str])
    return Ref(
        address=address,
        content_mark=_mark(row.id, content),
        state_mark=_mark(sorted(labels), sorted(labelled), head.aliases),
        settled=state is None or state.value.lower() not in _ACTIVE,
        origin=row.marks.get(table.ORIGIN, ""),
        through=tuple(through),
        traits=traits_of(head),
    )


def _mark(*parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
