"""The plan: what a mirror has to do, and why. A pure function of what is known.

Reads nothing, writes nothing, asks nobody. Its laws, each with a test:

* An object whose every target holds what the source shows gets no work.
* An object is never planned for the target that it came from.
* What the source no longer shows is kept everywhere.
* Bytes are read only where neither the vault nor a change of labels alone spares them.
* Where version numbers are preserved, a target gets a model's versions in ascending order: most
  servers count upwards only, so a number that is passed is lost for good.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive.records import Address
from mlarchive.registries.base import Holding, Selector
from mlarchive.registries.selecting import matches
from mlarchived.views import VAULT, Delivered, Ids, Packed, Trouble, View

Verb: TypeAlias = Literal[
    "copy", "relabel", "compare", "keep", "unsettled", "wait", "leave", "set-aside"
]
"""What is done, or why nothing is.

`copy`: the object with its bytes. `relabel`: labels alone. `compare`: the target has it but the
ledger does not know what; read it and write what differs. `keep`: nothing to do. `unsettled`: not
complete at its source yet. `wait`: not now, by itself later. `leave`: not wanted there.
`set-aside`: not until a person or a change.
"""

WORK: frozenset[Verb] = frozenset({"copy", "relabel", "compare"})
"""The verbs that do something."""

Reading: TypeAlias = Literal["nothing", "labels", "everything"]
"""What must be read at the source: labels alone spare the bytes of models."""


class Rules(Struct, frozen=True, kw_only=True):
    """What a mirror's configuration says that decides what is done.

    Attributes:
        targets: Names of the targets, in order; `VAULT` first where the mirror keeps one.
        include: Patterns of names.
        exclude: Patterns of names.
        in_order: Whether targets must get a model's versions in ascending order.
        set_aside_after: So many strikes.
        retry: Whether what was set aside or passed over is tried again this time.
    """

    targets: tuple[str, ...]
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    in_order: bool = True
    set_aside_after: int = 5
    retry: bool = False


class Step(Struct, frozen=True, kw_only=True):
    """What is done at one target, and why.

    Attributes:
        target: The target's name, or `VAULT`.
        verb: What.
        reason: Why, for a person.
    """

    target: str
    verb: Verb
    reason: str

    @property
    def works(self) -> bool:
        """Whether anything is to be done now."""
        return self.verb in WORK


class ObjectPlan(Struct, frozen=True, kw_only=True):
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
        return any(step.works for step in self.steps)


def make_plan(views: Iterable[View], rules: Rules) -> tuple[ObjectPlan, ...]:
    """Decide what is done for each object, in the order in which it is to be done."""
    queue = Queue(in_order=rules.in_order)
    plans = []
    for view in sorted(views, key=lambda view: in_turn(view.address)):
        steps = tuple(_in_line(_step(view, target, rules), view, queue) for target in rules.targets)
        plans.append(ObjectPlan(address=view.address, reading=_reading(view, steps), steps=steps))
    return tuple(plans)


class Queue:
    """Which versions of a model wait for an earlier one, target by target."""

    def __init__(self, *, in_order: bool) -> None:
        self._in_order = in_order
        self._first: dict[tuple[str, str, str], str] = {}

    def hold(self, target: str, address: Address) -> None:
        """Let later versions of the same model wait: this one is not at the target yet."""
        if self._in_order and address.version and target != VAULT:
            self._first.setdefault((target, address.kind, address.name), address.version)

    def blocker(self, target: str, address: Address) -> str:
        """The version that must come first; "" if none."""
        return self._first.get((target, address.kind, address.name), "")


def waits_for(version: str) -> str:
    """The reason for a step that waits its turn."""
    return f"version {version} comes first: the target could not give it its number later"


def in_turn(address: Address) -> tuple[str, str, tuple[tuple[int, int, str], ...], str]:
    """Sorts objects by kind and name, and versions as people count: 2 before 10."""
    parts = re.findall(r"\d+|\D+", address.version)
    natural = tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)
    return address.kind, address.name, natural, str(address)


def exclusion(name: str, include: Sequence[str], exclude: Sequence[str]) -> str:
    """Why a name is not mirrored; "" if it is."""
    for pattern in exclude:
        if _matches(name, pattern):
            return f'excluded by "{pattern}"'
    if not any(_matches(name, pattern) for pattern in include):
        return "excluded: the name matches no pattern of `include`"
    return ""


def _matches(name: str, pattern: str) -> bool:
    return matches(Selector(name=pattern, pattern=True), name)


def _in_line(step: Step, view: View, queue: Queue) -> Step:
    """The step, or waiting where an earlier version of the model must come first."""
    blocker = queue.blocker(step.target, view.address)
    first_time = not view.holdings.get(step.target)
    if step.works and blocker and first_time:
        return Step(target=step.target, verb="wait", reason=waits_for(blocker))
    if step.verb in {"wait", "unsettled"} and first_time:
        queue.hold(step.target, view.address)
    return step


def _step(view: View, target: str, rules: Rules) -> Step:
    verb, reason = _judge(view, target, rules)
    return Step(target=target, verb=verb, reason=reason)


def _judge(view: View, target: str, rules: Rules) -> tuple[Verb, str]:
    """The first rule that applies decides."""
    not_now = _not_now(view, target, rules)
    if not_now:
        return not_now
    verb, reason = _compared(view, target)
    if verb not in WORK:
        return verb, reason
    delivered = view.delivered.get(target, Delivered())
    return _spared(view, delivered, rules) or (verb, reason)


def _not_now(view: View, target: str, rules: Rules) -> tuple[Verb, str] | None:
    """Why an object is no matter for a target at all, or cannot be now."""
    excluded = exclusion(view.address.name, rules.include, rules.exclude)
    if excluded:
        return "leave", excluded
    if view.ref is None:
        return "keep", "gone from the source; deletions are not mirrored"
    if target in {view.ref.origin.partition("#")[0], *view.ref.through}:
        whence = "from" if view.ref.origin.partition("#")[0] == target else "through"
        return "leave", f"echo: came {whence} this target"
    if not view.ref.settled:
        return "unsettled", "not settled: its run still logs"
    if target in view.silent:
        return "wait", view.silent[target]
    return None


def _spared(view: View, delivered: Delivered, rules: Rules) -> tuple[Verb, str] | None:
    """Work that is not done because it came to nothing before, and nothing has changed since."""
    if rules.retry or view.seen != view.look:
        return None
    for trouble in (view.trouble, delivered.trouble):
        if trouble and trouble.strikes >= rules.set_aside_after:
            return "set-aside", _set_aside(trouble)
    if view.packed and view.packed.marks == view.seen and delivered.passed_over == view.packed.ids:
        return "leave", "passed over: the target holds other content under that name"
    return None


def _set_aside(trouble: Trouble) -> str:
    return f"set aside after {trouble.strikes} failures: {trouble.sentence}"


def _compared(view: View, target: str) -> tuple[Verb, str]:
    if target == VAULT:
        return _at_vault(view)
    return _at_target(view, view.holdings.get(target), view.delivered.get(target, Delivered()))


def _at_vault(view: View) -> tuple[Verb, str]:
    if view.packed is None:
        if view.in_vault:
            return "compare", "in the vault, but the ledger does not know it"
        return "copy", "new"
    changed = _changed(view, view.packed)
    if changed:
        return changed
    if view.stored == "package":
        return "keep", "up to date"
    return "copy", "gone from the vault"


def _at_target(view: View, holding: Holding | None, delivered: Delivered) -> tuple[Verb, str]:
    if holding is None:
        return "copy", "gone from the target" if delivered.ids else "not mirrored there yet"
    if view.packed is None:
        return "compare", "at the target, but the ledger does not know it"
    held = Ids(content=holding.content_id, state=holding.state_id)
    changed = _changed(view, view.packed)
    if changed is None:
        return _behind(held, view.packed.ids, delivered)
    has_content = held.content == view.packed.ids.content or delivered.ids == held
    return changed if has_content else ("copy", "content changed")


def _behind(held: Ids, wanted: Ids, delivered: Delivered) -> tuple[Verb, str]:
    """What a target that holds something needs, when the source's present ids are known."""
    ours = delivered.ids == held
    if held == wanted or (ours and delivered.given == wanted):
        return "keep", "up to date"
    if held.content == wanted.content:
        return "relabel", "labels changed" if ours else "the target has other labels"
    return "copy", "content changed" if ours else "the target has other content"


def _changed(view: View, packed: Packed) -> tuple[Verb, str] | None:
    """What has changed at the source since it was packed."""
    if view.look is None or view.look == packed.marks:
        return None
    if view.look.content == packed.marks.content:
        return "relabel", "labels changed"
    return "copy", "content changed"


def _reading(view: View, steps: Sequence[Step]) -> Reading:
    if not any(step.works for step in steps):
        return "nothing"
    look = view.look
    if view.packed is None or look is None or look.content != view.packed.marks.content:
        return "everything"
    if look == view.packed.marks and view.stored == "package":
        return "nothing"
    return "labels" if view.stored in {"content", "package"} else "everything"


def unserved(plans: Iterable[ObjectPlan]) -> frozenset[Address]:
    """The objects that some target is still to get, now or later."""
    later = {*WORK, "wait", "set-aside"}
    return frozenset(
        plan.address for plan in plans if any(step.verb in later for step in plan.steps)
    )


def verb_counts(plans: Iterable[ObjectPlan]) -> Mapping[Verb, int]:
    """How many steps of each kind there are."""
    counts: dict[Verb, int] = {}
    for plan in plans:
        for step in plan.steps:
            counts[step.verb] = counts.get(step.verb, 0) + 1
    return counts
