"""Names and versions that are taken: only the very same content may come under one again.

What grows and changes later is no other content: traces, and notebooks.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from mlarchive.errors import ConflictError
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.mlflow.marks import content_but_traces
from mlarchive.vault import Vault


def require_free(
    vault: Vault,
    address: Address,
    content_id: str,
    before: str,
    opened: Callable[[], AbstractContextManager[Package]] | None = None,
) -> None:
    """Let a version in if the vault has and had no other content under its name and number.

    Args:
        vault: Where it is to be kept.
        address: What it is called. Without a version it may change: a run goes on.
        content_id: What it is.
        before: What the vault was given under that name and number; "" for nothing.
        opened: Opens its package, if it is one.

    Raises:
        ConflictError: The vault has other content there, or had before it was pruned or lost.
    """
    if not address.version or content_id == before:
        return
    held = vault.find(address=address)
    if not (before or held) or any(one.content_id == content_id for one in held):
        return
    if opened:
        with opened() as package:
            wanted = content_but_traces(package.snapshot())
        for one in held:
            with vault.open_package(one) as package:
                if content_but_traces(package.snapshot()) == wanted:
                    return
    raise ConflictError(
        f"{address} {'is' if held else 'was'} in the vault already, with other content",
        hint='give it another version; or let the mirror take both: conflict = "new-version"',
    )
