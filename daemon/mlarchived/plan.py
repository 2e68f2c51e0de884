"""The plan: what a mirror has to do, and why. A pure function of what is known.

Reads nothing, writes nothing, asks nobody. Its laws, each with a test:

* An object whose every target holds what the source shows gets no work.
* An object is never planned for the target that it came from.
* What the source no longer shows is kept everywhere, unless the mirror is told otherwise; then
  never more than a few at a time, and nothing if the source shows nothing at all, or holds what
  cannot be read.
* Bytes are read only where neither the vault nor a change of labels alone spares them.
* Where version numbers are preserved, a target gets a model's versions in ascending order; later
  ones wait where a number that is passed is lost for good, as at an MLflow server.
* An alias arrives where it goes before it is taken from where it was.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from mlarchive.records import Address
from mlarchive.records.places import whence
from mlarchive.registries.base import Holding, Ref
from mlarchived.choosing import exclusion, unfit
from mlarchived.contention import anothers_word, yields
from mlarchived.gone import day, gone
from mlarchived.rules import Rules
from mlarchived.steps import PACKED, REMOVING, WORK, ObjectPlan, Reading, Step, Verb
from mlarchived.turns import Queue, Turns, waits_for
from mlarchived.views import NOTHING_GIVEN, VAULT, Delivered, Ids, Packed, Trouble, View

_LATER: frozenset[Verb] = PACKED | {"wait", "set-aside"}

_PASSED_OVER = (
    "passed over before, since the target has no place for it, something else under its name, or"
    " more of its run; nothing has changed since"
)


class Planner:
    """Decides object by object; these must come in their turn."""

    def __init__(self, rules: Rules) -> None:
        """Nothing is decided yet."""
        self._rules = rules
        self.queue = Queue(in_order=rules.in_order, patient=rules.patient)

    def plan(self, view: View) -> ObjectPlan:
        """What is done for one object."""
        steps = tuple(
            _in_line(_step(view, target, self._rules), view, self.queue)
            for target in self._rules.targets
        )
        reading = _reading(view, steps, self._rules)
        return ObjectPlan(address=view.address, reading=reading, steps=steps)


def planned(
    views: Iterable[View], rules: Rules, hiding: str = ""
) -> Iterator[tuple[ObjectPlan, View]]:
    """Decide what is done for objects that come in their turn; what takes away comes last.

    Args:
        views: What is known of each.
        rules: The mirror's.
        hiding: Why the source may have what it does not show; "" if that cannot be.
    """
    planner = Planner(rules)
    turns = Turns(planner.queue)
    removing: list[tuple[ObjectPlan, View]] = []
    shown = False
    for view in views:
        shown |= view.ref is not None
        plan = planner.plan(view)
        if not REMOVING.isdisjoint([step.verb for step in plan.steps]):
            removing.append((plan, view))
        else:
            yield from turns.put(plan, view)
    yield from turns.end()
    why = hiding or _too_much(len(removing), rules, shown=shown)
    for plan, view in removing:
        yield (_withheld(plan, why) if why else plan), view


def make_plan(views: Iterable[View], rules: Rules) -> tuple[ObjectPlan, ...]:
    """Decide what is done for each object, in the order in which it is to be done."""
    in_order = sorted(views, key=lambda view: in_turn(view.address))
    return tuple(plan for plan, _ in planned(in_order, rules))


def in_turn(address: Address) -> bytes:
    """Sorts objects by kind and name, and versions as people count: 2 before 10."""
    version = address.version
    parts = [version] if version.isdecimal() else _DIGITS.findall(version)
    natural = "".join(map(_natural, parts))
    text = f"{address.kind}\0{address.name}\0{natural}\0{version}\0{address.origin}"
    return text.encode("utf-8", "surrogatepass")


_DIGITS = re.compile(r"\d+|\D+")


def _natural(part: str) -> str:
    """Sorts numbers by how large they are, and before text."""
    if not part.isdecimal():
        return f"1{part}\1"
    plain = part if part.isascii() else "".join(str(unicodedata.digit(one)) for one in part)
    digits = plain.lstrip("0")
    return f"0{len(digits):06d}{digits}"


def _in_line(step: Step, view: View, queue: Queue) -> Step:
    """The step, or waiting where an earlier version of the model must come first."""
    blocker = queue.blocker(step.target, view.address)
    first_time = not view.holdings.get(step.target)
    if step.works and blocker and first_time:
        return Step(target=step.target, verb="wait", reason=waits_for(blocker))
    may_come = not view.ref.unfinished if view.ref else step.target in view.silent
    if step.verb in {"wait", "unsettled"} and first_time and may_come:
        queue.hold(step.target, view)
    return step


def _step(view: View, target: str, rules: Rules) -> Step:
    verb, reason = _judge(view, target, rules)
    never = verb == "unsettled" and view.ref is not None and bool(view.ref.unfinished)
    is_unread = verb == "wait" and view.ref is not None and reason == view.ref.unreadable
    status = view.ref.unreadable_status if is_unread and view.ref else 0
    return Step(target=target, verb=verb, reason=reason, never=never, status=status)


def _judge(view: View, target: str, rules: Rules) -> tuple[Verb, str]:
    """What is done; of what was chosen once and is no more, only what it is called is news."""
    why = unfit(rules.choice, view.ref, rules.now) if view.ref else ""
    if not why:
        return _judge_chosen(view, target, rules)
    if _has_of_old(view, target, rules):
        verb, reason = _judge_chosen(view, target, rules)
        if verb == "relabel":
            return verb, f"{reason}; {why}"
    return "leave", why


def _judge_chosen(view: View, target: str, rules: Rules) -> tuple[Verb, str]:
    """The first rule that applies decides."""
    not_now = _not_now(view, target, rules)
    if not_now:
        return not_now
    delivered = view.delivered.get(target, NOTHING_GIVEN)
    if view.ref is None:
        verb, reason = gone(view, target, rules)
        spared = _spared(view, delivered, rules) if verb in PACKED else None
        return spared or (verb, reason)
    verb, reason = _compared(view, target)
    if verb == "keep" and view.packed and _is_due(view, rules):
        verb, reason = "compare", f"not read in full since {day(view.packed.read_at)}"
    if verb == "keep" and delivered.marked:
        return "revive", "it is at the source again"
    if verb not in WORK:
        return verb, reason
    clash = "" if target in rules.keeping else view.clash
    # What nobody has compared yet may well be the same.
    rivalled = "" if verb == "compare" else yields(view, target)
    if why := clash or rivalled or anothers_word(view, target, rules):
        return "set-aside", why
    return _spared(view, delivered, rules) or (verb, reason)


def _is_due(view: View, rules: Rules) -> bool:
    """Whether an object is to be read in full though nothing seems to have changed.

    What was read on one day is read again on different ones.
    """
    read_at = view.packed.read_at if view.packed else 0
    age = rules.now - read_at
    # Of a hundred thousand few are old enough for it to matter what they are called.
    if not rules.reread or not read_at or view.stored == "pruned" or age < rules.reread * 3 // 4:
        return False
    spread = zlib.crc32(str(view.address).encode("utf-8", "surrogatepass")) % rules.reread // 4
    return age >= rules.reread - spread


def _not_now(view: View, target: str, rules: Rules) -> tuple[Verb, str] | None:
    """Why an object is no matter for a target at all, or cannot be now."""
    if excluded := exclusion(rules.choice, view.address):
        return "leave", excluded
    if view.ref is None:
        why = view.silent.get(target) or view.hidden
        return ("wait", why) if why else None
    return _not_from(view, view.ref, target, rules) or (
        ("wait", view.silent[target]) if target in view.silent else None
    )


def _has_of_old(view: View, target: str, rules: Rules) -> bool:
    """Whether packages at a target say of an object what it was called when it was chosen."""
    there = view.stored == "package" if target == VAULT else bool(view.holdings.get(target))
    return target in rules.keeping and there


def is_ready(ref: Ref, *, snapshots: bool) -> bool:
    """Whether an object can be taken; a version is what its run made, and waits for its end."""
    return not ref.unfinished and (ref.settled or (snapshots and ref.address.kind == "runs"))


def _not_from(view: View, ref: Ref, target: str, rules: Rules) -> tuple[Verb, str] | None:
    """Why an object that the source shows is nothing for a target, or cannot be taken now."""
    # Two that took each other for their origin, because both were there before, are none.
    mutual = ref.adopted and view.holdings.get(target)
    names = (target, rules.locators.get(target, target))
    how = _whence(rules.now, names, ref.origin.partition("#")[0], ref.through)
    if how and not mutual:
        return "leave", f"echo: came {how} this target"
    if ref.unreadable:
        return "wait", ref.unreadable
    if not is_ready(ref, snapshots=rules.snapshots):
        return "unsettled", ref.unfinished or "not settled: its run still logs"
    return None


# Where a folder is, to which a name may lead by links, is asked once a round, not for each object.
@lru_cache(maxsize=1024)
def _whence(
    _round: int, names: tuple[str, ...], origin: str, path: tuple[str, ...]
) -> Literal["from", "through", ""]:
    return whence(names, origin, path)


def _too_much(count: int, rules: Rules, *, shown: bool) -> str:
    """Why nothing is taken away; "" if it may be."""
    if not shown:
        return "the source shows nothing at all, which is no reason to delete anything"
    if count <= rules.deletions.limit:
        return ""
    return (
        f"{count} objects are gone from the source, more than {rules.deletions.limit}"
        " (`deletions.limit`): none is deleted; if they are to go, raise the limit"
    )


def _withheld(plan: ObjectPlan, why: str) -> ObjectPlan:
    steps = tuple(
        Step(target=step.target, verb="set-aside", reason=why) if step.verb in REMOVING else step
        for step in plan.steps
    )
    return msgspec.structs.replace(plan, steps=steps)


def _spared(view: View, delivered: Delivered, rules: Rules) -> tuple[Verb, str] | None:
    """Work that is not done because it came to nothing before, and nothing has changed since."""
    if rules.retry or (view.ref and view.seen != view.look):
        return None
    for trouble in (view.trouble, delivered.trouble):
        if trouble and trouble.strikes >= rules.set_aside_after:
            return "set-aside", _set_aside(trouble)
    if view.packed and view.packed.marks == view.seen and delivered.passed_over == view.packed.ids:
        return "leave", _PASSED_OVER
    return None


def _set_aside(trouble: Trouble) -> str:
    return f"set aside after {trouble.strikes} failures: {trouble.sentence}"


def _compared(view: View, target: str) -> tuple[Verb, str]:
    if target == VAULT:
        return _at_vault(view)
    return _at_target(view, view.holdings.get(target), view.delivered.get(target, NOTHING_GIVEN))


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
    if view.stored == "pruned":
        return "leave", "pruned: the vault's retention does not keep it"
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
        if delivered.awaited:
            return "relabel", "the target has got others since, which it may name"
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


def _reading(view: View, steps: Sequence[Step], rules: Rules) -> Reading:
    if view.ref is None or PACKED.isdisjoint([step.verb for step in steps]):
        return "nothing"
    if _is_due(view, rules):
        return "everything"
    look = view.look
    if view.packed is None or look is None or look.content != view.packed.marks.content:
        return "everything"
    if look == view.packed.marks and view.stored == "package":
        return "nothing"
    return "labels" if view.stored in {"content", "package"} else "everything"


def unserved(plan: ObjectPlan) -> bool:
    """Whether some target is still to get an object, now or later."""
    return not _LATER.isdisjoint([step.verb for step in plan.steps])
