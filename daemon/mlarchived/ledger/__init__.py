"""The ledger: what each mirror has seen, packed and delivered, in one SQLite file.

It is the truth about what was done; registries are the truth about what is there. Losing it costs
a reading of the sources, never a second copy: targets and vaults remember what they hold.
"""

from mlarchived.ledger.drops import Dropped, Drops
from mlarchived.ledger.lease import LeaseLostError
from mlarchived.ledger.ledger import Ledger
from mlarchived.ledger.record import Delivery, Record
from mlarchived.ledger.standing import ObjectTrouble, Standing
from mlarchived.ledger.taking import Given

__all__ = [
    "Delivery",
    "Dropped",
    "Drops",
    "Given",
    "LeaseLostError",
    "Ledger",
    "ObjectTrouble",
    "Record",
    "Standing",
]
