"""What the service prints while it runs: a line for each thing that happened, with time and level.

Levels are those of syslog(3) by name: `error` wants a person, `warning` may pass by itself or be as
it was ordered, `info` is work that was done, `debug` (for programs alone) work that began.
"""

import time
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from mlarchived.breakers import BreakerMoved
from mlarchived.cli import tend
from mlarchived.cli.names import shown
from mlarchived.cli.screen import Screen, duration, moment, plural, size
from mlarchived.events import Began, Ended
from mlarchived.mirrors import Setting
from mlarchived.service.happenings import (
    Beat,
    Happening,
    Recovered,
    RoundBegan,
    RoundEnded,
    Staged,
    TicksMissed,
    Troubled,
    Waits,
)
from mlarchived.tending import PackageTended, VaultTended

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_LEVELS_OF_PACKAGES: Mapping[str, Level] = {"pruned": "info", "mended": "warning"}

_QUIET = {"keep", "leave", "wait", "unsettled", "set-aside"}
"""Steps that are not taken: `mlarchived status` and `plan` tell of them, not every round."""


class Journal:
    """Prints what happens."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.time) -> None:
        """Print nothing yet.

        Args:
            screen: Where it is printed.
            clock: Seconds since 1970 UTC.
        """
        self._screen = screen
        self._clock = clock

    def configured(self, setting: Setting) -> None:
        """A configuration is in force; `Staged` tells."""

    def take(self, happening: Happening) -> None:
        """Print a line for whoever wants to know."""
        if isinstance(happening, Beat) or _is_idle(happening):
            return
        at, level = int(self._clock() * 1000), level_of(happening)
        self._screen.tell({**msgspec.to_builtins(happening), "at": at, "level": level})
        line, hint = _line(happening), getattr(happening, "hint", "")
        for text in (line, hint and f"  hint: {hint}"):
            if text:
                self._screen.say(f"{moment(at)} {level:<7} {text}")

    def close(self) -> None:
        """Everything is printed already."""


def level_of(happening: Happening) -> Level:  # noqa: PLR0911  (one for each kind)
    """How much a person should care."""
    match happening:
        case Began() | RoundBegan() | Beat():
            return "debug"
        case Troubled():
            return "error"
        case TicksMissed() | Waits():
            return "warning"
        case Ended():
            return _level_of_step(happening)
        case RoundEnded():
            return _level_of_round(happening)
        case PackageTended():
            return _LEVELS_OF_PACKAGES.get(happening.outcome, "error")
        case BreakerMoved():
            return "warning" if happening.state == "open" else "info"
        case Staged():
            return "warning" if happening.stale else "info"
        case VaultTended() | Recovered():
            return "info"


def _level_of_step(event: Ended) -> Level:
    if event.outcome == "quarantined":
        return "error"
    if event.outcome == "failed":
        return "warning" if event.retryable else "error"
    return "warning" if event.losses else "info"


def _level_of_round(event: RoundEnded) -> Level:
    if event.error:
        return "warning" if event.again_in else "error"
    return "warning" if event.failed else "info"


def _is_idle(happening: Struct) -> bool:
    if isinstance(happening, VaultTended):
        return not (happening.packages if happening.work == "scrub" else _has_pruned(happening))
    return isinstance(happening, Ended) and happening.outcome in _QUIET


def _has_pruned(happening: VaultTended) -> bool:
    """Whether there is anything to tell: also of what no rule keeps, and stays all the same."""
    return bool(happening.pruned or happening.held)


def _line(happening: Happening) -> str:  # noqa: PLR0911  (one for each kind)
    match happening:
        case Staged():
            note = f": {happening.note}" if happening.note else ""
            return f"service {happening.stage}{note}"
        case Ended():
            return _step(happening)
        case RoundEnded():
            return _round(happening)
        case TicksMissed():
            why = "no service ran" if happening.why == "down" else "the last round still goes on"
            return f"{happening.worker}: {plural(happening.count, 'tick')} missed, because {why}"
        case Waits():
            return f"{happening.worker}: {happening.reason}"
        case Troubled():
            return f"{happening.part}: {happening.reason}"
        case BreakerMoved() | Recovered():
            return _well(happening)
        case PackageTended() | VaultTended():
            return tend.line(happening)
        case Began() | RoundBegan() | Beat():
            return ""


def _step(event: Ended) -> str:
    where = f" -> {shown(event.target)}" if event.target else ""
    effort = f" ({size(event.bytes)}, {duration(event.seconds)})" if event.seconds else ""
    losses = f"; {plural(len(event.losses), 'loss')}" if event.losses else ""
    things = plural(len(event.changes), "thing")
    changes = f"; {things} held in another form: {event.changes[0]}" if event.changes else ""
    what = f"{event.mirror}: {event.outcome} {event.object or 'everything'}{where}"
    return f"{what}: {event.reason}{losses}{effort}{changes}"


def _well(event: BreakerMoved | Recovered) -> str:
    if isinstance(event, Recovered):
        return f"{event.part}: well again"
    if event.state == "closed":
        return f"{event.target} answers again"
    return f"{event.target} is left alone for {duration(event.seconds)}: {event.reason}"


def _round(event: RoundEnded) -> str:
    if not event.error and not event.failed:
        return ""
    again = f"; again in {duration(event.again_in)}" if event.again_in else ""
    what = event.error or f"{plural(event.failed, 'step')} failed"
    return f"{event.worker}: {what}{again}"
