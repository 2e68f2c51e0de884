"""Telling what a target did, or would do."""

from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.console import Console
from mlarchive.cli.ending import WITH_LOSSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlarchive.records import Address, Loss
    from mlarchive.registries.base import Action, Receipt, WritePlan


def tell_plan(
    source: "Address",
    plan: "WritePlan",
    console: Console,
    *,
    read_losses: "Sequence[Loss]" = (),
) -> int:
    """Say what would be done; returns the exit status that doing it would have.

    Args:
        source: The object's address at its source.
        plan: What would be done with it.
        console: Where it is told.
        read_losses: What could not be read at the source.
    """
    console.document({"address": str(source), "plan": plan, "read_losses": read_losses})
    console.say(f"{source} -> {plan.target}:{' nothing to do' if plan.idle else ''}")
    _tell_actions(plan.actions, "would ", console)
    losses = (*read_losses, *plan.losses)
    _tell_rest(losses, plan.transformations, console)
    return WITH_LOSSES if losses else 0


def tell_receipt(
    receipt: "Receipt", console: Console, *, read_losses: "Sequence[Loss]" = ()
) -> int:
    """Say what was done; returns the exit status."""
    console.document({"receipt": receipt, "read_losses": read_losses})
    if receipt.idle:
        console.say(f"{receipt.target}: nothing to do")
    else:
        console.say(f"{receipt.target}: done, {wording.size(receipt.bytes)} sent")
    _tell_actions(receipt.actions, "", console)
    losses = (*read_losses, *receipt.losses)
    _tell_rest(losses, receipt.transformations, console)
    return WITH_LOSSES if losses else 0


def _tell_actions(actions: "Sequence[Action]", mood: str, console: Console) -> None:
    for action in actions:
        if action.verb != "keep":
            why = f" ({action.why})" if action.why else ""
            console.say(f"  {mood}{action.verb} {action.what}{why}")


def _tell_rest(
    losses: "Sequence[Loss]", transformations: "Sequence[Loss]", console: Console
) -> None:
    if transformations:
        things = wording.count(len(transformations), "thing")
        console.say(f"  {things} held in another form, as --json lists")
    console.losses(losses)
