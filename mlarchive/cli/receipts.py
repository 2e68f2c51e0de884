"""Telling what a target did, or would do."""

from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.console import Console
from mlarchive.cli.ending import WITH_LOSSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlarchive.copy import Read
    from mlarchive.records import Address, Loss
    from mlarchive.registries.base import Action, Receipt, WritePlan


def tell_plan(
    source: "Address", plan: "WritePlan", console: Console, read: "Read | None" = None
) -> int:
    """Say what would be done; returns the exit status that doing it would have.

    Args:
        source: The object's address at its source.
        plan: What would be done with it.
        console: Where it is told.
        read: What was lost or changed before; None for nothing.
    """
    console.document({"address": str(source), "plan": plan, **_before(read)})
    console.say(f"{source} -> {plan.target}:{' nothing to do' if plan.idle else ''}")
    _tell_actions(plan.actions, "would ", console)
    return _tell_rest(plan, read, console)


def tell_receipt(receipt: "Receipt", console: Console, read: "Read | None" = None) -> int:
    """Say what was done; returns the exit status."""
    console.document({"receipt": receipt, **_before(read)})
    if receipt.idle:
        console.say(f"{receipt.target}: nothing to do")
    else:
        console.say(f"{_both_names(receipt)}: done, {wording.size(receipt.bytes)} sent")
    _tell_actions(receipt.actions, "", console)
    return _tell_rest(receipt, read, console)


def _both_names(receipt: "Receipt") -> str:
    """What the target calls an object, and its source where people know it by another name."""
    source, target = receipt.source, receipt.target
    if source.kind != "experiments" or source.name == target.name:
        return str(target)
    return f"{target}, which is {str(source).rpartition('#')[2]} at the source"


def _before(read: "Read | None") -> "dict[str, Sequence[Loss]]":
    return {
        "read_losses": read.losses if read else (),
        "read_transformations": read.transformations if read else (),
    }


def _tell_actions(actions: "Sequence[Action]", mood: str, console: Console) -> None:
    for action in actions:
        if action.verb != "keep":
            why = f" ({action.why})" if action.why else ""
            console.say(f"  {mood}{action.verb} {action.what}{why}")


def _tell_rest(done: "Receipt | WritePlan", read: "Read | None", console: Console) -> int:
    before = _before(read)
    changed = len(before["read_transformations"]) + len(done.transformations)
    if changed:
        things = wording.count(changed, "thing")
        console.say(f"  {things} held in another form, as --json lists")
    losses = (*before["read_losses"], *done.losses)
    console.losses(losses)
    return WITH_LOSSES if losses else 0
