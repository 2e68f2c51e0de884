"""Whose word counts where others write to the same target: mirrors of this service, or anybody.

Pure functions of what is known of an object.
"""

from collections.abc import Collection

from mlarchived.rules import Rules
from mlarchived.views import NOTHING_GIVEN, Ids, View

FOREIGN = (
    "the target has other content under that name and version, which is not from this mirror:"
    " give this another version, or let it come there all the same, with"
    ' `conflict = "new-version"`'
)
"""Why a version is set aside whose place at a target something from elsewhere has."""

OVERRULED = (
    "the target was given this, and since then something else of that name by another, which"
    " counts there; let one of both leave it out (`exclude`), or put this there once more:"
    " `mlarchived once --retry`"
)
"""Why an object is set aside that is at a target, but does not count there any more."""


def yields(view: View, target: str) -> str:
    """Why what the target has is another mirror's word, which counts; "" if it is not."""
    if view.holdings.get(target) is None:
        return ""
    given = view.delivered.get(target, NOTHING_GIVEN).given
    news = view.wanted is None or view.wanted != given
    for rival in view.rivals.get(target, ()):
        if rival.first and (rival.has_it or not news):
            return (
                f"the mirror {rival.mirror!r}, which comes first in the configuration, brings"
                f" {'it' if rival.has_it else 'others of its name'} there too, and says otherwise;"
                " change their order, or let one leave it out (`exclude`)"
            )
    return ""


def is_unknown(view: View, target: str, wanted: Ids) -> bool:
    """Whether a target has something of an object that the ledger knows nothing of."""
    held, known = view.holdings.get(target), view.delivered.get(target, NOTHING_GIVEN)
    if held is None or (held.content_id, held.state_id) == (wanted.content, wanted.state):
        return False
    packed = view.packed.ids if view.packed else None
    there = Ids(content=held.content_id, state=held.state_id)
    brought = {rival.content for rival in view.rivals.get(target, ())}
    return there not in {known.ids, known.given, packed} and there.content not in brought


def anothers_word(view: View, target: str, rules: Rules) -> str:
    """Why what a target has of what is known of an object is not to be written over; "" if it is.

    What the target has from this mirror may be; and servers look after themselves.
    """
    if target not in rules.shared or view.wanted is None:
        return ""
    why = from_elsewhere(view, target, view.wanted, view.past, replaces=rules.replaces)
    return "" if why == OVERRULED and rules.retry else why


def from_elsewhere(
    view: View, target: str, wanted: Ids, past: Collection[Ids], *, replaces: bool
) -> str:
    """As `anothers_word`, of a target where others may be, whatever was known before.

    Args:
        view: What is known of the object.
        target: The target.
        wanted: What it is to get.
        past: What this mirror's vault has of the object, or had.
        replaces: Whether content may take the place of other content.
    """
    held, known = view.holdings.get(target), view.delivered.get(target, NOTHING_GIVEN)
    if held is None or not is_unknown(view, target, wanted):
        return ""
    if Ids(content=held.content_id, state=held.state_id) in past:
        return ""
    if known.given == wanted:
        return OVERRULED
    ours = {ids.content for ids in (*past, wanted, known.ids, known.given) if ids}
    if replaces or not view.address.version or held.content_id in ours:
        return ""
    return FOREIGN
