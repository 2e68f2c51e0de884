"""Packages that a crash left beside those that took their places.

Who lets a package lean on others writes it anew, and removes the one before when all are written.
Both mean the same, and count as one.
"""

from collections.abc import Iterable

from mlarchive.vault.catalog import Kept
from mlarchive.vault.stock import Stock


def twins(stock: Stock, packages: Iterable[Kept]) -> list[Kept]:
    """Those of some packages that mean, state and prove what another one does.

    Args:
        stock: The vault's packages.
        packages: Of it; of those that are the same the first is none of these.
    """
    groups: dict[tuple[object, ...], list[Kept]] = {}
    for kept in packages:
        key = (kept.address, kept.content_id, kept.state_id, kept.packed_at)
        groups.setdefault(key, []).append(kept)
    found = []
    for first, *others in groups.values():
        if others:
            text = _signatures(stock, first)
            found += [other for other in others if _signatures(stock, other) == text]
    return found


def _signatures(stock: Stock, kept: Kept) -> bytes:
    with stock.open_package(kept) as package:
        return package.signatures()
