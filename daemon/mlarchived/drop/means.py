"""What one look at a drop folder needs: plain references, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlarchive.trust import Trust
from mlarchive.vault import Vault
from mlarchived.events import Report
from mlarchived.ledger import Record
from mlarchived.stopping import Stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What one look at a drop folder needs.

    Attributes:
        environment: Where registries' clients look for settings.
        vault: Keeps what is taken.
        record: The pen in the ledger.
        report: Takes what happens.
        stopping: Whether to stop between two things, or two objects of one.
        trust: Whom to believe; everybody if None.
        targets: Names of the targets that are to get what is taken.
    """

    environment: Mapping[str, str]
    vault: Vault
    record: Record
    report: Report
    stopping: Stopping
    trust: Trust | None = None
    targets: tuple[str, ...] = ()
