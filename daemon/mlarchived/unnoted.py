"""What a mirror's vault got, and a writer that was killed did not note in the ledger any more.

Of what its source still shows nothing is to be done: it is read again, and found. What it shows no
more would else be taken for lost, though targets wait for it and the vault has it.
"""

from mlarchive.records import Address
from mlarchive.vault import Kept, Vault
from mlarchived.ledger import Delivery, Ledger, Record
from mlarchived.ledger.ledger import Awaited
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
    for address, awaited in ledger.gone_and_owed(room.job.name).items():
        with room.store.vault(address) as vault:
            kept = _later(vault, address, awaited)
        # Of packages it is known what was seen; of others the time has to tell.
        of_packages = room.job.source.locator.scheme == "vault"
        if kept and (not of_packages or kept.content_id == awaited.seen):
            ids = _ids(kept)
            record.delivered(address, VAULT, Delivery(given=ids, held=ids, at=str(kept.path)))


def _later(vault: Vault, address: Address, awaited: Awaited) -> Kept | None:
    """The package that counts, if it came after what the ledger knows to have been given."""
    latest = next(iter(vault.find(address=address)), None)
    if latest is None or not latest.complete or _ids(latest) == awaited.given:
        return None
    if awaited.given is None:
        # The debt was noted before anything was packed; an older package is of something else.
        # By this machine's clock, which that of the vault's disk may be behind, or by that.
        return latest if max(latest.packed_at, _came_at(latest)) >= awaited.since else None
    # Where that one is gone, what is left may be older.
    return latest if find(vault, address, awaited.given) else None


def _came_at(kept: Kept) -> int:
    """When a package was put into the vault, ms since 1970 UTC; 0 if it is not there."""
    try:
        return kept.path.stat().st_mtime_ns // 1_000_000
    except FileNotFoundError:
        return 0


def _ids(kept: Kept) -> Ids:
    return Ids(content=kept.content_id, state=kept.state_id)
