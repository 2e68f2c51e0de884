"""What becomes of objects that their source shows no more. Pure functions of what is known."""

from datetime import UTC, datetime

from mlarchived.contention import anothers_word, yields
from mlarchived.rules import Deletions, Rules
from mlarchived.steps import Verb
from mlarchived.views import NOTHING_GIVEN, VAULT, Ids, Marks, View

_BRINGING_BACK = (
    "and its source shows it no more; copy its package back into the vault from a copy of the vault"
    " or from a target that keeps packages, or let it be: `mlarchived forget --object ADDRESS`"
)
LOST = f"its package is gone from the vault, and nothing says that it was pruned, {_BRINGING_BACK}"
"""Why an object is set aside that neither its source nor the vault has."""

LOST_THERE = (
    "it is gone from the target, and neither its source nor a vault of this mirror has its package"
    " any more; bring it back there from wherever it still is, or let it be:"
    " `mlarchived forget --object ADDRESS`"
)
"""Why an object is set aside that nobody can give the target again."""

NEVER_CAME = (
    "what was seen of it last never came to the target, as far as that says, and neither its"
    " source nor a vault of this mirror has that any more; bring it there from wherever it still"
    " is, or let it be: `mlarchived forget --object ADDRESS`"
)
"""Why an object is set aside that was pruned, or lost, before a target had it."""

UNREADABLE = (
    "it went from its source before anybody could read it, so that neither a vault of this mirror"
    " nor the target has anything of it, and nothing is left to be tried again; bring it there from"
    " wherever it still is, or let it be: `mlarchived forget --object ADDRESS`"
)
"""Why an object is set aside that was seen and never read."""

OTHER_THERE = (
    "it went from its source before anybody could read it; what the target has under its name is"
    " from elsewhere, or from before; bring it there from wherever it still is, or let it be:"
    " `mlarchived forget --object ADDRESS`"
)
"""Why an object is set aside that was never read, though its target has something of its name."""

NEVER_READ = (
    "the target has what was read of it last; what was seen after that went from its source before"
    " anybody had read it; bring it there from wherever it still is, or let it be:"
    " `mlarchived forget --object ADDRESS`"
)
"""Why an object is set aside of which something newer was seen once, be it labels alone."""

UNLABELLED = (
    "its package with the labels that it had last is gone from the vault, which has its content"
    f" with others, {_BRINGING_BACK}"
)
"""Why an object is set aside whose last labels neither its source nor the vault has."""

UNSURE = (
    "the mirror had it before the ledger knew this target, its source shows it no more, and the"
    " target does not have it as it was last: nobody knows whether it ever came there; bring it"
    " there (`mlarchive copy`), or let it be: `mlarchived forget --object ADDRESS`"
)
"""Why an object is set aside of which a new ledger cannot say whether a target is to have it."""


_IN_TIME = "gone from the source before it came there; the vault has it"
_OF_BEFORE = "gone from the source before its news were read; the vault has it as it was before"


def gone(view: View, target: str, rules: Rules) -> tuple[Verb, str]:
    """What becomes of an object that the source shows no more."""
    if name := view.succeeded.get(target):
        known = view.delivered.get(target)
        verb: Verb = "keep" if known == NOTHING_GIVEN else "release"
        return verb, f"the source has it under another name: what is there is the copy of {name}"
    if rules.deletions.policy == "keep" or target == VAULT:
        return _outlived(view, target, rules)
    return _taken_away(view, target, rules.deletions)


def _taken_away(view: View, target: str, told: Deletions) -> tuple[Verb, str]:
    """What becomes of an object that is to go where it is gone from the source."""
    if not view.gone_at:
        return (
            "keep",
            "the source was not asked for it, has it still, or is asked for the first time",
        )
    since = f"gone from the source since {day(view.gone_at)}"
    if view.gone_for < told.grace * 1000:
        return "leave", f"{since}, still in its time of grace"
    if told.policy == "delete" and (labels := view.touched.get(target)):
        return "set-aside", f"{since}, but people gave it labels at the target: {labels}"
    if others := [rival.mirror for rival in view.rivals.get(target, ()) if rival.has_it]:
        return "keep", f"{since}, but the mirror {others[0]!r} brings it too"
    spared = _not_ours(view, target, told)
    return ("keep", f"{since}, {spared}") if spared else (told.policy, since)


