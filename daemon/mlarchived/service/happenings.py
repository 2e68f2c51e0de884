"""What happens in the service beside the steps of rounds, as plain data (see `events`)."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchived.breakers import BreakerMoved
from mlarchived.events import Event
from mlarchived.tending import Tending

OBSERVER = "observer"
"""The part of the service that failed where an observer has a defect."""

MESSAGES = "messages to "
"""What the part is called that cannot deliver, before the key of the address."""

Stage: TypeAlias = Literal["starting", "ready", "reloading", "draining", "stopped"]


class Staged(Struct, frozen=True, kw_only=True, tag_field="event", tag="service"):
    """The service as a whole has come to another stage.

    Attributes:
        stage: Which. `ready` comes after `starting`, and after each `reloading`.
        note: What a person may want to know of it.
        stale: Whether the configuration in force is an older one than the file's, which is wrong.
    """

    stage: Stage
    note: str = ""
    stale: bool = False


class RoundBegan(Struct, frozen=True, kw_only=True, tag_field="event", tag="round-began"):
    """A worker has begun a round.

    Attributes:
        worker: The worker's name: `mirror:NAME/TARGET`, `drop:NAME` or `task:NAME`.
        mirror: The mirror's name; "" for a task.
    """

    worker: str
    mirror: str = ""


class RoundEnded(Struct, frozen=True, kw_only=True, tag_field="event", tag="round-ended"):
    """A round has ended.

    Attributes:
        worker: As in `RoundBegan`.
        mirror: As in `RoundBegan`.
        seconds: How long it took.
        failed: How many steps failed in it.
        error: Why the round as a whole came to an early end; "" if it did not.
        hint: What a person can do about that.
        code: Of that error.
        again_in: Seconds after which it is tried again, before its next tick; 0 if it is not.
    """

    worker: str
    mirror: str = ""
    seconds: float = 0.0
    failed: int = 0
    error: str = ""
    hint: str = ""
    code: str = ""
    again_in: float = 0.0

    @property
    def trouble(self) -> str:
        """What went wrong in it, for a person; "" for nothing."""
        steps = "step" if self.failed == 1 else "steps"
        return self.error or (f"{self.failed} {steps} failed" if self.failed else "")


class TicksMissed(Struct, frozen=True, kw_only=True, tag_field="event", tag="ticks-missed"):
    """A worker was due, and nothing was done: one round now makes up for all of them.

    Attributes:
        worker: As in `RoundBegan`.
        count: How many times.
        why: `down`: no service ran, or the machine slept; `busy`: the round before still went on.
    """

    worker: str
    count: int
    why: Literal["down", "busy"]


class Waits(Struct, frozen=True, kw_only=True, tag_field="event", tag="waits"):
    """Something that another process holds has been waited for for some seconds.

    Attributes:
        worker: As in `RoundBegan`.
        reason: What is waited for.
    """

    worker: str
    reason: str


class Troubled(Struct, frozen=True, kw_only=True, tag_field="event", tag="troubled"):
    """A part of the service failed; the others go on.

    Attributes:
        part: Which: a worker's name, `reload`, `clock`, `control`, `observer`, a key of
            `monitoring`, or `messages to` one.
        reason: What went wrong.
        hint: What a person can do.
        code: Of the error.
    """

    part: str
    reason: str
    hint: str = ""
    code: str = ""


class Recovered(Struct, frozen=True, kw_only=True, tag_field="event", tag="recovered"):
    """A part of the service that observes is well again.

    Attributes:
        part: As in `Troubled`.
    """

    part: str


class Beat(Struct, frozen=True, kw_only=True, tag_field="event", tag="beat"):
    """The main loop came round, which it does every few seconds.

    Attributes:
        dead: Names of loops that should run, and do not; a watchdog must not be fed then.
    """

    dead: tuple[str, ...] = ()


Happening: TypeAlias = (
    Event
    | BreakerMoved
    | Staged
    | RoundBegan
    | RoundEnded
    | TicksMissed
    | Waits
    | Troubled
    | Recovered
    | Beat
    | Tending
)
Tell: TypeAlias = Callable[[Happening], None]
"""Takes each happening, from whatever thread it comes."""


def is_of_observers(part: str) -> bool:
    """Whether a part of the service observes, so that it may be `Recovered`."""
    return part == OBSERVER or part.startswith(MESSAGES) or is_of_configuration(part)


def is_of_configuration(part: str) -> bool:
    """Whether a part of the service is a key of `monitoring`."""
    return part.startswith("monitoring.")
