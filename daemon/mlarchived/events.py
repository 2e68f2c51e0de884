"""What happens in a round, as plain data: for a person's screen, a log, or a program."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

Outcome: TypeAlias = Literal[
    "packed",
    "copied",
    "relabelled",
    "deleted",
    "marked",
    "released",
    "there",
    "keep",
    "unsettled",
    "wait",
    "leave",
    "set-aside",
    "passed-over",
    "taken",
    "quarantined",
    "failed",
]
"""How a step ended.

`deleted`, `marked`: what is gone from the source was deleted at the target, or is marked there as
gone, or no more. `released`: it is gone under its name alone. `there`: the target turned out to
hold it already. `passed-over`: the target holds other content, and the policy is to skip. `taken`,
`quarantined`: what was dropped was kept, or refused. The others as in `plan`.
"""

IDLE: Mapping[str, Outcome] = {
    verb: verb for verb in ("keep", "unsettled", "wait", "leave", "set-aside")
}
"""The outcomes of steps that are not taken, by the plan's verbs, which are called the same."""

WORKED: frozenset[Outcome] = frozenset(
    {"packed", "copied", "relabelled", "deleted", "marked", "released", "taken"}
)
"""Something was changed."""

DONE: frozenset[Outcome] = WORKED | {"there", "keep"}
"""The target holds what it should."""

Phase: TypeAlias = Literal["reading", "writing"]


class Began(Struct, frozen=True, kw_only=True, tag_field="event", tag="began"):
    """A step that may take long has begun.

    Attributes:
        mirror: The mirror's name.
        object: The object's address at its source.
        target: Where it goes; "vault:" or "spool:" while it is read and packed.
        phase: `reading` the source into a package, or `writing` a target.
    """

    mirror: str
    object: str
    target: str
    phase: Phase


class Ended(Struct, frozen=True, kw_only=True, gc=False, tag_field="event", tag="ended"):
    """A step has ended, or was not taken.

    Attributes:
        mirror: The mirror's name.
        object: The object's address at its source; the mirror's source if it concerns them all.
        target: Where it goes, "vault:" and "spool:" being packages; "" if it concerns them all.
        outcome: How it ended.
        reason: Why it was done, or not done, or how it failed.
        bytes: How many bytes it moved.
        seconds: How long it took.
        losses: What could not be carried, one sentence each.
        changes: What the target holds in another form, one sentence each.
        hint: What a person can do, if it failed.
        code: Of the error, if it failed.
        exit_status: Of the error, if it failed, or waits since its source cannot tell how it is.
        retryable: Whether a failure may pass by itself.
    """

    mirror: str
    object: str
    target: str
    outcome: Outcome
    reason: str
    bytes: int = 0
    seconds: float = 0.0
    losses: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    hint: str = ""
    code: str = ""
    exit_status: int = 0
    retryable: bool = False


Event: TypeAlias = Began | Ended
Report: TypeAlias = Callable[[Event], None]
"""Takes each event as it happens."""
