"""Where packages are while a mirror works: its vault, or a spool that is emptied as it goes.

A mirror with a vault keeps every package. One without keeps an object's package only until every
target has it; then nothing is spared when labels alone change, but no disk fills up either.
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from mlarchive import fsops
from mlarchive.errors import NotFoundError
from mlarchive.records import Address
from mlarchive.vault import Held, Kept, Vault
from mlarchived.lanes import Shared
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob
from mlarchived.views import VAULT, Before, Ids, Stored


class Store(Protocol):
    """Vaults by object."""

    def vault(self, address: Address) -> contextlib.AbstractContextManager[Vault]:
        """The vault in which an object's packages are or will be."""

    def stored(self, wanted: Mapping[Address, Ids | None]) -> Mapping[Address, tuple[bool, Stored]]:
        """Of each object, whether there is any package, and what of the one with some ids."""

    def past(self, address: Address) -> frozenset[Ids]:
        """What there is of an object, or was before retention removed it."""

    def before(self) -> Mapping[Address, Before]:
        """What there is of every object, or was before retention removed it."""

    def served(self, address: Address) -> None:
        """Every target has the object."""

    def tidy(self, needed: Collection[Address]) -> None:
        """Forget what is kept for other objects than these, which some lane waits for."""


class VaultStore:
    """The mirror's vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def vault(self, address: Address) -> contextlib.AbstractContextManager[Vault]:
        """The one vault, whatever the object."""
        del address
        return contextlib.nullcontext(self._vault)

    def stored(self, wanted: Mapping[Address, Ids | None]) -> Mapping[Address, tuple[bool, Stored]]:
        """As `Store.stored`."""
        return _stored(self._vault, wanted)

    def past(self, address: Address) -> frozenset[Ids]:
        """As `Store.past`."""
        there = {(kept.content_id, kept.state_id) for kept in self._vault.find(address=address)}
        had = there | self._vault.pruned_of(address)
        return frozenset(Ids(content=content, state=state) for content, state in had)

    def before(self) -> Mapping[Address, Before]:
        """As `Store.before`; of what was pruned and had several contents, no ids are known."""
        pruned: dict[Address, Ids | None] = {}
        for address, content_id, state_id in self._vault.all_pruned():
            before = pruned.get(address, Ids(content=content_id, state=state_id))
            alike = before is not None and before.content == content_id
            pruned[address] = before if alike else None
        found = {address: Before(ids=ids, pruned=True) for address, ids in pruned.items()}
        for one in self._vault.shown():
            ids = Ids(content=one.content_id, state=one.state_id)
            found[one.address] = Before(ids=ids, pruned=False)
        return found

    def served(self, address: Address) -> None:
        """A vault keeps everything."""

    def tidy(self, needed: Collection[Address]) -> None:
        """A vault keeps everything."""


class SpoolStore:
    """A small vault for each object that is on its way, below the state folder."""

    def __init__(self, folder: Path, shared: Shared, lane: str) -> None:
        self._folder = folder
        self._shared = shared
        self._lane = lane

    @contextlib.contextmanager
    def vault(self, address: Address) -> Iterator[Vault]:
        """The object's own vault, created if need be."""
        with Vault.open(self._place(address)) as vault:
            yield vault

    def stored(self, wanted: Mapping[Address, Ids | None]) -> Mapping[Address, tuple[bool, Stored]]:
        """As `Store.stored`; creates nothing."""
        found: dict[Address, tuple[bool, Stored]] = dict.fromkeys(wanted, (False, "nothing"))
        # Most of a mirror's objects have nothing here.
        if self._folder.is_dir():
            for address, ids in wanted.items():
                if self._place(address).is_dir():
                    with self.vault(address) as vault:
                        found |= _stored(vault, {address: ids})
        return found

    def past(self, address: Address) -> frozenset[Ids]:
        """Nothing: a spool keeps no past."""
        del address
        return frozenset()

    def before(self) -> Mapping[Address, Before]:
        """Nothing: what was delivered is no loss."""
        return {}

    def served(self, address: Address) -> None:
        """Forget the object's package, if no other lane waits for it."""
        if self._shared.served(self._lane, address):
            fsops.remove(self._place(address))

    def tidy(self, needed: Collection[Address]) -> None:
        """As `Store.tidy`."""
        if self._folder.is_dir():
            wanted = {self._place(address) for address in needed}
            for place in sorted(set(self._folder.iterdir()) - wanted):
                fsops.remove(place)

    def _place(self, address: Address) -> Path:
        # A digest, because a name may be longer than a file's name may be.
        return self._folder / hashlib.sha256(str(address).encode()).hexdigest()[:32]


def require_vault(job: MirrorJob, ledger: Ledger) -> None:
    """Refuse to make a vault anew that was there: what it is on may not be mounted.

    Raises:
        NotFoundError: It is not there, and has packages.
    """
    if job.vault and not job.vault.is_dir() and ledger.has_given(job.name, VAULT):
        raise NotFoundError(
            f"the vault {job.vault} is not there, and {job.name!r} had packages in its vault",
            hint="mount what it is on; if it is lost, or this is a new one, make the folder, and"
            " run the same again: what the source still has is packed again, what it has no more"
            " is told",
        )


def find(vault: Vault, address: Address, ids: Ids) -> Kept | None:
    """The package of an object with these ids, if the vault has it and all that it leans on."""
    found = vault.find(address=address, content_id=ids.content, state_id=ids.state)
    return next((kept for kept in found if kept.complete), None)


def _stored(
    vault: Vault, wanted: Mapping[Address, Ids | None]
) -> Mapping[Address, tuple[bool, Stored]]:
    there = dict(zip(wanted, vault.held(list(wanted)), strict=True))
    missing = {
        address: ids
        for address, ids in wanted.items()
        if ids and not any(_is_all_of(one, ids) for one in there[address])
    }
    elsewhere = _elsewhere(vault, missing) if missing else {}
    return {
        address: (bool(there[address]), elsewhere.get(address, "package") if ids else "nothing")
        for address, ids in wanted.items()
    }


def _is_all_of(held: Held, ids: Ids) -> bool:
    return held.complete and (held.content_id, held.state_id) == (ids.content, ids.state)


def _elsewhere(vault: Vault, missing: Mapping[Address, Ids]) -> Mapping[Address, Stored]:
    """What became of packages that the vault has not."""
    keys = {address: (address, ids.content, ids.state) for address, ids in missing.items()}
    pruned = vault.pruned_among(keys.values())
    found: dict[Address, Stored] = {}
    for address, ids in missing.items():
        if keys[address] in pruned:
            found[address] = "pruned"
        else:
            whole = any(kept.complete for kept in vault.find(content_id=ids.content))
            found[address] = "content" if whole else "nothing"
    return found
