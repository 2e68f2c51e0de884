"""Markers that come when what they mark, which was complete without them, was taken already.

Of such a marker everything is known, and it is removed. What is called like one and is anything
else, or tells of other bytes than were taken, is dealt with as whatever is dropped.
"""

import os
import stat

from mlarchive.errors import MlarchiveError
from mlarchive.vault import Vault
from mlarchived.drop.candidates import MARKER
from mlarchived.drop.claims import Claim
from mlarchived.drop.markers import Marker, check_marker, read_marker
from mlarchived.ledger import Drops


def is_late_marker(claim: Claim, drops: Drops, vault: Vault) -> bool:
    """Whether a claim is nothing but the marker of something that was taken or refused before.

    Args:
        claim: What was claimed.
        drops: Know what was.
        vault: Has what was taken, with which size and digest are compared.

    Raises:
        MlarchiveError: The ledger or the vault's catalog cannot be read.
    """
    marked = claim.shown.removesuffix(MARKER)
    if marked == claim.shown or not _is_alone(claim) or not drops.knows(marked):
        return False
    try:
        marker = read_marker(claim.path)
    except MlarchiveError:
        # Whoever keeps it finds out why, and says so.
        return False
    if marker is None or marker == Marker():
        return marker is not None
    return _is_of(marker, drops.size_of(marked), vault)


def _is_alone(claim: Claim) -> bool:
    """Whether it is a file, and has no marker itself."""
    try:
        facts = claim.path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and not (claim.marker and os.path.lexists(claim.marker))


def _is_of(marker: Marker, size: int, vault: Vault) -> bool:
    """Whether a marker tells of a package that the vault has, of this size."""
    for kept in vault.of_size(size):
        try:
            check_marker(marker, kept.path)
        except MlarchiveError:
            continue
        return True
    return False
