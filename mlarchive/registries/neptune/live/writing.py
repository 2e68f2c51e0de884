"""Writing an object as a run (`spec/mapping-neptune-live.md`, 8): planned, written, checked, noted.

A run that was begun says whose it is, and says what it holds only when all of it was compared with
what the server then tells. What was begun and not ended is taken away and written again, so that
nothing is there twice. It also says what was written: nothing else is taken away.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
from neptune.internal.id_formats import UniqueId

from mlarchive.errors import ConflictError, RemoteError, UnsupportedError
from mlarchive.records import Address, Loss
from mlarchive.registries.base import Action, Receipt, Verb, WritePlan, WritePolicy
from mlarchive.registries.neptune.live import operations
from mlarchive.registries.neptune.live.artifacts import make_artifact
from mlarchive.registries.neptune.live.checking import attributes_told, check
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.failures import understanding
from mlarchive.registries.neptune.live.holding import Held, find, named, origin_mark
from mlarchive.registries.neptune.live.labels import (
    is_place,
    labels,
    places,
    removing,
    set_operations,
    sets,
)
from mlarchive.registries.neptune.live.losses import losses, transformations
from mlarchive.registries.neptune.live.operations import Operation
from mlarchive.registries.neptune.live.remembering import (
    Told,
    Written,
    changed,
    digests,
    remember,
    remembered,
)
from mlarchive.registries.neptune.live.table import (
    CONTENT_ID,
    MARKS,
    ORIGIN,
    PATH,
    STATE_ID,
    Project,
)
from mlarchive.registries.neptune.live.uploading import upload_file, upload_set
from mlarchive.registries.neptune.live.values import properties, single
from mlarchive.registries.neptune.live.work import Work


@dataclass(frozen=True)
class Writer:
    """Writes to one project.

    Attributes:
        connection: To its server.
        project: The project.
        origin: The target's own name.
    """

    connection: Connection
    project: Project
    origin: str

    def plan(self, work: Work, policy: WritePolicy) -> WritePlan:
        """Say what `write` would do."""
        return self._planned(work, policy)[0]

    def write(self, work: Work, policy: WritePolicy) -> Receipt:
        """Make the run that the plan says, or what of it is not there yet."""
        plan, held = self._planned(work, policy)
        (action,) = plan.actions
        sent, target = 0, plan.target
        if action.verb != "keep":
            held = held or self._made(work)
            target = msgspec.structs.replace(target, name=held.sys_id)
            if action.why == _LABELS:
                self._relabel(held.id, work, policy)
            else:
                sent = self._fill(held.id, work, policy)
        return Receipt(
            source=work.snapshot.address,
            target=target,
            content_id=work.snapshot.content_id,
            state_id=work.snapshot.state_id,
            actions=plan.actions,
            losses=plan.losses,
            transformations=plan.transformations,
            bytes=sent,
        )

    def _planned(self, work: Work, policy: WritePolicy) -> tuple[WritePlan, Held | None]:
        if _is_of(work, self.project, self.origin):
            return self._passed_over(work)
        held = find(self.connection, self.project, _origin(work), work.custom_id)
        if held is not None and held.origin != _origin(work):
            self._refuse_strangers(held, work)
        if held is not None and held.trashed:
            raise ConflictError(
                f"{held.sys_id} of {self.project.path}, which is {_origin(work)}, is in the trash",
                hint="restore it, or delete it for good; then run the same command again",
            )
        verb, why = _verb(held, work)
        name = held.sys_id if held else work.custom_id
        changes = verb != "keep"
        overwritten = self._overwritten(held, work, policy) if held and verb == "update" else ()
        plan = WritePlan(
            target=Address(origin=self.origin, kind="runs", name=name),
            actions=(Action(verb=verb, what=f"run {name} of {self.project.path}", why=why),),
            losses=tuple(losses(work)) if changes else (),
            transformations=(*transformations(work), *overwritten) if changes else (),
        )
        return plan, held

    def _passed_over(self, work: Work) -> tuple[WritePlan, Held]:
        """A run of this project that was made here is what it is; any other is refused."""
        name = work.snapshot.address.name.rpartition("/")[2]
        held = named(self.connection, self.project, name)
        if held is None or not held.origin:
            raise UnsupportedError(
                f"{work.snapshot.address} is a run of {self.project.path} already",
                hint="name another project as the target, or read #models/* and "
                "#registered-models/*",
            )
        why = f"it was made there, of {held.origin}"
        what = f"run {name} of {self.project.path}"
        target = Address(origin=self.origin, kind="runs", name=name)
        return WritePlan(target=target, actions=(Action(verb="keep", what=what, why=why),)), held

    def _made(self, work: Work) -> Held:
        """A new run."""
        with understanding(self.connection.place):
            made = self.connection.backend.create_run(
                UniqueId(self.project.id), custom_run_id=work.custom_id
            )
        held = Held(id=made.id, sys_id=made.sys_id)
        # Tables may lag behind: the server gives back a run of that custom id if there is one.
        self._refuse_strangers(held, work)
        return held

    def _refuse_strangers(self, held: Held, work: Work) -> None:
        """Refuse a run that has that custom id, and is not what was begun here."""
        told = attributes_told(self.connection, held.id)
        origin = str(single(told[ORIGIN]).value) if ORIGIN in told else ""
        own = [path for path in told if not path.startswith(("sys/", MARKS))]
        if origin not in {"", _origin(work)} or (own and not origin):
            whose = f"what was {origin}" if origin else "a run that was not made by mlarchive"
            raise ConflictError(
                f"the custom id {work.custom_id} of {self.project.path} belongs to {held.sys_id}, "
                f"{whose}",
                hint="write into another project, or delete that run",
            )

    def _overwritten(self, held: Held, work: Work, policy: WritePolicy) -> Iterator[Loss]:
        """What people changed at the target, and is replaced or taken away."""
        told = attributes_told(self.connection, held.id)
        before = remembered(told)
        if not held.state_id or not before.is_known:
            return
        touched = before.values.keys() | _wanted(work, policy)
        if _verb(held, work) == ("update", _LABELS):
            touched = {path for path in touched if is_place(work, path)}
        for path in changed(told, before, touched):
            yield work.loss(path, f"what people made of it there is replaced: {_said(told[path])}")

    def _fill(self, run_id: str, work: Work, policy: WritePolicy) -> int:
        """Write everything; returns the bytes of files."""
        told = attributes_told(self.connection, run_id)
        before, wanted = remembered(told), _wanted(work, policy)
        into = sets(work, policy)
        touched = before.values.keys() & told.keys() | wanted
        noted = Written(
            values=dict.fromkeys(touched, ""),
            sets={path: (*into[path], *before.sets.get(path, ())) for path in into},
        )
        # Whose it is, and what may be taken away; then away with what an earlier attempt, or an
        # earlier content, left.
        marks = [path for path in (CONTENT_ID, STATE_ID, PATH) if path in told]
        kept = {path for path in wanted if path.startswith("sys/")}
        begin = [
            operations.assign_text(ORIGIN, _origin(work)),
            *remember(noted, told),
            *({"path": path, "deleteAttribute": {}} for path in marks),
            *removing((touched & told.keys()) - kept),
        ]
        self._execute(run_id, begin)
        sent = 0
        for field in work.values:
            if field.type == "file":
                sent += upload_file(self.connection, run_id, work, field)
            elif field.type == "file_set":
                sent += upload_set(self.connection, run_id, work, field)
        logged = chain(self._logged(run_id, work), self._labels(work, policy, told))
        refused = [why for batch in operations.batches(logged) for why in self._ask(run_id, batch)]
        # Points that arrived, and whose answer did not, are refused when the client repeats them.
        now = check(self.connection, run_id, work, refused)
        self._note(run_id, work, Written(values=digests(now, wanted), sets=into), now)
        return sent

    def _relabel(self, run_id: str, work: Work, policy: WritePolicy) -> None:
        """Write labels and facts only."""
        told = attributes_told(self.connection, run_id)
        before, wanted = remembered(told), places(work, policy)
        gone = {path for path in before.values if is_place(work, path)} - wanted
        away = removing(gone & told.keys())
        self._execute(run_id, [*away, *self._labels(work, policy, told)])
        now = attributes_told(self.connection, run_id)
        kept = {path: digest for path, digest in before.values.items() if path not in gone}
        written = Written(values=kept | digests(now, wanted), sets=sets(work, policy))
        self._note(run_id, work, written, now)

    def _logged(self, run_id: str, work: Work) -> Iterator[Operation]:
        for field in work.values:
            if field.type in operations.SERIES:
                yield from operations.log(work, field)
            elif field.type == "artifact" and field.files:
                yield make_artifact(self.connection, self.project.id, run_id, work, field)
            elif operation := operations.assign(field, field.path):
                yield operation

    def _labels(self, work: Work, policy: WritePolicy, told: Told) -> Iterator[Operation]:
        yield from labels(work, policy)
        wanted = sets(work, policy)
        present = {path: single(told[path]).values for path in wanted & told.keys()}
        yield from set_operations(wanted, present, remembered(told).sets)

    def _note(self, run_id: str, work: Work, written: Written, told: Told) -> None:
        """Note last of all what the run holds."""
        path = msgspec.json.encode([work.snapshot.address.origin]).decode()
        marks = {
            PATH: path,
            CONTENT_ID: work.snapshot.content_id,
            STATE_ID: work.snapshot.state_id,
        }
        whole = [operations.assign_text(*mark) for mark in marks.items()]
        self._execute(run_id, [*remember(written, told), *whole])

    def _execute(self, run_id: str, batch: list[Operation]) -> None:
        if refused := self._ask(run_id, batch):
            raise RemoteError(f"the server does not take all of it: {refused[0]}")

    def _ask(self, run_id: str, batch: list[Operation]) -> list[str]:
        """Have operations done; returns why some were not."""
        answer = self.connection.ask("executeOperations", experimentId=run_id, operations=batch)
        return [one["errorDescription"] for one in answer]


_LABELS = "labels differ"


def _verb(held: Held | None, work: Work) -> tuple[Verb, str]:
    if held is None:
        return "create", ""
    if not held.state_id:
        return "update", "it was begun and not ended"
    if held.content_id != work.snapshot.content_id:
        return "update", "its content is another"
    if held.state_id != work.snapshot.state_id:
        return "update", _LABELS
    return "keep", "it is there"


def _wanted(work: Work, policy: WritePolicy) -> frozenset[str]:
    """The paths that are written to, sets of labels apart."""
    return places(work, policy) | {field.path for field in work.values}


def _said(told: Mapping[str, Any]) -> str:
    """An attribute at the target, in short."""
    said = properties(told)
    return f"{said['value']!r:.200}" if "value" in said else f"a {told['type']}"


def _origin(work: Work) -> str:
    return origin_mark(work.snapshot.address, work.project)


def _is_of(work: Work, project: Project, server: str) -> bool:
    """Whether it is a run of that project."""
    its_own = Address(origin=server, kind="runs", name=work.snapshot.address.name)
    return (
        work.kind == "run"
        and work.project == project.path
        and _origin(work) == origin_mark(its_own, project.path)
    )
