"""Mirrors, ready to be carried out: where objects come from, where they go, by which rules."""

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive.errors import UsageError
from mlarchive.records import Address
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.locator import Locator
from mlarchive.registries.selecting import selects
from mlarchived.choosing import Choice
from mlarchived.config import Config, VaultCare
from mlarchived.drop.rules import DropRules
from mlarchived.limits import Limits
from mlarchived.renaming import Rule, renamed
from mlarchived.rules import Deletions, Rules
from mlarchived.schedules import Schedule
from mlarchived.views import VAULT
from mlarchived.windows import Window

PACKAGES = frozenset({"vault", "package", "inbox"})
"""Schemes of sources whose objects keep the addresses that they had before."""


class Place(Struct, frozen=True, kw_only=True):
    """A registry, and what mirrors call it.

    Attributes:
        name: Its name in the configuration; its canonical locator where it has none.
        locator: Where it is, absolute; for a source also which objects are meant.
        limits: What it may be asked for.
    """

    name: str
    locator: Locator
    limits: Limits = Limits()


class MirrorJob(Struct, frozen=True, kw_only=True):
    """A mirror, ready to be carried out.

    Attributes:
        name: Its name in the ledger.
        source: Where objects come from, and which.
        vault: The folder that keeps packages; None if none is kept.
        targets: Where they go.
        policy: How targets are written.
        choice: Which objects are wanted.
        set_aside_after: Failures before an object is left alone.
        snapshots: Whether runs that still log are taken as they are.
        reread: After so many seconds what seems unchanged is read in full again; 0 for never.
        schedule: When the service brings it up to date.
        trust: The policy that packages of the source must satisfy; None for none.
        drop: The folder from which the vault is filled, if that is the source; then the vault's
            packages are what is mirrored.
        delivers_only: Whether it is one lane of a mirror whose vault is another lane's.
        renaming: What objects are called at the targets.
        windows: When it may work; always if there are none.
        deletions: What becomes of what is gone from the source.
        before: Mirrors that come first in the configuration and may bring objects of the same
            origin from elsewhere to a target of this one.
        after: Likewise those that come later.
        elsewhere: Where the mirror's other lanes go, where it is one lane of it.
        beside: Names of the mirrors that have the same vault.
    """

    name: str
    source: Place
    vault: Path | None
    targets: tuple[Place, ...]
    policy: WritePolicy
    choice: Choice
    set_aside_after: int
    snapshots: bool
    schedule: Schedule
    trust: Path | None = None
    drop: DropRules | None = None
    delivers_only: bool = False
    renaming: tuple[Rule, ...] = ()
    windows: tuple[Window, ...] = ()
    reread: int = 0
    deletions: Deletions = Deletions()
    before: tuple["MirrorJob", ...] = ()
    after: tuple["MirrorJob", ...] = ()
    elsewhere: tuple[Place, ...] = ()
    beside: tuple[str, ...] = ()

    def policy_of(self, address: Address) -> WritePolicy:
        """How targets are written for an object."""
        name = renamed(self.renaming, address)
        return msgspec.structs.replace(self.policy, rename=name) if name else self.policy

    def asks_for(self, address: Address) -> bool:
        """Whether an object is among those for which the source is asked, if it has it."""
        selector = self.source.locator.selector
        of_this = self.source.name == address.origin or self.source.locator.scheme in PACKAGES
        return of_this and not selector.alias and selects(selector, address)

    def reads(self, vault: Path) -> bool:
        """Whether a vault is the source, be it filled by a drop folder."""
        source = self.source.locator
        return source.scheme == "vault" and Path(source.registry).resolve() == vault.resolve()

    @property
    def lane(self) -> str:
        """The name of the one destination, where it is one lane of a mirror; else `VAULT`."""
        return self.targets[0].name if self.delivers_only else VAULT

    @property
    def destinations(self) -> dict[str, str]:
        """The locators of all targets of the mirror, by their names."""
        return {place.name: place.locator.origin for place in (*self.targets, *self.elsewhere)}

    @property
    def keeping(self) -> frozenset[str]:
        """Names of the targets that are packages."""
        return frozenset(p.name for p in self.targets if p.locator.scheme in {"vault", "outbox"})

    @property
    def shared(self) -> frozenset[str]:
        """Names of the targets where packages may be from others than this mirror.

        What an outbox says to have arrived may have been sent long ago, which a vault alone knows.
        """
        alike = {"vault", "outbox"} if self.vault else {"vault"}
        return frozenset(p.name for p in self.targets if p.locator.scheme in alike)

    @property
    def patient(self) -> frozenset[str]:
        """Names of the targets that take a version's number late.

        What an outbox sends goes on to a server, perhaps, which does not.
        """
        takes = {"vault", "azureml"}
        return frozenset(p.name for p in self.targets if p.locator.scheme in takes)

    def rules(self, *, retry: bool = False) -> Rules:
        """What the plan must know of it."""
        names = tuple(target.name for target in self.targets)
        return Rules(
            targets=(VAULT, *names) if self.vault and not self.delivers_only else names,
            locators={target.name: target.locator.origin for target in self.targets},
            keeping=self.keeping | {VAULT},
            shared=self.shared,
            patient=self.patient,
            choice=self.choice,
            now=int(time.time() * 1000),
            reread=self.reread * 1000,
            in_order=self.policy.versions == "preserve",
            set_aside_after=self.set_aside_after,
            snapshots=self.snapshots,
            retry=retry,
            deletions=self.deletions,
            replaces=self.policy.conflict == "new-version",
        )


class Setting(Struct, frozen=True, kw_only=True):
    """All that a configuration file asks for.

    Attributes:
        state: The state folder, absolute.
        registries: The registries that have names.
        jobs: The mirrors, in the file's order.
        vaults: How each vault of theirs is cared for, by its folder.
        config: The configuration with every path absolute.
    """

    state: Path
    registries: Mapping[str, Place]
    jobs: tuple[MirrorJob, ...]
    vaults: Mapping[Path, VaultCare]
    config: Config


def chosen(setting: Setting, mirror: str) -> list[MirrorJob]:
    """The mirror of a name, or all of them for "".

    Raises:
        UsageError: There is no such mirror.
    """
    found = [job for job in setting.jobs if mirror in {"", job.name}]
    if not found:
        known = ", ".join(job.name for job in setting.jobs)
        raise UsageError(f"there is no mirror called {mirror!r}", hint=f"the mirrors are: {known}")
    return found
