"""A write in the making: its steps in order, and what the target cannot keep.

Planning looks at the target and adds steps; nothing changes until a step is done. The plan that a
person sees and the write that follows are made of the same steps.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from mlarchive.records import Loss, Tags
from mlarchive.records.places import azureml_origin
from mlarchive.registries.azureml.assets import ControlPlane
from mlarchive.registries.azureml.sameness import names_mark
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.base import Action, Verb, WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.snapshot import Snapshot

LEFTOVERS = "leftovers"
"""The field of a transformation that says what could not be removed."""


def _nothing() -> None:
    """What keeping takes."""


@dataclass(slots=True, kw_only=True)
class Work:
    """Filled by planning; done step by step.

    Attributes:
        control: The target's control plane.
        storage: Where its bytes go.
        origin: The target's own name.
        snapshot: What is written.
        policy: How.
        steps: In order.
        losses: What the target cannot hold.
        transformations: What it holds in another form.
        known_as: What the target calls the registry that the snapshot is from; "" if it does not
            know it.
        known_content: The content id under which a registry has it, whose run may have got more
            since; "" if it does not have it.
        environment: The environment that the model means at the target, `NAME:VERSION`.
        looked: What was seen of environments that are there, by name, number and what they are to
            be made of: whether they are, and what of their files was altered.
        made_run: Gives the target's id of the run that the model came from, once it is written;
            "" if it is not.
        replaced: Those of the transformations that tell what was written over already.
        sent: Bytes of files sent so far.
    """

    control: ControlPlane
    storage: Storage
    origin: str
    snapshot: Snapshot
    policy: WritePolicy
    steps: list[tuple[Action, Callable[[], None]]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    transformations: list[Loss] = field(default_factory=list)
    known_as: str = ""
    known_content: str = ""
    environment: str = ""
    looked: dict[tuple[str, str, str], tuple[bool, str]] = field(default_factory=dict)
    made_run: Callable[[], str] = str
    replaced: list[Loss] = field(default_factory=list)
    sent: int = 0

    def step(self, verb: Verb, what: str, why: str, do: Callable[[], None] = _nothing) -> None:
        """Add a step."""
        self.steps.append((Action(verb=verb, what=what, why=why), do))

    def lose(self, record: str, what: str, why: str) -> None:
        """List something that the target cannot hold."""
        self.losses.append(Loss(record=record, field=what, why=why))

    def change(self, record: str, what: str, why: str) -> None:
        """List something that the target holds in another form."""
        self.transformations.append(Loss(record=record, field=what, why=why))

    def forget_plan(self) -> None:
        """Nothing is planned any more; what was done before stays known."""
        self.steps.clear()
        self.losses.clear()
        self.transformations[:] = self.done

    @property
    def done(self) -> list[Loss]:
        """The transformations that tell what was done, whatever is planned then."""
        left = [one for one in self.transformations if one.field == LEFTOVERS]
        return [*left, *self.replaced]

    @property
    def content_id(self) -> str:
        """What a version there is known by: without notebooks and traces, which it cannot hold.

        So it stays the same version whether they are asked for or not.
        """
        return self.known_content or marks.content_but_traces(self.snapshot)

    @property
    def but_run(self) -> str:
        """The content id without what the run gets later, of which a registry has nothing."""
        return marks.content_but_run(self.snapshot) if self.control.place.is_registry else ""

    @property
    def own_names(self) -> frozenset[str]:
        """What the target is called: by a configuration, and by its locator."""
        return frozenset({self.origin, azureml_origin(self.control.place.locator)})

    @property
    def marked(self) -> Snapshot:
        """The snapshot, from a registry of the name that the target knows it by."""
        address = self.snapshot.address
        known = msgspec.structs.replace(address, origin=self.known_as or address.origin)
        return dataclasses.replace(self.snapshot, address=known)

    def origin_marks(self, origin: str) -> Tags:
        """The marks of where something comes from.

        Args:
            origin: Its address there, as the target calls it.
        """
        names = names_mark(origin, marks.names_of(self.snapshot))
        return {marks.ORIGIN: origin, **names}

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the steps do, as a person sees it."""
        return tuple(action for action, _ in self.steps)


def again(work: Work) -> Work:
    """The same write with nothing planned yet; what was sent is remembered."""
    return Work(
        control=work.control,
        storage=work.storage,
        origin=work.origin,
        snapshot=work.snapshot,
        policy=work.policy,
        transformations=work.done,
        replaced=work.replaced,
        sent=work.sent,
    )
