"""What commands say of an outbox."""

from typing import TYPE_CHECKING

from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE, Ending
from mlarchive.errors import DamageError

if TYPE_CHECKING:
    from mlarchive.transfer.outbox import Outbox


def tell_troubles(outbox: "Outbox", end: Ending, console: Console) -> None:
    """Say which shipments cannot be carried again, and which receipts count for nothing."""
    for error in outbox.troubles:
        if isinstance(error, DamageError):
            end.take(DAMAGE)
        end.fail(str(outbox.folder), error, console)
