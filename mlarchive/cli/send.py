"""`mlarchive send`: objects go into an outbox, to be carried to the other side."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import add_dry_run, locators
from mlarchive.cli.console import Console
from mlarchive.cli.ending import WITH_LOSSES, Ending
from mlarchive.cli.objects import BY_NUMBER, addresses, opened, scratch_home, tell_unlisted
from mlarchive.cli.outboxes import tell_troubles
from mlarchive.cli.receipts import tell_plan
from mlarchive.cli.secrets import add_signing, signing_keys
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlarchive.records import Address
    from mlarchive.registries.base import Source, WritePlan
    from mlarchive.registries.locator import Locator
    from mlarchive.registries.outbox import OutboxRegistry
    from mlarchive.transfer.outbox import Outbox
    from mlarchive.transfer.shipment import Shipment

SUMMARY = "put objects into an outbox, to be carried to the other side"
DESCRIPTION = """\
Send what is new: each object becomes a numbered shipment in DIR/carry, a note and a package that
leans on what is known to have arrived. Carry all of that folder; carry back the receipts that
`mlarchive receive` writes there, and take them in with `mlarchive receive outbox:DIR --from MEDIA`.
What no receipt came for stays in DIR/carry, to be carried again. Doing it again sends nothing.
"""
EXAMPLES = """\
examples:
  mlarchive send 'mlflow+http://127.0.0.1:5000#models/*' outbox:out --deletions
  mlarchive send vault:vault outbox:out --dry-run
  mlarchive send vault:vault outbox:diode --no-receipts 10   every tenth package of a name is full
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a locator; see mlarchive -h")
    parser.add_argument("target", metavar="OUTBOX", help="outbox:DIR; made if it is not there")
    parser.add_argument(
        "--deletions",
        action="store_true",
        help="send a tombstone for what was sent and is not at its source any more",
    )
    parser.add_argument(
        "--full", action="store_true", help="send everything again, leaning on nothing"
    )
    parser.add_argument(
        "--thin",
        action="store_true",
        help="pack signed packages anew, too, to carry less: their signatures hold for content and "
        "state alone then",
    )
    parser.add_argument(
        "--new-epoch",
        action="store_true",
        help="number anew and lean on nothing that was sent: after the outbox was restored from a "
        "backup, or the other side was lost",
    )
    parser.add_argument(
        "--no-receipts",
        type=_count,
        metavar="N",
        help="for a new outbox without a way back: every N-th package of a name is full",
    )
    add_signing(parser, "each note, in a file beside it,")
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Send everything that the sources name."""
    from mlarchive.transfer.outbox import Outbox

    *sources, target = locators([*arguments.sources, arguments.target])
    if target.scheme != "outbox" or str(target) != target.origin:
        raise UsageError(f"{target.text} is no outbox", hint="name outbox:DIR last")
    if arguments.deletions and (one := next((s for s in sources if s.selector.alias), None)):
        raise UsageError(
            f"{one.text} names one version by an alias, which says nothing of what is gone",
            hint="leave out --deletions, or name the whole model, or a version by its number",
        )
    if arguments.dry_run:
        return _rehearse(sources, target, arguments, console)
    end = Ending()
    with Outbox.open(
        Path(target.registry),
        full_every=arguments.no_receipts,
        new_epoch=arguments.new_epoch,
        trust=console.trust,
        keys=signing_keys(arguments, console),
    ) as outbox:
        tell_troubles(outbox, end, console)

        def carry(source: "Source", address: "Address") -> int:
            return _send(source, address, outbox, arguments, console)

        for address in _each(sources, outbox, arguments, console, end=end, carry=carry):
            _bury(outbox, address, console)
        _tell_rest(outbox, console)
    return end.status


def _rehearse(
    sources: "Sequence[Locator]", target: "Locator", arguments: argparse.Namespace, console: Console
) -> int:
    """Say what would be sent."""
    from mlarchive.registries.outbox import OutboxRegistry
    from mlarchive.transfer.outbox import Outbox

    end = Ending()
    outbox = Outbox.look(
        Path(target.registry), full_every=arguments.no_receipts, new_epoch=arguments.new_epoch
    )
    with OutboxRegistry(outbox, origin=target.origin, made_at=0) as registry:

        def carry(source: "Source", address: "Address") -> int:
            return _plan(source, address, registry, arguments, console)

        for address in _each(sources, outbox, arguments, console, end=end, carry=carry):
            tell_plan(address, _burial(address, target.origin), console)
    return end.status


def _each(  # noqa: PLR0913  (from where, to where, how, and how it is told)
    sources: "Sequence[Locator]",
    outbox: "Outbox",
    arguments: argparse.Namespace,
    console: Console,
    *,
    end: Ending,
    carry: "Callable[[Source, Address], int]",
) -> "list[Address]":
    """Carry every object; what was in one of the sources and is in none now is gone."""
    there: set[Address] = set()
    gone: dict[Address, None] = {}
    silent = ""
    for locator in sources:
        with opened(locator, console) as source:
            found: list[Address] = []
            owes = end.owe(source, locator, console)
            with end.outlasting(locator.text, console):
                found = addresses(source, locator)
            tell_unlisted(source, console, BY_NUMBER)
            owes |= end.lag(source, console)
            silent = silent or (locator.text if owes or not found else "")
            there |= {*found}
            before = outbox.remembered(_key(locator))
            if not arguments.dry_run:
                outbox.remember(_key(locator), found)
            for address in found:
                with end.outlasting(address, console):
                    end.take(carry(source, address))
            if arguments.deletions:
                gone.update(dict.fromkeys(_gone(outbox, locator, source, before)))
    if arguments.deletions and silent:
        console.note(f"{silent} cannot tell of everything, so nothing counts as gone")
        return []
    return [address for address in gone if address not in there]


def _key(locator: "Locator") -> str:
    """A source's name, which is the same from wherever it is named."""
    if locator.scheme == "vault":
        return f"vault:{Path(locator.registry).resolve()}"
    return locator.origin


