"""Packages that a crash left beside those that took their places, or that a person put there.

Who lets a package lean on others writes it anew, and removes the one before when all are written.
Both mean the same, and count as one, which is to be sound.
"""

import contextlib
from collections.abc import Iterable, Sequence

from mlarchive.package.lenders import UNREADABLE
from mlarchive.vault.catalog import Kept
from mlarchive.vault.stock import Stock


def twins(stock: Stock, packages: Iterable[Kept]) -> list[Kept]:
    """Those of some packages that mean, state and prove what another one does, which is sound.

    Args:
        stock: The vault's packages.
        packages: Of it; of those that are the same the first that is sound is none of these, and
            where none is all stay.
    """
    groups: dict[tuple[object, ...], list[Kept]] = {}
    for kept in packages:
        key = (kept.address, kept.content_id, kept.state_id, kept.packed_at)
        groups.setdefault(key, []).append(kept)
    found: list[Kept] = []
    for alike in groups.values():
        if len(alike) > 1:
            found += _spare(stock, alike)
    return found


def _spare(stock: Stock, alike: Sequence[Kept]) -> list[Kept]:
    """Those of some packages of the same that can go."""
    by_proof: dict[bytes, list[Kept]] = {}
    places = {kept.path.resolve() for kept in alike if not kept.path.is_symlink()}
    # A link to another one is nothing by itself, sound or not.
    found = [kept for kept in alike if kept.path.is_symlink() and kept.path.resolve() in places]
    # What leads elsewhere goes rather than what lies here.
    for kept in sorted(alike, key=lambda kept: kept.path.is_symlink()):
        # What cannot be opened is taken for nothing; a scrub tells of it.
        with contextlib.suppress(*UNREADABLE):
            if kept not in found:
                by_proof.setdefault(_signatures(stock, kept), []).append(kept)
    for same in by_proof.values():
        stays = next((kept for kept in same if len(same) > 1 and stock.is_sound(kept)), None)
        found += [kept for kept in same if stays and kept != stays]
    return found


def _signatures(stock: Stock, kept: Kept) -> bytes:
    with stock.open_package(kept) as package:
        return package.signatures()
