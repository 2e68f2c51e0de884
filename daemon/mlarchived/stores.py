"""Where packages are while a mirror works: its vault, or a spool that is emptied as it goes.

A mirror with a vault keeps every package. One without keeps an object's package only until every
target has it; then nothing is spared when labels alone change, but no disk fills up either.
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from mlarchive import fsops
from mlarchive.records import Address
from mlarchive.vault import Kept, Vault
from mlarchived.views import Ids, Stored


class Store(Protocol):
    """Vaults by object."""

    def vault(self, address: Address) -> contextlib.AbstractContextManager[Vault]:
        """The vault in which an object's packages are or will be."""

    def stored(self, address: Address, ids: Ids | None) -> tuple[bool, Stored]:
        """Whether there is any package of an object, and what there is of the one with some ids."""

    def served(self, address: Address) -> None:
        """Every target has the object."""

    def tidy(self, unserved: Collection[Address]) -> None:
        """Forget what is kept for objects that nobody waits for any more."""


class VaultStore:
    """The mirror's vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def vault(self, address: Address) -> contextlib.AbstractContextManager[Vault]:
        """The one vault, whatever the object."""
        del address
        return contextlib.nullcontext(self._vault)

    def stored(self, address: Address, ids: Ids | None) -> tuple[bool, Stored]:
        """As `Store.stored`."""
        return bool(self._vault.find(address=address)), _stored(self._vault, address, ids)

    def served(self, address: Address) -> None:
        """A vault keeps everything."""

    def tidy(self, unserved: Collection[Address]) -> None:
        """A vault keeps everything."""


class SpoolStore:
    """A small vault for each object that is on its way, below the state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def vault(self, address: Address) -> Iterator[Vault]:
        """The object's own vault, created if need be."""
        with Vault.open(self._place(address)) as vault:
            yield vault

    def stored(self, address: Address, ids: Ids | None) -> tuple[bool, Stored]:
        """As `Store.stored`; creates nothing."""
        if not self._place(address).is_dir():
            return False, "nothing"
        with self.vault(address) as vault:
            return bool(vault.find(address=address)), _stored(vault, address, ids)

    def served(self, address: Address) -> None:
        """Forget the object's package."""
        fsops.remove(self._place(address))

    def tidy(self, unserved: Collection[Address]) -> None:
        """As `Store.tidy`."""
        if self._folder.is_dir():
            wanted = {self._place(address) for address in unserved}
            for place in sorted(set(self._folder.iterdir()) - wanted):
                fsops.remove(place)

    def _place(self, address: Address) -> Path:
        # A digest, because a name may be longer than a file's name may be.
        return self._folder / hashlib.sha256(str(address).encode()).hexdigest()[:32]


def find(vault: Vault, address: Address, ids: Ids) -> Kept | None:
    """The package of an object with these ids, if the vault has it and all that it leans on."""
    found = vault.find(address=address, content_id=ids.content, state_id=ids.state)
    return next((kept for kept in found if not kept.thin or kept.base_package_id), None)


def _stored(vault: Vault, address: Address, ids: Ids | None) -> Stored:
    if ids is None:
        return "nothing"
    if find(vault, address, ids):
        return "package"
    full = any(not kept.thin for kept in vault.find(content_id=ids.content))
    return "content" if full else "nothing"
