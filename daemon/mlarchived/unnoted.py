"""What a mirror's vault got, and a writer that was killed did not note in the ledger any more.

Of what its source still shows nothing is to be done: it is read again, and found. What it shows no
more would else be taken for lost, though targets wait for it and the vault has it.
"""

from mlarchive.records import Address
from mlarchive.vault import Kept, Vault
from mlarchived.ledger import Delivery, Ledger, Record
from mlarchived.room import Room
from mlarchived.stores import find
from mlarchived.views import VAULT, Ids


def note_all(room: Room, ledger: Ledger, record: Record) -> None:
    """Write down which packages came into the mirror's vault last, of what is gone and awaited.

    Raises:
        MlarchiveError: The vault's catalog cannot be read, or the ledger not be written.
    """
    if not room.job.vault or room.job.drop:
        return
    for address, given in ledger.gone_and_owed(room.job.name).items():
        with room.store.vault(address) as vault:
            kept = _later(vault, address, given)
        if kept:
            ids = _ids(kept)
            record.delivered(address, VAULT, Delivery(given=ids, held=ids, at=str(kept.path)))


def _later(vault: Vault, address: Address, given: Ids | None) -> Kept | None:
    """The package that counts, if it came after what the ledger knows to have been given."""
    latest = next(iter(vault.find(address=address)), None)
    if latest is None or not latest.complete or _ids(latest) == given:
        return None
    # Where that one is gone, what is left may be older.
    return latest if given is None or find(vault, address, given) else None


def _ids(kept: Kept) -> Ids:
    return Ids(content=kept.content_id, state=kept.state_id)
