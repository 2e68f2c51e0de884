"""Names and versions that are taken: only the very same content may come under one again.

What grows and changes later is no other content: traces, and notebooks.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import ConflictError, DamageError, NotFoundError
from mlarchive.pack import content_id_of
from mlarchive.package import Package
from mlarchive.records import Address, File, Notebook, Traces
from mlarchive.registries.mlflow.marks import but_traces, content_but_traces
from mlarchive.snapshot import Snapshot
from mlarchive.traces import is_page, read_traces
from mlarchive.trust import Trust
from mlarchive.trust.opening import open_package
from mlarchive.vault import Kept, Vault


class Grown(Struct, frozen=True, kw_only=True):
    """What grows and changes later in an object, and what it is without that.

    Attributes:
        lasting: Its content_id without that.
        traces: The ids of those that it has.
        notebooks: What tells its notebooks from each other, in order.
        packed_at: ms since 1970 UTC.
    """

    lasting: str
    traces: frozenset[str]
    notebooks: tuple[str, ...]
    packed_at: int


def is_known(vault: Vault, address: Address, before: str) -> bool:
    """Whether the vault has, or had, anything under a name and number.

    Args:
        vault: Where it is to be kept.
        address: What it is called.
        before: As of `require_free`.
    """
    return bool(before or vault.find(address=address) or vault.pruned_of(address))


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
            _require_no_less(address, given, _grown_in(vault, held[0]), known=known)
            return
    else:
        had = {before} if before else {content for content, _ in vault.pruned_of(address)}
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


def _require_no_less(address: Address, given: Grown, counting: Grown, *, known: bool) -> None:
    """Refuse what would count in place of something with more traces or notebooks.

    So it is with what has more and would not count; unless the vault has it already.
    """
    later = given.packed_at >= counting.packed_at
    if later and _lacks(given, counting):
        what = "lacks some of them though it was packed later"
    elif not later and not known and _lacks(counting, given):
        what = "has others, and would not count since it was packed before"
    else:
        return
    raise ConflictError(
        f"{address} is in the vault already, with {len(counting.traces)} traces and"
        f" {len(counting.notebooks)} notebooks, and this has {len(given.traces)} and"
        f" {len(given.notebooks)}; it {what}",
        hint="drop what has them all, packed last; or let the mirror take both, of which the one"
        ' that was packed later counts: conflict = "new-version"',
    )


def _lacks(one: Grown, other: Grown) -> bool:
    """Whether one has not all that another has."""
    notebooks = Counter(other.notebooks) - Counter(one.notebooks)
    return bool(other.traces - one.traces or notebooks)


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
        traces=_traces(snapshot),
        notebooks=tuple(
            sorted(
                f"{record.source} {record.path} {record.revision} {sorted(record.formats)}"
                for record in snapshot.records
                if isinstance(record, Notebook)
            )
        ),
        packed_at=packed_at,
    )


def _traces(snapshot: Snapshot) -> frozenset[str]:
    """The ids of an object's traces, of which all pages are read."""
    owners = {record.key for record in snapshot.records if isinstance(record, Traces)}
    return frozenset(
        trace.id
        for stream in snapshot.streams
        if stream.owner in owners and isinstance(stream.entry, File) and is_page(stream.entry.path)
        for trace in read_traces([stream.open()])
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
