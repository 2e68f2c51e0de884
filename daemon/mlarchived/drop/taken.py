"""Names and versions that are taken: only the very same content may come under one again.

What grows and changes later is no other content: traces, and notebooks.
"""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import ConflictError, DamageError, NotFoundError
from mlarchive.pack import content_id_of
from mlarchive.package import Package
from mlarchive.records import Address, Notebook, Traces
from mlarchive.registries.mlflow.marks import but_traces, content_but_traces
from mlarchive.snapshot import Snapshot
from mlarchive.trust import Trust
from mlarchive.trust.opening import open_package
from mlarchive.vault import Kept, Vault


class Grown(Struct, frozen=True, kw_only=True):
    """What grows and changes later in an object, and what it is without that.

    Attributes:
        lasting: Its content_id without that.
        traces: How many it has.
        notebooks: Likewise.
        packed_at: ms since 1970 UTC.
    """

    lasting: str
    traces: int
    notebooks: int
    packed_at: int


def is_known(vault: Vault, address: Address, before: str) -> bool:
    """Whether the vault has, or had, anything under a name and number.

    Args:
        vault: Where it is to be kept.
        address: What it is called.
        before: As of `require_free`.
    """
    return bool(before or vault.find(address=address) or vault.contents_pruned(address))


def require_free(
    vault: Vault,
    address: Address,
    content_id: str,
    before: str,
    grown: Callable[[], Grown],
) -> None:
    """Let a version in if the vault has and had no other content under its name and number.

    What it had is known from the ledger, and from the vault's journal where that has been lost.

    Args:
        vault: Where it is to be kept.
        address: What it is called. Without a version it may change: a run goes on.
        content_id: What it is.
        before: What the vault was given under that name and number, by the ledger; "" for nothing.
        grown: What grows and changes later in it, and what it is without that.

    Raises:
        ConflictError: The vault has other content there, or had before it was pruned or lost; or
            what it has cannot be compared; or more has grown in it, and would count no more.
    """
    if not address.version:
        return
    held = vault.find(address=address)
    if held and held[0].content_id == content_id:
        return
    if held:
        given = grown()
        known = any(one.content_id == content_id for one in held)
        if known or any(_grown_in(vault, one).lasting == given.lasting for one in held):
            _require_no_less(address, given, _grown_in(vault, held[0]))
            return
    else:
        had = frozenset({before}) if before else vault.contents_pruned(address)
        if had <= {content_id}:
            return
        raise ConflictError(
            f"{address} was in the vault already, with other content or other traces, and is no"
            " longer there to be compared",
            hint="copy what it was back into the vault, then drop this again; or give it another"
            ' version; or let the mirror take both: conflict = "new-version"',
        )
    raise ConflictError(
        f"{address} is in the vault already, with other content",
        hint='give it another version; or let the mirror take both: conflict = "new-version"',
    )


def _require_no_less(address: Address, given: Grown, counting: Grown) -> None:
    """Refuse what would count in place of something with more traces or notebooks."""
    less = given.traces < counting.traces or given.notebooks < counting.notebooks
    if less and given.packed_at >= counting.packed_at:
        raise ConflictError(
            f"{address} is in the vault already, with {counting.traces} traces and"
            f" {counting.notebooks} notebooks, and this has {given.traces} and {given.notebooks}"
            " though it was packed later",
            hint="drop what has them all; or let the mirror take both, of which the later one"
            ' counts: conflict = "new-version"',
        )


def grown_of_package(path: Path, trust: Trust | None) -> Grown:
    """Of a dropped package."""
    with open_package(path, trust) as package:
        return _grown(package)


def grown_of(snapshot: Snapshot, packed_at: int) -> Grown:
    """Of something raw, which is packed now; reads all of it."""
    return _counted(snapshot, content_id_of(but_traces(snapshot)), packed_at)


def _grown(package: Package) -> Grown:
    snapshot = package.snapshot()
    return _counted(snapshot, content_but_traces(snapshot), package.meaning.packed.time)


def _counted(snapshot: Snapshot, lasting: str, packed_at: int) -> Grown:
    return Grown(
        lasting=lasting,
        traces=sum(record.count for record in snapshot.records if isinstance(record, Traces)),
        notebooks=sum(isinstance(record, Notebook) for record in snapshot.records),
        packed_at=packed_at,
    )


def _grown_in(vault: Vault, kept: Kept) -> Grown:
    try:
        with vault.open_package(kept) as package:
            return _grown(package)
    except (DamageError, NotFoundError) as error:
        raise ConflictError(
            f"{kept.address} is in the vault already, with other content as its catalog says, and"
            f" its package there cannot be opened to compare them: {error.message}",
            hint="mend the vault (`mlarchive scrub`), then drop it again",
        ) from error