def _plan(
    source: "Source",
    address: "Address",
    registry: "OutboxRegistry",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    from msgspec.structs import replace

    from mlarchive.copy import Read, Way, plan_copy
    from mlarchive.registries.base import Action, WritePolicy
    from mlarchive.registries.opening import packing_time

    snapshot = source.read(address)
    read = Read(losses=snapshot.losses, transformations=snapshot.transformations)
    if snapshot.content_id:
        plan = registry.plan_write(snapshot, WritePolicy())
    else:
        way = Way(scratch=scratch_home(console), packed_at=packing_time(console.environment))
        planned = plan_copy(snapshot, registry, WritePolicy(), way)
        plan, read = planned.plan, planned.read
    if arguments.full:
        again = Action(verb="create", what=str(plan.target), why="all is sent again, in full")
        plan = replace(plan, actions=(again,))
    return tell_plan(address, plan, console, read)


def _burial(address: "Address", origin: str) -> "WritePlan":
    from msgspec.structs import replace

    from mlarchive.registries.base import Action, WritePlan

    there = replace(address, origin=origin)
    gone = Action(verb="delete", what=str(there), why="it is gone at its source")
    return WritePlan(target=there, actions=(gone,))


def _send(
    source: "Source",
    address: "Address",
    outbox: "Outbox",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    from dataclasses import replace

    from mlarchive.copy import Way, packaged
    from mlarchive.registries.opening import packing_time
    from mlarchive.trust.carrying import signature_losses

    now = packing_time(console.environment)
    snapshot = source.read(address)
    losses = snapshot.losses
    if arguments.thin:
        snapshot = replace(snapshot, original=None)
    if snapshot.content_id:
        shipment, fresh = outbox.send(snapshot, full=arguments.full, made_at=now)
    else:
        way = Way(scratch=scratch_home(console), packed_at=now)
        with packaged(snapshot, way) as package:
            losses = package.meaning.losses
            shipment, fresh = outbox.send(package.snapshot(), full=arguments.full, made_at=now)
    if fresh and shipment.package:
        written = shipment.package.package_id
        losses = (*losses, *signature_losses(snapshot.signatures, written, snapshot.subject))
    _tell(shipment, console, fresh=fresh)
    console.losses(losses)
    return WITH_LOSSES if losses else 0


def _gone(
    outbox: "Outbox", locator: "Locator", source: "Source", before: "set[Address]"
) -> "list[Address]":
    """What was sent and may be gone from a source, unless it is still there.

    Of packages, which are from anywhere, a vault's are those that were found in it before and were
    not pruned; a single package says nothing of others.
    """
    from mlarchive.registries.base import is_gone
    from mlarchive.registries.selecting import selects
    from mlarchive.registries.vaultregistry import VaultRegistry

    def is_from(address: "Address") -> bool:
        if locator.scheme == "inbox":
            return is_gone(source, address)
        if isinstance(source, VaultRegistry):
            last = outbox.last(address)
            return address in before and not (last and source.was_pruned(address, last))
        is_its = locator.scheme != "package" and address.origin == source.origin
        return is_its and is_gone(source, address)

    return [
        address
        for address in outbox.living()
        if is_from(address) and selects(locator.selector, address)
    ]


def _bury(outbox: "Outbox", address: "Address", console: Console) -> None:
    from mlarchive.registries.opening import packing_time

    shipment, fresh = outbox.bury(address, made_at=packing_time(console.environment))
    _tell(shipment, console, fresh=fresh)


def _tell(shipment: "Shipment", console: Console, *, fresh: bool) -> None:
    package = shipment.package
    console.document(
        {
            "address": str(shipment.address),
            "stream": shipment.stream,
            "epoch": shipment.epoch,
            "sequence": shipment.sequence,
            "tombstone": package is None,
            "package_id": package.package_id if package else None,
            "size": package.size if package else 0,
            "thin": bool(package and package.leans_on),
            "fresh": fresh,
        }
    )
    if not fresh:
        console.say(f"{shipment.address}: nothing to do, it is {shipment}")
    elif package is None:
        console.say(f"{shipment.address}: gone, {shipment} says so")
    else:
        console.say(f"{shipment.address}: {shipment}, {wording.size(package.size)}")


def _tell_rest(outbox: "Outbox", console: Console) -> None:
    waiting = outbox.pending
    if waiting:
        console.say(
            f"carry {outbox.folder / 'carry'}: {wording.count(len(waiting), 'shipment')} without a"
            " receipt"
        )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 31:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
