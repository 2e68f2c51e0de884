"""`mlarchive receive`: what was carried over is taken in, and receipts are written for it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import add_dry_run, locators, place
from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE, Ending
from mlarchive.cli.outboxes import tell_troubles
from mlarchive.cli.secrets import add_signing, signing_keys
from mlarchive.errors import (
    MissingChunksError,
    MixedFailuresError,
    NotFoundError,
    ShipmentError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlarchive.transfer.inbox import Inbox
    from mlarchive.transfer.media import Taken
    from mlarchive.transfer.receipt import Receipt

SUMMARY = "take in what was carried over, and write receipts for it"
DESCRIPTION = """\
Take shipments into an inbox: each is read to the last byte, and accepted with all that it leans
on. What came before changes nothing; what is damaged, or lacks something, is named with what to
bring; a stream that goes back to an earlier number is refused. The receipts in DIR/receipts are
carried back, and taken in by the same command at the outbox. A page to print and to sign is beside
each.

exit status: 0 all is here, 4 something is damaged, 17 something must be brought, 38 a rollback was
refused; others as in mlarchive -h
"""
EXAMPLES = """\
examples:
  mlarchive receive inbox:in --from /media/disk
  mlarchive receive inbox:in --from /media/disk --dry-run           what would become of it
  mlarchive receive inbox:in                        what was put into in/incoming
  mlarchive receive outbox:out --from /media/disk   the receipts
  mlarchive receive inbox:in --allow-rollback 'the sender was restored from last week'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("box", metavar="BOX", help="inbox:DIR or outbox:DIR; an inbox is made")
    parser.add_argument(
        "--from",
        dest="media",
        type=place,
        metavar="MEDIA",
        help="a folder that is only read; DIR/incoming by default",
    )
    parser.add_argument(
        "--allow-rollback",
        default="",
        metavar="REASON",
        help="let streams go back to earlier numbers, or leap over epochs; the reason is recorded",
    )
    add_signing(parser, "each receipt, in a file beside it,")
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Take in shipments, or receipts."""
    (box,) = locators([arguments.box])
    if box.scheme not in {"inbox", "outbox"} or str(box) != box.origin:
        raise UsageError(f"{box.text} is no inbox and no outbox", hint="name inbox:DIR")
    media = Path(arguments.media) if arguments.media else None
    if media is not None and not media.is_dir():
        raise NotFoundError(f"{media} is not a folder", hint="see that the medium is mounted")
    if box.scheme == "outbox":
        return _take_receipts(Path(box.registry), media, arguments, console)
    return _receive(Path(box.registry), media, arguments, console)


def _receive(
    folder: Path, media: Path | None, arguments: argparse.Namespace, console: Console
) -> int:
    from mlarchive.registries.opening import packing_time
    from mlarchive.transfer.inbox import Inbox
    from mlarchive.transfer.rehearsal import Rehearsal

    with (Rehearsal if arguments.dry_run else Inbox).open(folder) as inbox:
        now = packing_time(console.environment)
        taken = inbox.receive(
            media,
            trust=console.trust,
            rollback=arguments.allow_rollback,
            keys=signing_keys(arguments, console),
            now=now,
        )
        if media and not taken:
            raise _nothing(media, "a note, *.shipment.json")
        for one in taken:
            _tell(one, console)
        bring = _tell_missing(inbox, console)
    return status_of(taken, bring=bring)


def status_of(taken: "Sequence[Taken]", *, bring: bool) -> int:
    """How it ends: damage before refusals, which share a status or are mixed, then what is missing.

    Args:
        taken: What became of all that was there.
        bring: Whether something must be brought.
    """
    outcomes = {one.outcome for one in taken}
    if "damaged" in outcomes:
        return DAMAGE
    refused = {
        one.error.exit_status for one in taken if one.outcome == "refused" and one.error is not None
    }
    if refused:
        return refused.pop() if len(refused) == 1 else MixedFailuresError.exit_status
    return MissingChunksError.exit_status if bring or "waits" in outcomes else 0


def _tell(taken: "Taken", console: Console) -> None:
    console.document(
        {
            "file": taken.file,
            "outcome": taken.outcome,
            "shipment": taken.shipment or None,
            "address": taken.address or None,
            "why": taken.why,
        }
    )
    what = f"{taken.shipment}, {taken.address}" if taken.shipment else taken.file
    why = f": {taken.why}" if taken.why else ""
    console.say(f"{taken.outcome:<8}  {what}{why}")
    if taken.error is not None and taken.error.hint:
        console.note(f"hint: {taken.error.hint}")


_MOST = 20


def _tell_missing(inbox: "Inbox", console: Console) -> bool:
    """Say what to bring of each stream; whether there is anything."""
    bring = False
    for stream in inbox.streams:
        missing = inbox.missing(stream)
        console.document({"stream": stream, "missing": missing})
        for one in missing[:_MOST]:
            console.say(f"bring     {one}")
        if len(missing) > _MOST:
            console.say(f"bring     … and {len(missing) - _MOST} more (--json lists all)")
        bring = bring or bool(missing)
    for address in inbox.torn():
        console.note(f"{address} comes in several streams; what was made last counts")
    for lost in inbox.lost():
        console.document({"stream": lost.stream, "missing": [str(lost)]})
        console.say(f"bring     {lost} again: the vault has lost {lost.address}")
        bring = True
    return bring


def _take_receipts(
    folder: Path, media: Path | None, arguments: argparse.Namespace, console: Console
) -> int:
    from mlarchive.transfer.outbox import Outbox
    from mlarchive.transfer.receipt import SUFFIX, read_receipt, receipt_files

    if not (folder / "stream.json").is_file():
        raise NotFoundError(f"{folder} is no outbox", hint="check the path after outbox:")
    if arguments.sign:
        raise UsageError(
            "an outbox writes no receipts that could be signed", hint="leave --sign out"
        )
    found = receipt_files(media or folder / "receipts")
    if media and not found:
        raise _nothing(media, f"a receipt, *{SUFFIX}")
    end = Ending()
    with (Outbox.look if arguments.dry_run else Outbox.open)(folder, trust=console.trust) as outbox:
        take = outbox.consider_receipt if arguments.dry_run else outbox.take_receipt
        ours = 0
        for path in found:
            with end.outlasting(path, console):
                receipt = read_receipt(path)
                if receipt.stream != outbox.stream.stream:
                    console.note(f"{path} is for another stream, {receipt.stream}: passed over")
                    continue
                ours += 1
                _tell_receipt(path, take(path), console)
        if media and not ours and not end.status:
            raise ShipmentError(
                f"{media} holds receipts for other streams alone",
                hint=f"this one is {outbox.stream.stream}; see from where they were carried",
            )
        tell_troubles(outbox, end, console)
        waiting = len(outbox.pending)
    console.say(f"{waiting} without a receipt" if waiting else "all that was sent has arrived")
    return end.status


def _tell_receipt(path: Path, receipt: "Receipt", console: Console) -> None:
    through = receipt.through.sequence if receipt.through else 0
    gaps = [{"first": a, "last": b} for a, b in receipt.missing]
    console.document(
        {
            "file": str(path),
            "stream": receipt.stream,
            "epoch": receipt.epoch,
            "through": through,
            "missing": gaps,
        }
    )
    again = ", ".join(f"{a} to {b}" for a, b in receipt.missing)
    console.say(f"{path}: all up to {through} arrived{f'; carry again {again}' if again else ''}")


def _nothing(media: Path, wanted: str) -> NotFoundError:
    return NotFoundError(
        f"{media} holds nothing that was sent: {wanted}, is not there",
        hint="see that it is the right medium, and that all of carry/ or receipts/ was copied",
    )
