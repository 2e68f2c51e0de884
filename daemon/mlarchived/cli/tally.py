"""What a round did: printed line by line as it happens, counted, and summed up at the end."""

import time
from collections import Counter

from msgspec import Struct

from mlarchive.errors import Interrupted, MlarchiveError, SetAsideError
from mlarchived.cli.ending import exit_status
from mlarchived.cli.names import shown
from mlarchived.cli.screen import Screen, duration, plural, size
from mlarchived.events import WORKED, Began, Ended, Event

_WITH_LOSSES = 3
"""The exit status of work that is done, but lost something on the way."""

_ALIKE = 3
"""So many lines that differ in their object alone are printed; the rest are counted."""

_QUIET = {"keep", "leave"}
"""What is counted only: it was so before, and will be so the next time."""

_MOST_REASONS = 5
"""So many reasons why objects are left alone are printed, those of most objects."""

_INDENT = " " * 16
_WORDS = {
    "packed": "packed",
    "copied": "copied",
    "relabelled": "relabelled",
    "deleted": "deleted",
    "marked": "marked",
    "released": "released",
    "there": "already there",
    "keep": "up to date",
    "unsettled": "not settled",
    "wait": "waiting",
    "leave": "left alone",
    "set-aside": "set aside",
    "passed-over": "passed over",
    "taken": "taken",
    "quarantined": "quarantined",
    "failed": "failed",
}


class Summary(Struct, frozen=True, kw_only=True, tag_field="event", tag="summary"):
    """How it ended, for a program.

    Attributes:
        outcomes: How many steps ended how.
        bytes: Bytes read into packages and sent to targets.
        losses: How many things could not be carried.
        left_alone: How many objects are left alone, by target and reason.
        seconds: How long it all took.
        exit_status: How the process ends.
    """

    outcomes: dict[str, int]
    bytes: int
    losses: int
    left_alone: dict[str, dict[str, int]]
    seconds: float
    exit_status: int


class Tally:
    """Takes events, prints them, and knows how the process should end."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._began = time.monotonic()
        self._outcomes: Counter[str] = Counter()
        self._alike: Counter[tuple[str, str, str]] = Counter()
        self._left: Counter[tuple[str, str]] = Counter()
        self._statuses: list[int] = []
        self._losses = 0
        self._bytes = 0

    def take(self, event: Event) -> None:
        """Take what happened."""
        if isinstance(event, Began):
            self._screen.tell(event)
            return
        self._outcomes[event.outcome] += 1
        self._losses += len(event.losses)
        self._bytes += event.bytes
        self._statuses.append(event.exit_status)
        if event.outcome == "set-aside":
            # The mirror is not true, although nothing was tried and so nothing failed.
            self._statuses.append(SetAsideError.exit_status)
        if event.outcome == "leave":
            self._left[event.target, event.reason] += 1
        if event.outcome not in _QUIET:
            self._screen.tell(event)
            self._print(event)

    def broke_off(self, mirror: str, error: MlarchiveError) -> None:
        """Take that a mirror's round came to an early end."""
        self._outcomes["failed"] += not isinstance(error, Interrupted)
        self._statuses.append(error.exit_status)
        self._screen.error(error, of=f"mirror {mirror}")

    def finish(self) -> int:
        """Print the summary.

        Returns:
            The exit status.
        """
        self._print_alike()
        self._print_left()
        status = self._exit_status()
        seconds = time.monotonic() - self._began
        self._screen.tell(
            Summary(
                outcomes=dict(self._outcomes),
                bytes=self._bytes,
                losses=self._losses,
                left_alone=self._left_alone(),
                seconds=round(seconds, 3),
                exit_status=status,
            )
        )
        self._screen.say(f"{self._summed_up()} ({duration(seconds)})")
        return status

    def _exit_status(self) -> int:
        if Interrupted.exit_status in self._statuses:
            return Interrupted.exit_status
        return exit_status(self._statuses) or (_WITH_LOSSES if self._losses else 0)

    def _summed_up(self) -> str:
        counts = [
            f"{self._outcomes[key]} {word}" for key, word in _WORDS.items() if self._outcomes[key]
        ]
        text = ", ".join(counts) or "no objects"
        if not self._outcomes.keys() & WORKED and not any(self._statuses):
            return f"nothing to do: {text}"
        if self._losses:
            text += f"; {plural(self._losses, 'loss')}"
        return f"{text}; {size(self._bytes)} moved"

    def _print(self, event: Ended) -> None:
        if not (event.losses or event.changes) and self._is_one_of_many(event):
            return
        effort = f" ({size(event.bytes)}, {duration(event.seconds)})" if event.seconds else ""
        what = event.object or "everything"
        where = f" -> {shown(event.target)}" if event.target else ""
        word = _WORDS[event.outcome]
        self._screen.say(f"  {word:<14}{what}{where}: {event.reason}{effort}")
        if event.hint:
            self._screen.say(f"{_INDENT}hint: {event.hint}")
        for loss in event.losses:
            self._screen.say(f"{_INDENT}loss: {loss}")
        if event.changes:
            first, *others = event.changes
            more = f"; {len(others)} more, as --json lists" if others else ""
            things = plural(len(event.changes), "thing")
            self._screen.say(f"{_INDENT}{things} held in another form: {first}{more}")

    def _is_one_of_many(self, event: Ended) -> bool:
        """Whether enough lines like this one, but for its object, were printed already."""
        if event.outcome in WORKED:
            return False
        like = (event.outcome, event.target, event.reason)
        self._alike[like] += 1
        return self._alike[like] > _ALIKE

    def _print_alike(self) -> None:
        for (outcome, target, reason), count in self._alike.items():
            if count > _ALIKE:
                more = f"{plural(count - _ALIKE, 'more object')} -> {shown(target)}"
                self._screen.say(f"  {_WORDS[outcome]:<14}{more}: {reason}")

    def _left_alone(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (target, reason), count in self._left.items():
            found.setdefault(target, {})[reason] = count
        return found

    def _print_left(self) -> None:
        """Say why objects are left alone: one line for a target and a reason."""
        for (target, reason), count in self._left.most_common(_MOST_REASONS):
            objects = f"{plural(count, 'object')} -> {shown(target)}"
            self._screen.say(f"  {_WORDS['leave']:<14}{objects}: {reason}")
        if (more := len(self._left) - _MOST_REASONS) > 0:
            why = "`mlarchived plan` says why"
            self._screen.say(f"  {_WORDS['leave']:<14}for {plural(more, 'more reason')}: {why}")
