"""How a mirror stands at each target, kept up while its round goes on.

An object that is excluded, came from the target, or was passed over by policy is not wanted there.
One that is not settled is: the source shows it and the target lacks it, which nobody may overlook.
What is none at the source, and may never be one, keeps no round from its success.
"""

import time
from collections import Counter

from mlarchived.events import DONE, Ended, Event, Report
from mlarchived.ledger import Record
from mlarchived.mirrors import MirrorJob
from mlarchived.steps import ObjectPlan

FRESH = 5.0
"""Seconds after which what is written is written anew, while a round goes on."""


class Standings:
    """How a mirror stands at each target, kept up while its round goes on."""

    def __init__(self, job: MirrorJob, report: Report) -> None:
        self._pass_on = report
        self._targets = job.rules().targets
        self._wanted = dict.fromkeys(self._targets, 0)
        self._behind: dict[str, set[str]] = {name: set() for name in self._targets}
        self._never = dict.fromkeys(self._targets, 0)
        self._left: dict[str, Counter[str]] = {name: Counter() for name in self._targets}
        self._waiting: dict[str, Counter[str]] = {name: Counter() for name in self._targets}
        self._all_planned = False
        self._silent: dict[str, str] = {}
        self._unread = ""
        self._written_at = time.monotonic()

    def planned(self, plan: ObjectPlan) -> None:
        """Learn what is to be done for an object."""
        for step in plan.steps:
            self._wanted[step.target] += step.verb != "leave"
            if step.verb == "leave":
                self._left[step.target][step.reason] += 1
            self._never[step.target] += step.never
            if step.works or step.verb in {"unsettled", "wait", "set-aside"}:
                self._behind[step.target].add(str(plan.address))

    def not_all_seen(self, why: str) -> None:
        """Learn that the source has more than could be seen, and why; "" if it has not."""
        self._unread = why

    def all_planned(self) -> None:
        """What is to be done is known of every object."""
        self._all_planned = True

    def report(self, event: Event) -> None:
        """Learn what was done, and pass it on."""
        if isinstance(event, Ended):
            self._learn(event)
        self._pass_on(event)

    def write(self, record: Record, *, trouble: str = "", ended: bool = False) -> None:
        """Write it into the ledger.

        Args:
            record: The pen.
            trouble: Why the round as a whole came to an early end; "" if it did not.
            ended: Whether the round came to its end.
        """
        self._written_at = time.monotonic()
        for target in self._targets:
            why = self._silent.get(target, trouble) or self._unread
            if self._all_planned:
                behind = len(self._behind[target])
                record.stood(
                    target,
                    objects=self._wanted[target],
                    behind=behind,
                    never=self._never[target],
                    trouble=why,
                    ended=ended,
                    left=_counted(self._left[target]),
                    waiting=_counted(self._waiting[target]),
                )
            elif why:
                record.not_seen(target, trouble=why)

    def keep_up(self, record: Record) -> None:
        """Write it into the ledger, unless that was done just now."""
        if time.monotonic() - self._written_at > FRESH:
            self.write(record)

    def _learn(self, event: Ended) -> None:
        if event.target not in self._behind:
            return
        if event.outcome == "failed" and not event.object:
            self._silent[event.target] = event.reason
        if event.outcome in {"wait", "unsettled"}:
            self._waiting[event.target][event.reason] += 1
        if event.outcome in DONE or event.outcome == "passed-over":
            self._behind[event.target].discard(event.object)
        if event.outcome == "set-aside" and event.object:
            self._behind[event.target].add(event.object)
        if event.outcome == "passed-over":
            self._wanted[event.target] -= 1


def _counted(reasons: Counter[str]) -> tuple[int, str]:
    """How many objects there are of which somebody gave a reason, and that of most of them."""
    (why, count), *others = reasons.most_common() or [("", 0)]
    more = f" ({reasons.total() - count} for other reasons)" if others else ""
    return reasons.total(), f"{why}{more}"
