"""Whether a shipment fits those that were accepted before, and is what its package says."""

from collections import defaultdict
from collections.abc import Mapping

from mlarchive.errors import RollbackError, ShipmentError
from mlarchive.records import Address
from mlarchive.transfer.acceptance import Accepted
from mlarchive.transfer.media import Medium, Note
from mlarchive.transfer.receipt import moment
from mlarchive.transfer.shipment import Shipment

Doubled = Mapping[tuple[str, int, int], str]
"""For a stream, epoch and number under which different notes came, the files that these are."""


def doubled(medium: Medium) -> Doubled:
    """The numbers under which a medium has several notes that differ, and which files these are."""
    found: defaultdict[tuple[str, int, int], dict[str, Note]] = defaultdict(dict)
    for note in medium.notes:
        found[(note.shipment.stream, *note.shipment.number)].setdefault(note.shipment.id, note)
    return {
        number: " and ".join(map(_dated, sorted(notes.values(), key=_made_at)))
        for number, notes in found.items()
        if len(notes) > 1
    }


def _made_at(note: Note) -> tuple[int, str]:
    return note.shipment.made_at, str(note.path)


def _dated(note: Note) -> str:
    return f"{note.path}, made {moment(note.shipment.made_at)}"


def require_alone(shipment: Shipment, others: Doubled, goes_back: str) -> None:
    """Refuse what comes beside another under its number: nobody knows which of them counts.

    Nor does a stream go back while any number of it came twice.

    Raises:
        RollbackError: It does.
    """
    files = others.get((shipment.stream, *shipment.number), "")
    if goes_back and not files:
        files = next((text for (of, *_), text in others.items() if of == shipment.stream), "")
        if files:
            raise RollbackError(
                f"{shipment} {goes_back}, and others of its stream came in two forms: {files}",
                hint="take away those that were sent before the sender was restored",
            )
    if files:
        raise RollbackError(
            f"{shipment} came in two forms that differ: {files}",
            hint="take away those that were sent before the sender was restored",
        )


def why_back(shipment: Shipment, accepted: Accepted) -> str:
    """Why a shipment that is not known goes back behind what was accepted; "" if it does not."""
    if not accepted:
        return ""
    if shipment.number in accepted:
        return "is another one than that which arrived under its number"
    if shipment.epoch < max(accepted)[0]:
        return "is of an epoch that has ended"
    before = accepted.get((shipment.epoch, shipment.sequence - 1))
    after = accepted.get((shipment.epoch, shipment.sequence + 1))
    if (before and before.id != shipment.previous) or (after and after.previous != shipment.id):
        return "does not fit those that arrived beside it"
    return ""


def why_ahead(shipment: Shipment, accepted: Accepted) -> str:
    """Why a shipment would end epochs that nobody saw begin; "" if it would not.

    Notes are not signed: a forged one of a far epoch would make all that follows go back.
    """
    last = max(accepted)[0] if accepted else shipment.epoch
    if shipment.epoch > last + 1:
        return f"leaps from epoch {last}, and nobody signed that others began and ended between"
    return ""


def require_named(shipment: Shipment, address: Address, content_id: str, state_id: str) -> None:
    """Refuse a note that gives a package another name, or other ids, than it has.

    Raises:
        ShipmentError: It does.
    """
    package = shipment.package
    if package is not None and (package.content_id, package.state_id) != (content_id, state_id):
        raise ShipmentError(
            f"{shipment} says of its package another content or state than it has",
            hint="ask whoever sent it; nothing of it was kept",
        )
    if shipment.address != address:
        raise ShipmentError(
            f"{shipment} says that its package is {shipment.address}, and it is {address}",
            hint="ask whoever sent it; nothing of it was kept",
        )
