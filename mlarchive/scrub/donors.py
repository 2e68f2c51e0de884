"""Where the bytes of a package that has rotted may be had again: other packages, and registries.

A donor gives packages that may hold the same chunks. Whether they do is seen from their digests,
so that a donor may offer what turns out to be something else.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from mlarchive.errors import MlarchiveError, NotFoundError
from mlarchive.pack import pack_scratch
from mlarchive.records import Address
from mlarchive.registries.base import Source, WritePolicy
from mlarchive.vault import Vault
from mlarchive.vault.leaning import lends


class Donor(Protocol):
    """Something that may have other copies."""

    @property
    def name(self) -> str:
        """For a person."""

    def copies(self, address: Address, content_id: str, scratch: Path) -> Iterator[Path]:
        """Packages that may hold what a package held.

        Args:
            address: Of its object; its parts are empty where nobody knows.
            content_id: Of its object; "" where nobody knows.
            scratch: Where packages may be made; removed afterwards.
        """


class VaultDonor:
    """A vault; also the one that the package itself is in."""

    def __init__(self, vault: Vault) -> None:
        self.name = f"vault:{vault.folder}"
        self._vault = vault

    def copies(self, address: Address, content_id: str, scratch: Path) -> Iterator[Path]:  # noqa: ARG002  (a donor's contract)
        """Packages of the content, full ones first."""
        found = self._vault.find(content_id=content_id) if content_id else []
        yield from (kept.path for kept in sorted(found, key=lambda kept: kept.thin))

    def kin(self, chunks: Collection[bytes]) -> "KinDonor":
        """Whatever else of the vault has any of some chunks."""
        return KinDonor(self.name, self._vault, chunks)


class KinDonor:
    """Packages of a vault that have chunks of what was lost, of whatever content they are."""

    def __init__(self, name: str, vault: Vault, chunks: Collection[bytes]) -> None:
        self.name = name
        self._vault = vault
        self._chunks = {*chunks}

    def copies(self, address: Address, content_id: str, scratch: Path) -> Iterator[Path]:  # noqa: ARG002  (a donor's contract)
        """Packages of other contents."""
        for kept in self._vault.find() if self._chunks else ():
            if kept.content_id != content_id and lends(
                self._vault.folder, kept.place, self._chunks
            ):
                yield kept.path


class PackageDonor:
    """A package."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def copies(self, address: Address, content_id: str, scratch: Path) -> Iterator[Path]:  # noqa: ARG002  (a donor's contract)
        """The package."""
        yield self._path


class RegistryDonor:
    """A registry that the object came from, or that it was written to; opened if it is needed."""

    def __init__(
        self,
        name: str,
        opener: Callable[[], AbstractContextManager[Source]],
        *,
        packed_at: int,
        policy_of: Callable[[Address], WritePolicy] = lambda _: WritePolicy(),
    ) -> None:
        """Take note of a registry.

        Args:
            name: For a person.
            opener: Opens it: a source, perhaps a target too.
            packed_at: The time that packages made of it state, ms since 1970 UTC.
            policy_of: How an object was written to it: perhaps under another name.
        """
        self.name = name
        self._opener = opener
        self._packed_at = packed_at
        self._policy_of = policy_of

    def copies(self, address: Address, content_id: str, scratch: Path) -> Iterator[Path]:  # noqa: ARG002  (a donor's contract)
        """The object, packed again as the registry has it now."""
        if not address.kind:
            return
        with self._opener() as registry:
            for number, there in enumerate(self._addresses(registry, address)):
                with contextlib.suppress(NotFoundError):
                    folder = scratch / f"packed-{number}"
                    made = pack_scratch(
                        registry.read(there), folder, called=folder, packed_at=self._packed_at
                    )
                    if made.path:
                        yield made.path

    def _addresses(self, registry: Source, address: Address) -> Iterator[Address]:
        """What a registry may call an object of some origin."""
        holding = getattr(registry, "holding", None)
        if holding is not None:
            with contextlib.suppress(MlarchiveError):
                held = holding(address, self._policy_of(address))
                if held is not None:
                    yield held.address
        yield msgspec.structs.replace(address, origin=registry.origin)
        # A vault and a package keep the origins that their objects had.
        yield address
