"""Names and versions that are taken: only the very same content may come under one again.

What grows and changes later is no other content: traces, and notebooks.
"""

from collections.abc import Callable
from pathlib import Path

from mlarchive.errors import ConflictError, DamageError, NotFoundError
from mlarchive.pack import content_id_of
from mlarchive.records import Address
from mlarchive.registries.mlflow.marks import but_traces, content_but_traces
from mlarchive.snapshot import Snapshot
from mlarchive.trust import Trust
from mlarchive.trust.opening import open_package
from mlarchive.vault import Kept, Vault


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
    lasting: Callable[[], str],
) -> None:
    """Let a version in if the vault has and had no other content under its name and number.

    What it had is known from the ledger, and from the vault's journal where that has been lost.

    Args:
        vault: Where it is to be kept.
        address: What it is called. Without a version it may change: a run goes on.
        content_id: What it is.
        before: What the vault was given under that name and number, by the ledger; "" for nothing.
        lasting: What it is without what grows and changes later.

    Raises:
        ConflictError: The vault has other content there, or had before it was pruned or lost; or
            what it has cannot be compared.
    """
    if not address.version or content_id == before:
        return
    held = vault.find(address=address)
    if any(one.content_id == content_id for one in held):
        return
    if held:
        wanted = lasting()
        if any(_lasting_in(vault, one) == wanted for one in held):
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


def lasting_of_package(path: Path, trust: Trust | None) -> str:
    """What a dropped package is without what grows and changes later."""
    with open_package(path, trust) as package:
        return content_but_traces(package.snapshot())


def lasting_of(snapshot: Snapshot) -> str:
    """What something raw is without what grows and changes later; reads all of it."""
    return content_id_of(but_traces(snapshot))


def _lasting_in(vault: Vault, kept: Kept) -> str:
    try:
        with vault.open_package(kept) as package:
            return content_but_traces(package.snapshot())
    except (DamageError, NotFoundError) as error:
        raise ConflictError(
            f"{kept.address} is in the vault already, with other content as its catalog says, and"
            f" its package there cannot be opened to compare them: {error.message}",
            hint="mend the vault (`mlarchive scrub`), then drop it again",
        ) from error
