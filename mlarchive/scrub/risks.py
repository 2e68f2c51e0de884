"""What in a vault is at risk: what rotted, what nobody has checked, what there is but once."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive.vault import Kept, Vault
from mlarchive.vault.journal import NEVER, Check, Journal

Kind: TypeAlias = Literal["damaged", "no-base", "unchecked", "one-copy", "space"]

_FULL = 0.95


class Risk(Struct, frozen=True, kw_only=True):
    """Something that may be lost.

    Attributes:
        kind: `damaged`: it could not be read whole when it was checked last, or cannot be opened;
            `no-base`: it leans on bytes that the vault does not have; `unchecked`: it is due for a
            check; `one-copy`: no other vault that was named has it; `space`: the disk is nearly
            full, so that the next package may not be kept.
        path: The file, or the vault.
        address: Of its object; "" if nobody knows, or it concerns all.
        why: One sentence.
    """

    kind: Kind
    path: str
    address: str
    why: str


def risks(vault: Vault, *, before: int, now: int, others: Sequence[Vault] = ()) -> Iterator[Risk]:
    """Everything that is at risk, what is worst first.

    Args:
        vault: Open.
        before: What was checked before this time is due, ms since 1970 UTC.
        now: Likewise.
        others: Vaults that should have what this one has; none for no such question.
    """
    with Journal.look(vault.folder) as journal:
        checks = {place: check.by(now) for place, check in journal.checks().items()}
    found = vault.find()
    for path, why in vault.damaged():
        yield Risk(kind="damaged", path=str(path), address="", why=why)
    last = [(kept, _last(kept, checks)) for kept in found]
    yield from (_risk("damaged", kept, check.damage) for kept, check in last if check.damage)
    for kept in found:
        if not kept.complete:
            yield _risk("no-base", kept, "no package of the vault has its bytes")
    if others:
        yield from _alone(found, others)
    for kept, check in last:
        if check.checked_at < before:
            when = "for longer than it should be" if check.checked_at else "since it was written"
            yield _risk("unchecked", kept, f"it was not read again {when}")
    usage = shutil.disk_usage(vault.folder)
    if usage.used > _FULL * usage.total:
        yield Risk(
            kind="space", path=str(vault.folder), address="", why=f"{usage.free} bytes are left"
        )


def _last(kept: Kept, checks: Mapping[str, Check]) -> Check:
    """The last check of these very bytes."""
    check = checks.get(kept.place, NEVER)
    return check if check.package_id == kept.package_id else NEVER


def _alone(found: Sequence[Kept], others: Sequence[Vault]) -> Iterator[Risk]:
    """The packages of which no other vault has the content and state."""
    there = {(kept.content_id, kept.state_id) for other in others for kept in other.find()}
    for kept in found:
        if (kept.content_id, kept.state_id) not in there:
            yield _risk("one-copy", kept, "no other vault has it")


def _risk(kind: Kind, kept: Kept, why: str) -> Risk:
    return Risk(kind=kind, path=str(kept.path), address=str(kept.address), why=why)
