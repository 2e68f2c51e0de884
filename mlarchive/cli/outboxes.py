"""What commands say of an outbox."""

from typing import TYPE_CHECKING

from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE, Ending

if TYPE_CHECKING:
    from mlarchive.transfer.outbox import Outbox


def tell_lost(outbox: "Outbox", end: Ending, console: Console) -> None:
    """Say which shipments wait for their receipts and cannot be carried again."""
    for error in outbox.lost:
        end.take(DAMAGE)
        end.fail(str(outbox.folder), error, console)
