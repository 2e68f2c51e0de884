"""Keeping what was claimed in the vault: a package byte by byte, a folder packed.

Of a folder with several objects all are read, and what would be refused is, before the first is
kept: half of one is not to come.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from msgspec import Struct

from mlarchive.errors import UnsupportedError
from mlarchive.pack import content_id_of
from mlarchive.records import Address, Loss
from mlarchive.registries.opening import packing_time
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept
from mlarchive.vault.taking import Checked
from mlarchived.drop import raw
from mlarchived.drop.candidates import MARKER, PACKAGE
from mlarchived.drop.claims import Claim
from mlarchived.drop.markers import check_marker, read_marker, require_no_figures
from mlarchived.drop.means import Means
from mlarchived.drop.rules import DropRules
from mlarchived.drop.taken import grown_of, grown_of_package, is_known, require_free
from mlarchived.views import VAULT


class Taken(Struct, frozen=True, kw_only=True):
    """A package that came of something dropped, and what is not in it, one sentence each."""

    kept: Kept
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Keeps what was claimed of one mirror's drop folder.

    Attributes:
        mirror: The mirror's name.
        rules: How the folder is read.
        means: What it needs.
    """

    mirror: str
    rules: DropRules
    means: Means

    def keep(self, claim: Claim, told: Callable[[Taken], object]) -> None:
        """Keep what was claimed in the vault, whole.

        Args:
            claim: What was claimed.
            told: Of each package when the vault has it, also where another then fails.

        Raises:
            Interrupted: The process was asked to stop; it is to be kept again from the start.
            MlarchiveError: It is nothing that can be taken, is damaged, or may not come.
        """
        if claim.path.is_symlink() or not (claim.path.is_dir() or claim.path.is_file()):
            raise UnsupportedError(f"{claim.shown} is a link, or no file and no folder")
        if claim.path.is_dir():
            self._keep_folder(claim, told)
        else:
            self._keep_package(claim, told)

    def _keep_package(self, claim: Claim, told: Callable[[Taken], object]) -> None:
        if claim.path.name.endswith(MARKER):
            read_marker(claim.path)
            raise UnsupportedError(
                f"{claim.shown} marks nothing: nothing of that name stands beside it, and it tells"
                " of nothing that was taken before",
                hint="write it after what it is about",
            )
        if not claim.path.name.endswith(PACKAGE):
            raise UnsupportedError(
                f"{claim.shown} is no package", hint=f"names of packages end in {PACKAGE}"
            )
        marker = read_marker(claim.marker)
        if marker:
            check_marker(marker, claim.path)
        self.means.record.check()
        kept = self.means.vault.take(
            claim.path, trust=self.means.trust, may=partial(self._require_free, claim)
        )
        with self.means.vault.open_package(kept) as package:
            told(Taken(kept=kept, losses=_told(package.meaning.losses)))

    def _require_free(self, claim: Claim, given: Checked) -> None:
        if not self.rules.replaces:
            require_free(
                self.means.vault,
                given.address,
                given.content_id,
                self._given(given.address),
                partial(grown_of_package, claim.path, self.means.trust),
            )

    def _given(self, address: Address) -> str:
        """The content that the vault was given under an address, though it may be gone by now."""
        return self.means.record.content_at(self.mirror, address, VAULT)

    def _keep_folder(self, claim: Claim, told: Callable[[Taken], object]) -> None:
        if self.means.trust:
            raise UnsupportedError(
                f"{claim.shown} is not signed, and the mirror takes nothing else",
                hint="pack it, sign the package, and drop that",
            )
        require_no_figures(claim.marker)
        origin, environment = f"drop:{self.mirror}", self.means.environment
        when = packing_time(environment)
        with raw.opened(
            claim.path, claim.relative, self.rules.pattern, origin, environment
        ) as objects:
            if len(objects) > 1:
                for read in objects:
                    self._judge(read(), when, whole=True)
            for read in objects:
                snapshot = read()
                self._judge(snapshot, when, whole=False)
                told(self._packed(snapshot, when))

    def _judge(self, snapshot: Snapshot, when: int, *, whole: bool) -> None:
        """Refuse what may not come; read in full where that takes it, or where it is asked for."""
        self.means.stopping.check()
        self.means.record.check()
        vault, address = self.means.vault, snapshot.address
        before = self._given(address)
        known = not self.rules.replaces and is_known(vault, address, before)
        if known or whole:
            content_id = content_id_of(snapshot)
            if known:
                grown = partial(grown_of, snapshot, when)
                require_free(vault, address, content_id, before, grown)

    def _packed(self, snapshot: Snapshot, when: int) -> Taken:
        kept = self.means.vault.add(snapshot, packed_at=when)
        with self.means.vault.open_package(kept) as package:
            package.verify(full=True)
        return Taken(kept=kept, losses=_told(snapshot.losses))


def _told(losses: Iterable[Loss]) -> tuple[str, ...]:
    return tuple(f"{loss.record}, {loss.field}: {loss.why}" for loss in losses)