def _outlived(view: View, target: str, rules: Rules) -> tuple[Verb, str]:
    """What becomes of an object that is kept although it is gone, where it is there still."""
    delivered = view.delivered.get(target, NOTHING_GIVEN)
    if target == VAULT:
        missed = view.stored in {"nothing", "content"} and not delivered.pruned
        if delivered.given and missed:
            return "set-aside", UNLABELLED if view.stored == "content" and view.in_vault else LOST
        if delivered.owed and (view.unread or not delivered.given):
            return "set-aside", NEVER_READ if delivered.given else UNREADABLE
    elif delivered.given and _has_lost(view, target):
        if view.stored != "package":
            return "set-aside", LOST_THERE
        return "copy", "gone from the target and from the source; the vault has it"
    elif delivered.owed and (work := _overdue(view, target, rules)):
        return work
    return "keep", "gone from the source; deletions are not mirrored"


def _overdue(view: View, target: str, rules: Rules) -> tuple[Verb, str] | None:
    """What a target is owed of an object that its source shows no more; None for nothing."""
    taken, held = view.taken, view.holdings.get(target)
    if target not in view.holdings or _has_what_was_taken(view, target, rules):
        return None
    if held is None and any(rival.has_it for rival in view.rivals.get(target, ())):
        return None
    if why := _missed(view, target) or yields(view, target) or anothers_word(view, target, rules):
        return "set-aside", why
    labels_alone = taken and held and held.content_id == taken.content
    return "relabel" if labels_alone else "copy", _OF_BEFORE if view.unread else _IN_TIME


def _missed(view: View, target: str) -> str:
    """Why nobody can give a target what it is owed; "" if the vault can."""
    known = view.delivered[target]
    if known.doubted:
        return UNSURE
    if view.unread and view.holdings[target] and view.taken in {None, known.given}:
        return NEVER_READ
    if view.packed is None and view.taken is None and view.stored == "nothing":
        return OTHER_THERE if view.holdings[target] else UNREADABLE
    return NEVER_CAME if view.taken is None or view.stored != "package" else ""


def _last(view: View) -> Ids | None:
    """What the mirror took of an object last; None if that is not what was seen of it last."""
    return None if view.unread else view.taken


def _has_what_was_taken(view: View, target: str, rules: Rules) -> bool:
    """Whether a target says that it has what the mirror took of an object last."""
    held, known, taken = view.holdings[target], view.delivered[target], _last(view)
    if held is None:
        return False
    there = Ids(content=held.content_id, state=held.state_id)
    if taken is None:
        return _came_meanwhile(view, target, there)
    # What a server makes of labels is not known then; nor, of what was pruned, which were the last.
    by_server = target not in rules.keeping and known.given is None
    by_content = by_server or (known.doubted and view.stored == "pruned")
    return there.content == taken.content if by_content else there == taken


def _came_meanwhile(view: View, target: str, there: Ids) -> bool:
    """Whether a target has something of an object that came there after it was seen last."""
    known = view.delivered[target]
    if view.seen == Marks(content=there.content, state=there.state):
        return True  # Packages look like what they are.
    if known.ids is None:
        # What it had before that is no news; of a new ledger and of others' nobody knows.
        return known.doubted or any(one.has_it for one in view.rivals.get(target, ()))
    # A server from which an alias was taken, be it by this mirror, states no labels any more.
    return there.content != known.ids.content or there.state not in {known.ids.state, ""}


def _has_lost(view: View, target: str) -> bool:
    """Whether a target says that it has nothing of an object, which is no other mirror's task."""
    rivals = view.rivals.get(target, ())
    asked = target in view.holdings
    return asked and not view.holdings[target] and not any(rival.has_it for rival in rivals)


def _not_ours(view: View, target: str, told: Deletions) -> str:
    """Why nothing is taken away from a target; "" if something is."""
    held, delivered = view.holdings.get(target), view.delivered.get(target, NOTHING_GIVEN)
    if held is None:
        return "and from here"
    if held.deleted:
        return "and deleted there"
    if view.seen is None:
        return "but the vault had it before, and the source was never seen to show it"
    # What arrived over a gap after it went from the source was never noted as delivered.
    given = delivered.ids or (view.packed.ids if view.packed else None)
    if given is None or held.content_id != given.content:
        return "but the target has other content than it was given"
    return "and marked so" if told.policy == "tombstone" and delivered.marked else ""


def day(milliseconds: int) -> str:
    """The day of a time in ms since 1970 UTC, for a person."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
