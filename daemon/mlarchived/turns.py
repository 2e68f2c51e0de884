"""Whose turn it is: which versions of a model wait for others, target by target.

Where version numbers are preserved, a target gets them in ascending order, and where it could not
give one later, those after it wait: a vault and Azure ML can. An alias arrives where it goes before
it is taken from where it was, so that it always names something.
"""

from collections.abc import Container, Iterator

import msgspec

from mlarchive.records import Address
from mlarchived.steps import ObjectPlan, Step
from mlarchived.views import VAULT, View

_MOST_LATER = 5000
"""So many versions of a model are held back at most."""


class Queue:
    """Which versions of a model wait for an earlier one, target by target."""

    def __init__(self, *, in_order: bool, patient: Container[str] = ()) -> None:
        """Nothing waits yet.

        Args:
            in_order: Whether version numbers are preserved.
            patient: Names of the targets that can take a number late.
        """
        self._in_order = in_order
        self._patient = patient
        self._first: dict[tuple[str, str, str], str] = {}
        self._takers: dict[tuple[str, str, str], dict[str, str]] = {}

    def hold(self, target: str, view: View, *, number: bool = True) -> None:
        """Let others of the same model wait: this version is not at the target yet.

        Later ones must have higher numbers there, unless it is patient; those that have its
        aliases keep them till then.

        Args:
            target: The target.
            view: The version.
            number: Whether it may still get its number there.
        """
        address = view.address
        if not address.version or target == VAULT:
            return
        model = (target, address.kind, address.name)
        if self._in_order and number and target not in self._patient:
            self._first.setdefault(model, address.version)
        for alias in _aliases(view) or ():
            self._takers.setdefault(model, {})[alias] = address.version

    def taker(self, target: str, view: View) -> tuple[str, str] | None:
        """An alias that a version has at the target for another that is to get it, and which."""
        held, address, said = view.holdings.get(target), view.address, _aliases(view)
        takers = self._takers.get((target, address.kind, address.name))
        if not held or not takers or said is None:
            return None
        lost = [alias for alias in held.aliases if alias not in said]
        return next(((alias, takers[alias]) for alias in lost if alias in takers), None)

    def blocker(self, target: str, address: Address) -> str:
        """The version that must come first; "" if none."""
        return self._first.get((target, address.kind, address.name), "")


def waits_for(version: str) -> str:
    """The reason for a step that waits its turn."""
    return (
        f"version {version} comes first: where numbers only rise, it could not get its own later"
        ' (with `versions = "next"` nothing waits for it)'
    )


def waits_for_taker(alias: str, version: str) -> str:
    """The reason for a step that would take an alias away before another version has it."""
    return f"it keeps the alias {alias!r} until version {version}, which gets it, is there"


class Turns:
    """Lets versions come to a model's targets before others that are there lose aliases to them."""

    def __init__(self, queue: Queue) -> None:
        """Nothing came yet."""
        self._queue = queue
        self._model = ("", "")
        self._later: list[tuple[ObjectPlan, View]] = []

    def put(self, plan: ObjectPlan, view: View) -> Iterator[tuple[ObjectPlan, View]]:
        """What is to be done next, now that this is planned; models come one after the other."""
        model = (view.address.kind, view.address.name)
        if model != self._model or len(self._later) == _MOST_LATER:
            yield from self.end()
        self._model = model
        at_targets = [step.target for step in plan.steps if step.works and step.target != VAULT]
        if at_targets and all(view.holdings.get(target) for target in at_targets):
            self._later.append((plan, view))
        else:
            yield plan, view

    def end(self) -> Iterator[tuple[ObjectPlan, View]]:
        """What is left of the model; those that get aliases first."""
        later, self._later = self._later, []
        for plan, view in sorted(later, key=lambda one: not _aliases(one[1])):
            steps = tuple(self._in_line(step, view) for step in plan.steps)
            yield msgspec.structs.replace(plan, steps=steps), view

    def _in_line(self, step: Step, view: View) -> Step:
        taker = self._queue.taker(step.target, view) if step.works else None
        if taker is None:
            return step
        reason = waits_for_taker(*taker)
        return msgspec.structs.replace(step, verb="wait", reason=reason)


def _aliases(view: View) -> tuple[str, ...] | None:
    """The aliases of an object at its source; None if it does not show it, or tells of none."""
    return view.ref.traits.aliases if view.ref else None
