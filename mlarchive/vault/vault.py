"""The vault itself: a stock of packages, into which they go and from which they are removed.

Whoever removes some makes others lean elsewhere first, so that none ever lacks what it needs.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from msgspec import structs

from mlarchive import fsops
from mlarchive.errors import (
    ConflictError,
    DamageError,
    NotFoundError,
    SourceChangedError,
    UntrustedError,
)
from mlarchive.lost import lost_of
from mlarchive.pack import Packed, Progress, pack_scratch
from mlarchive.package import Lenders
from mlarchive.records import Address
from mlarchive.snapshot import Snapshot
from mlarchive.trust import Trust, opener
from mlarchive.trust.carrying import goes_as_it_is
from mlarchive.vault import lock
from mlarchive.vault.catalog import Kept
from mlarchive.vault.diminished import relabelled
from mlarchive.vault.finding import Search
from mlarchive.vault.instep import InStep
from mlarchive.vault.journal import Journal
from mlarchive.vault.lastcopies import LastCopies
from mlarchive.vault.leaning import leaning_first
from mlarchive.vault.listing import LATEST, heal, relearn
from mlarchive.vault.packing import (
    is_among,
    packed_again,
    packed_thin,
    packed_without,
    publish,
    thinned,
)
from mlarchive.vault.retention import SPARE, Decision, Rules, Spare, decide, spared
from mlarchive.vault.stock import Stock
from mlarchive.vault.taking import Checked, checked, copied, copied_from
from mlarchive.vault.twins import twins


class Vault(Stock):
    """A stock that can be added to and pruned; a context manager, safe to use from threads."""

    _copies: LastCopies | None = None

    def add(  # noqa: PLR0913  (what, on what it leans, when, and how)
        self,
        snapshot: Snapshot,
        *,
        reuse_content: str = "",
        among: Collection[str] | None = None,
        again: bool = False,
        packed_at: int,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Kept:
        """Keep a snapshot, and make it the one that counts for its address.

        If the same content in the same state counts already and is sound, nothing changes. A
        package that is signed as such is kept as it is, as `hand_in` does, if it would count. Else,
        if the vault has the content under whatever address or state, only a thin one is added. Of a
        version of which the source has lost what the vault has, only the labels are news.

        Args:
            snapshot: What to keep.
            reuse_content: The content_id of a package in this vault that is known to be the
                snapshot's content still: then none of its streams is read.
            among: The package_ids of those that it may lean on; None for all.
            again: Whether a package is added though the same counts already.
            packed_at: The time the package states, ms since 1970 UTC; never before that of the
                package it supersedes.
            threads: As `pack`.
            progress: As `pack`.

        Raises:
            NotFoundError: No package has the content to be reused.
            SourceChangedError: The snapshot's content is not the one to be reused, or changed
                while it was read.
            MlarchiveError: As the snapshot's streams or the file system say.
        """
        self.prepare()
        counting = next(iter(self.find(address=snapshot.address)), None)
        if counting and lost_of(snapshot):
            with self.open_package(counting) as package:
                kept = relabelled(package.snapshot(), snapshot)
            if kept is not None:
                snapshot, reuse_content = kept, counting.content_id
        when = _when(packed_at, counting)
        if _would_count(snapshot, counting) and (given := self.hand_in(snapshot, among=among)):
            return given
        snapshot = replace(snapshot, original=None)
        may = partial(is_among, among)
        with fsops.scratch_folder(self.folder) as scratch:
            if reuse_content:
                packed = packed_again(self, snapshot, reuse_content, scratch, when)
            else:
                packing = partial(
                    pack_scratch,
                    snapshot,
                    scratch,
                    called=self.folder,
                    packed_at=when,
                    threads=threads,
                    progress=progress,
                )
                packed = packed_thin(self, snapshot, packing, may)
                packed = thinned(self, packed, scratch, when, may)
            made = packed.made
            with lock.writing(self.folder):
                # Somebody else may have added the same while this was packed.
                there = None if again else self._counting(made, snapshot.address)
                if there and self.is_sound(there):
                    return there
                # Before it is among the others, so that a crash leaves none that lacks its base.
                if not self.completes(made):
                    raise SourceChangedError(
                        f"the base of {snapshot.address} was removed from the vault meanwhile",
                        hint="run the same command again",
                    )
                with lock.publishing(self.folder):
                    now = None if again else self._counting(made, snapshot.address)
                    if now and now != there:
                        return now  # Added this moment, and nobody had found it rotten.
                    # One whose content is known to be here may lean on any that has it.
                    return publish(self, packed, snapshot.address, None if reuse_content else may)

    def _counting(self, made: Packed, address: Address) -> Kept | None:
        """What counts for an address, if it is the same as what was made of it."""
        self.refresh()
        counting = next(iter(self.find(address=address)), None)
        ids = (made.content_id, made.state_id)
        same = counting and (counting.content_id, counting.state_id) == ids
        return counting if same else None

    def hand_in(self, snapshot: Snapshot, *, among: Collection[str] | None = None) -> Kept | None:
        """Keep the very package that a snapshot is from, if it is signed as such.

        Args:
            snapshot: From a package, or from elsewhere.
            among: As `add`.

        Returns:
            None if it is not signed so, or leans on what is not here, or on what it may not.

        Raises:
            FormatError: It is damaged.
            MlarchiveError: As the file system says.
        """
        original = snapshot.original
        if original is None or not goes_as_it_is(snapshot):
            return None
        self.prepare()
        with fsops.scratch_folder(self.folder) as scratch, lock.writing(self.folder):
            with original.open() as source:
                name = str(snapshot.address)
                copy = copied_from(source, scratch / "package.mlpkg", called=name)
            if original.thin and not self._may_lean(copy, among):
                return None
            given = checked(copy, self.bases_of, None)
            return self._publish_once(copy, given, None)

    def _may_lean(self, copy: Path, among: Collection[str] | None) -> bool:
        """Whether a thin package in a scratch folder has what it needs, among some packages."""
        bases = self.rows_of_bases(copy)
        return bool(bases) and all(is_among(among, base) for base in bases)

    def _publish_once(self, copy: Path, given: Checked, trust: Trust | None) -> Kept:
        """Put a checked package among the others, unless it is there, sound and trusted."""
        with lock.publishing(self.folder):
            self.refresh()
            there = self.find(address=given.address, package_id=given.package_id)
            if not there:
                return self.publish(copy, given.address, given.content_id, given.state_id)
        kept = there[0]
        if not (self.is_sound(kept) and self.trusts(kept, trust)):
            # It was the same, but for its signatures, before it rotted.
            self._put_in_place(kept, copy)
        return kept

    def take(
        self,
        package: Path,
        *,
        trust: Trust | None = None,
        may: Callable[[Checked], object] | None = None,
    ) -> Kept:
        """Keep a package that was made elsewhere, with the very same bytes; the file stays.

        If the vault has it already, nothing changes.

        Args:
            package: The file.
            trust: Whom to believe; everybody if None.
            may: Asked before it is kept; raises if it is not what it should be.

        Raises:
            UntrustedError: It is not trusted.
            MissingChunksError: It leans on a package that the vault has not.
            FormatError: It is damaged.
            MlarchiveError: As the file system says.
        """
        self.prepare()
        with fsops.scratch_folder(self.folder) as scratch, lock.writing(self.folder):
            copy = copied(package, scratch)
            given = checked(copy, self.bases_of, trust)
            if may is not None:
                may(given)
            return self._publish_once(copy, given, trust)

    def judge(self, kept: Kept, trust: Trust) -> None:
        """Refuse a package of this vault that is not trusted, or leans on one that is not.

        Raises:
            UntrustedError: It is so.
            MlarchiveError: One of them cannot be opened.
        """
        paths = [self.folder / base.path for base in self.bases(kept)]
        with Lenders(paths, opener=opener(trust)) as lenders:
            for path in (kept.path, *paths):
                lenders.open(path).close()

    def trusts(self, kept: Kept, trust: Trust | None) -> bool:
        """Whether a package of this vault, and what it leans on, is trusted; all is by nobody.

        What cannot be opened is not.
        """
        if trust is not None:
            try:
                self.judge(kept, trust)
            except (UntrustedError, DamageError, NotFoundError):
                return False
        return True

    def search(self, search: Search) -> list[Kept]:
        """The packages that count for their addresses and fit a search; sorted by address.

        A thin package has the metrics of the content that it shares.
        """
        found = []
        metrics: dict[str, Mapping[str, tuple[str, ...]]] = {}
        everything = self.find()
        for kept in everything:
            if not kept.thin:
                metrics[kept.content_id] = kept.labels.metrics
        for kept in _latest(everything):
            shared = metrics.get(kept.content_id)
            if kept.thin and shared:
                labels = structs.replace(kept.labels, metrics=shared)
                kept = structs.replace(kept, labels=labels)  # noqa: PLW2901
            if search.fits(kept):
                found.append(kept)
        return found

    def damaged(self) -> list[tuple[Path, str]]:
        """The packages that cannot be opened, and why."""
        return [(kept.path, why) for kept, why in self.broken()]

    def release(self, going: Sequence[Kept]) -> list[Kept]:
        """Make all that leans on some packages lean on others, or on none, so that these can go.

        The first of them gets the bytes, the others state their differences to it, as if the
        packages had never been there. Each is replaced by one of the same content, state, time of
        packing and signatures; of these, those of its very bytes hold no more. They go when all of
        the new ones are there, so that a crash loses nothing; the same call goes on.

        Returns:
            What took their places.

        Raises:
            MissingChunksError: One of them lacks chunks already; it is left as it is.
            DamageError: What they need is damaged; what was to go should stay.
        """
        with lock.removing(self.folder):
            heal(self.folder, self._catalog)
            copies = self._last_copies()
            return self._released(going, copies, copies.named_alike(going))

    def plan_prune(self, rules: Rules) -> tuple[Decision, ...]:
        """What `prune` would keep and why, and what it would remove; changes nothing."""
        return self._decided(rules, None, LastCopies(self))

    def _decided(
        self, rules: Rules, spare: Spare | None, copies: LastCopies
    ) -> tuple[Decision, ...]:
        """What rules decide; of what lies beside the same, which stays or goes so, that it goes.

        What others need that are not whole now, or have rotted, stays.
        """
        everything = self.find()
        besides = {kept.path: kept for kept in twins(self, everything)}
        packages = [kept for kept in everything if kept.path not in besides]
        some = self.needs()
        stays: dict[str, str] = {}
        while True:
            decisions = (
                *decide(packages, rules, spare, stays),
                *(spared(kept, stays) for kept in besides.values()),
            )
            going = [one.package for one in decisions if not one.keeps]
            more = copies.among(going, everything, some)
            if not more:
                return decisions
            stays |= more

    def prune(
        self,
        rules: Rules,
        *,
        now: int,
        told: Callable[[Decision], None] | None = None,
        spare: Spare | None = None,
    ) -> tuple[Decision, ...]:
        """Remove the packages that no rule keeps; what leaned on them leans on others then.

        The journal remembers what was removed, so that a mirror does not pack it again. A crash
        at any moment leaves a vault in which each package has what it leans on.

        Args:
            rules: What is kept.
            now: ms since 1970 UTC.
            told: Of each package before it is removed.
            spare: Says what stays though no rule chooses it.

        Returns:
            What became of each package.

        Raises:
            BusyError: Packages are being added; nothing is removed.
            DamageError: What others lean on is damaged; nothing is removed.
        """
        if not self.folder.is_dir():
            return ()
        copies = LastCopies(self)
        # What must be read for it is read while others may write.
        self._decided(rules, spare, copies)
        with lock.removing(self.folder), Journal.open(self.folder) as journal:
            heal(self.folder, self._catalog)
            decisions = self._decided(rules, spare, copies)
            going = {one.package.path: one for one in decisions if not one.keeps}
            leaving = [one.package for one in going.values()]
            self._released(leaving, copies, self.find())
            # What others lean on goes when they are gone.
            for kept in leaning_first(leaving):
                if told:
                    told(going[kept.path])
                if going[kept.path].reason == SPARE:
                    self.withdraw(kept)
                else:
                    self._remove(kept, journal, now)
        return decisions

    def delete(self, address: Address, *, now: int) -> None:
        """Remove every package of an address; what leaned on them leans on others then.

        The journal remembers them. A crash at any moment leaves a vault in which each package has
        what it leans on; the same call goes on.

        Args:
            address: Of the object.
            now: ms since 1970 UTC.

        Raises:
            BusyError: Packages are being added; nothing is removed.
            DamageError: What others lean on is damaged; nothing is removed.
        """
        copies = self._last_copies()
        # What must be read for it is read while others may write.
        gone = self.find(address=address)
        copies.among(gone, copies.named_alike(gone), ())
        with lock.removing(self.folder), Journal.open(self.folder) as journal:
            self._in_step.keep(self.folder, self._catalog)
            going = self.find(address=address)
            self._released(going, copies, copies.named_alike(going))
            for kept in leaning_first(going):
                self._remove(kept, journal, now)

    def _released(
        self, going: Sequence[Kept], copies: LastCopies, others: Iterable[Kept]
    ) -> list[Kept]:
        """As `release`; what goes is compared with others."""
        leaving = {kept.path for kept in going}
        # What lies here twice lends its chunks as long as one of them stays.
        lost = [kept for kept in going if not self._has_another(kept, leaving)]
        some = self.needs() if lost else ()
        stays = copies.among(going, others, some) if lost else {}
        # Before anything is refused it is looked for under other names, too.
        stays = copies.among(going, self.find(), some) if stays else {}
        for kept in lost:
            if why := stays.get(kept.place):
                raise DamageError(
                    f"{kept.path} stays: {why}",
                    hint=f"mend the vault first: `mlarchive scrub vault:{self.folder} --from COPY`;"
                    " or move that out of it",
                )
        found = {other.path: other for kept in lost for other in self.dependents(kept)}
        ordered = leaning_first(other for path, other in found.items() if path not in leaving)
        without = {one.package_id for one in (*lost, *ordered)}
        try:
            replaced = [packed_without(self, other, without) for other in reversed(ordered)]
        except DamageError as error:
            raise DamageError(
                f"what takes bytes from {lost[0].path} cannot be packed without it, so that"
                f" nothing goes: {error.message}",
                hint=f"mend the vault first: `mlarchive scrub vault:{self.folder} --from COPY`",
            ) from error
        for other in ordered:
            self.withdraw(other)
        return replaced

    def _last_copies(self) -> LastCopies:
        """What is known of copies for a while, where one object is deleted after the other."""
        if self._copies is None or self._copies.is_old:
            self._copies = LastCopies(self)
        return self._copies

    def _has_another(self, kept: Kept, leaving: Collection[Path]) -> bool:
        """Whether a sound package of the very bytes stays when one goes."""
        alike = self.find(package_id=kept.package_id)
        return any(
            one.path not in leaving and not one.path.is_symlink() and self.is_sound(one)
            for one in alike
        )

    def _remove(self, kept: Kept, journal: Journal, now: int) -> None:
        # What stays after all, whatever kept it from going, is seen as new, and is not pruned then.
        self._catalog.drop([kept.place])
        journal.pruned(kept.address, kept.content_id, kept.state_id, at=now)
        fsops.remove(kept.path)
        # Somebody who looked just before may have taken it for one that came back.
        self._catalog.drop([kept.place])
        if self._catalog.leaning_on(kept.package_id):
            # Whoever has the chunks is looked for before another one goes.
            self._catalog.unsettle()
            self._in_step = InStep()
        ids = (kept.content_id, kept.state_id)
        if not journal.was_pruned(kept.address, *ids):
            alike = self.find(address=kept.address, content_id=ids[0], state_id=ids[1])
            if all(one.path == kept.path for one in alike):
                journal.pruned(kept.address, *ids, at=now)
        journal.forget([kept.place])

    def replace(self, kept: Kept, made: Path) -> None:
        """Put another package of the same object in the place of one.

        Args:
            kept: In this vault.
            made: Verified, in a scratch folder of this vault.
        """
        with lock.writing(self.folder):
            self._put_in_place(kept, made)

    def _put_in_place(self, kept: Kept, made: Path) -> None:
        with lock.publishing(self.folder), fsops.explaining(kept.path, "write"):
            fsops.publish(made, kept.path)
        relearn(self.folder, self._catalog, kept.place)

    def as_it_lies(self, kept: Kept) -> Kept:
        """What lies now where a package was, as far as it can be opened."""
        return next(map(self._kept, self._catalog.rows(path=kept.place)), kept)

    def was_pruned(self, address: Address, content_id: str, state_id: str) -> bool:
        """Whether `prune` removed a package of this object."""
        return bool(self.pruned_among([(address, content_id, state_id)]))

    def pruned_among(
        self, packages: Iterable[tuple[Address, str, str]]
    ) -> frozenset[tuple[Address, str, str]]:
        """Those of some packages that `prune` removed, by address, content_id and state_id."""
        with Journal.look(self.folder) as journal:
            return frozenset(one for one in packages if journal.was_pruned(*one))

    def all_pruned(self) -> Sequence[tuple[Address, str, str]]:
        """The packages that `prune` removed, by address, content_id and state_id."""
        with Journal.look(self.folder) as journal:
            return journal.all_pruned()

    def pruned_of(self, address: Address) -> frozenset[tuple[str, str]]:
        """The content_ids and state_ids of an object's packages that `prune` removed."""
        with Journal.look(self.folder) as journal:
            return journal.pruned_of(address)

    def rebuild(self) -> int:
        """Make the catalog anew from the packages alone; returns how many there are.

        Raises:
            BusyError: Packages are being added; nothing is changed.
        """
        with lock.removing(self.folder):
            self._catalog.drop([row.path for row in self._catalog.rows()])
            heal(self.folder, self._catalog)
        return len(self._catalog.rows())


def _when(packed_at: int, counting: Kept | None) -> int:
    """The time that a package must state to count from now on.

    Raises:
        ConflictError: The one that counts is from a future that leaves no later time.
    """
    if counting is None:
        return packed_at
    if counting.packed_at >= LATEST:
        raise ConflictError(
            f"{counting.path} states the last time that there is, so nothing can supersede it",
            hint="see where it is from, and move it out of the vault",
        )
    return max(packed_at, counting.packed_at + 1)


def _would_count(snapshot: Snapshot, counting: Kept | None) -> bool:
    """Whether the package that a snapshot is from would supersede the one that counts."""
    if counting is None or snapshot.original is None:
        return True
    same = (counting.content_id, counting.state_id) == (snapshot.content_id, snapshot.state_id)
    return not same and snapshot.original.packed_at > counting.packed_at


def _latest(found: Iterable[Kept]) -> list[Kept]:
    """The first package of each address, sorted by address."""
    latest: dict[Address, Kept] = {}
    for kept in found:
        latest.setdefault(kept.address, kept)
    return [latest[address] for address in sorted(latest, key=str)]
