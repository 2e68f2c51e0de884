"""A copy of the ledger, on which is tried what a round would learn before it plans."""

from pathlib import Path
from typing import Self

from mlarchived.ledger import database, lease
from mlarchived.ledger.ledger import FILE_NAME, Ledger
from mlarchived.ledger.record import Record


class Rehearsal(Ledger):
    """A ledger as it is now; what is written to this copy is gone when it is closed."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Copy the ledger of a state folder; an empty one where there is none yet.

        Raises:
            MlarchiveError: As `Ledger.open`.
        """
        path = folder / FILE_NAME
        return cls(database.connect_to_copy(path), path)

    def pen(self, mirror: str) -> Record:
        """Writes to the copy, whoever works on the mirror."""
        return Record(lease.apart(self._connection, str(self._path), mirror), mirror)
