"""What became of what was dropped, as a holder of the lease on a drop folder writes it down."""

import time
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from mlarchived.ledger.lease import Lease
from mlarchived.ledger.taking import Given, take_in

_NOTE = """
INSERT INTO dropped (mirror, token, name, outcome, packages, bytes, reason, at)
VALUES (:mirror, :token, :name, :outcome, :packages, :bytes, :reason, :now)
ON CONFLICT DO UPDATE SET outcome = :outcome, packages = :packages, bytes = :bytes,
    reason = :reason
"""
_WAITS_NO_MORE = """
DELETE FROM dropped INDEXED BY dropped_waiting
WHERE mirror = :mirror AND outcome = 'waiting' AND name = :name AND token != :token
"""
WAITING = """
SELECT token, name FROM dropped INDEXED BY dropped_waiting
WHERE mirror = :mirror AND outcome = 'waiting'
"""
"""Asked at every look."""
_OF_CLAIM = """
SELECT name, outcome, packages, bytes, reason FROM dropped WHERE mirror = :mirror AND token = :token
"""
_KNOWS = """
SELECT 1 FROM dropped WHERE mirror = :mirror AND name = :name AND outcome != 'waiting' LIMIT 1
"""
_SIZE_OF = """
SELECT bytes FROM dropped WHERE mirror = :mirror AND name = :name AND outcome = 'taken'
ORDER BY at DESC LIMIT 1
"""
_KNOWS_OF_IN = """
SELECT 1 FROM dropped WHERE mirror = :mirror AND name > :folder || '/' AND name < :folder || '0'
LIMIT 1
"""


class Dropped(Struct, frozen=True, kw_only=True):
    """What became of something that was dropped, or that it waits for another package.

    Attributes:
        token: Names its claim, which is noted once; what is noted last counts.
        name: Its path in the drop folder.
        outcome: `taken`, `quarantined` or `waiting`.
        packages: How many packages came of it.
        bytes: How large they are.
        reason: Why it was refused or waits, or what of it could not be carried; "" for neither.
    """

    token: str
    name: str
    outcome: str
    packages: int
    bytes: int
    reason: str = ""


class Drops:
    """The notes on one drop folder."""

    def __init__(self, lease: Lease, mirror: str) -> None:
        self._lease = lease
        self._mirror = mirror

    def note(
        self,
        dropped: Dropped,
        taken: Sequence[Given] = (),
        mirror: str = "",
        targets: Sequence[str] = (),
    ) -> None:
        """Something that was dropped was taken, or refused, or waits.

        Args:
            dropped: What became of it.
            taken: What of it the vault has now, as far as it counts there.
            mirror: The mirror whose vault that is.
            targets: Who is to get that.
        """
        now = int(time.time() * 1000)
        values = msgspec.structs.asdict(dropped) | {"mirror": self._mirror, "now": now}
        with self._lease.writing() as connection:
            connection.execute(_NOTE, values)
            # What of this name waited elsewhere has been dropped again.
            connection.execute(_WAITS_NO_MORE, values)
            take_in(connection, mirror, taken, targets)

    def of_claim(self, token: str) -> Dropped | None:
        """What became of a claim; None if nothing is noted of it."""
        row = self._lease.asking(_OF_CLAIM, {"mirror": self._mirror, "token": token})
        if row is None:
            return None
        name, outcome, packages, size, reason = row
        return Dropped(
            token=token, name=name, outcome=outcome, packages=packages, bytes=size, reason=reason
        )

    def waiting(self) -> Mapping[str, str]:
        """The names of what waits for another package, by the tokens of its claims."""
        return dict(self._lease.asking_all(WAITING, {"mirror": self._mirror}))

    def knows(self, name: str) -> bool:
        """Whether something of a name was taken or refused before."""
        values = {"mirror": self._mirror, "name": name}
        return self._lease.asking(_KNOWS, values) is not None

    def size_of(self, name: str) -> int:
        """How large the packages are that came of what was last taken of a name; -1 for none."""
        row = self._lease.asking(_SIZE_OF, {"mirror": self._mirror, "name": name})
        return int(row[0]) if row else -1

    def knows_of_in(self, folder: str) -> bool:
        """Whether something in a folder, by its path in the drop folder, was taken or refused."""
        values = {"mirror": self._mirror, "folder": folder}
        return self._lease.asking(_KNOWS_OF_IN, values) is not None
