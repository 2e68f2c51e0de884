"""What a plan consists of: what is read of each object, and what each target gets, and why."""

from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive.records import Address

Verb: TypeAlias = Literal[
    "copy",
    "relabel",
    "compare",
    "delete",
    "tombstone",
    "revive",
    "release",
    "keep",
    "unsettled",
    "wait",
    "leave",
    "set-aside",
]
"""What is done, or why nothing is.

`copy`: the object with its bytes. `relabel`: labels alone. `compare`: the target has it but the
ledger does not know what, or not whether it still is that; read it and write what differs.
`delete`: it is gone from its source, and goes from the target. `tombstone`, `revive`: the target
says of it that it is gone, or no more. `release`: it is gone under its name alone, and what the
target has of it is the copy of another object now. `keep`: nothing to do. `unsettled`: not complete
at its source yet. `wait`: not now, by itself later. `leave`: not wanted there. `set-aside`: not
until a person or a change.
"""

PACKED: frozenset[Verb] = frozenset({"copy", "relabel", "compare"})
"""The verbs that need a package."""

REMOVING: frozenset[Verb] = frozenset({"delete", "tombstone"})
"""The verbs that take something away."""

WORK: frozenset[Verb] = PACKED | REMOVING | {"revive", "release"}
"""The verbs that do something."""

Reading: TypeAlias = Literal["nothing", "labels", "everything"]
"""What must be read at the source: labels alone spare the bytes of models."""


class Step(Struct, frozen=True, kw_only=True, gc=False):
    """What is done at one target, and why.

    Attributes:
        target: The target's name, or `VAULT`.
        verb: What.
        reason: Why, for a person.
        never: Whether no round can do it, since what the source shows is none.
        status: Exit status of what keeps the source from telling how the object is; 0 if it can.
    """

    target: str
    verb: Verb
    reason: str
    never: bool = False
    status: int = 0

    @property
    def works(self) -> bool:
        """Whether anything is to be done now."""
        return self.verb in WORK


class ObjectPlan(Struct, frozen=True, kw_only=True, gc=False):
    """What is done for one object.

    Attributes:
        address: The object at its source.
        reading: What must be read there.
        steps: One for each target, in order.
    """

    address: Address
    reading: Reading
    steps: tuple[Step, ...]

    @property
    def works(self) -> bool:
        """Whether anything is to be done now."""
        return not WORK.isdisjoint([step.verb for step in self.steps])
