"""Where a mirror's work happens: its registries and packages, opened, and who is out of reach."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlarchive.errors import (
    AccessError,
    ConfigError,
    MissingExtraError,
    MlarchiveError,
    UnavailableError,
)
from mlarchive.records import Address
from mlarchive.registries.base import Source, Target, is_itself
from mlarchive.registries.opening import open_source, open_target
from mlarchive.trust import Trust
from mlarchive.vault import Vault
from mlarchived.breakers import Breakers
from mlarchived.lanes import Shared
from mlarchived.limits import LimitedSource, LimitedTarget, Limits, Throttles, throttles
from mlarchived.mirrors import MirrorJob, Place
from mlarchived.stores import SpoolStore, Store, VaultStore

PATIENCE = 3
"""After so many objects in a row that a registry did not answer for, it is left in peace."""

OUT_OF_REACH = (UnavailableError, AccessError, MissingExtraError)
"""Errors that say nothing of an object, but of its registry."""


@dataclass(slots=True)
class Reach:
    """Which targets do not answer in this round, and why.

    Attributes:
        breakers: Know the same over all rounds and mirrors.
        silent: Why, by target.
        untold: The first object of which a target could not tell what it holds, and why.
    """

    breakers: Breakers = field(default_factory=Breakers)
    silent: dict[str, MlarchiveError] = field(default_factory=dict)
    untold: dict[str, tuple[Address, MlarchiveError]] = field(default_factory=dict)
    _misses: dict[str, int] = field(default_factory=dict)
    _heard: set[str] = field(default_factory=set)

    def erred(self, target: str, error: MlarchiveError) -> None:
        """A target was asked for an object, and an error came of it."""
        breaker = self.breakers.of(target)
        breaker.erred(error)
        if isinstance(error, OUT_OF_REACH):
            self._misses[target] = self._misses.get(target, 0) + 1
            if self._misses[target] >= PATIENCE or breaker.is_open:
                self.silent[target] = error

    def told_nothing(self, target: str, address: Address, error: MlarchiveError) -> None:
        """A target was asked what it holds of an object, and an error came of it."""
        self.erred(target, error)
        self.untold.setdefault(target, (address, error))

    def failures(self) -> Iterator[tuple[str, str, MlarchiveError]]:
        """What kept this round from asking: target, object ("" for all of them), and why."""
        for target, error in self.silent.items():
            yield target, "", error
        for target, (address, error) in self.untold.items():
            if target not in self.silent:
                yield target, str(address) if target in self._heard else "", error

    def answered(self, target: str) -> None:
        """A target answered."""
        self._heard.add(target)
        self._misses.pop(target, None)
        self.breakers.of(target).answered()


@dataclass(frozen=True, slots=True)
class Room:
    """A mirror's registries and packages, open.

    Attributes:
        job: The mirror.
        source: Where objects come from.
        targets: Where they go, by name, without those that could not be opened.
        into_itself: Those of them that are the source, by name.
        store: Where their packages are.
        reach: Which targets do not answer.
        shared: What this lane has in common with the mirror's others.
    """

    job: MirrorJob
    source: Source
    targets: Mapping[str, Target]
    store: Store
    reach: Reach
    shared: Shared
    into_itself: Mapping[str, Place] = field(default_factory=dict)


def trust_of(job: MirrorJob) -> Trust | None:
    """The policy that a mirror's packages must satisfy as of now; None if anything goes.

    Raises:
        ConfigError: The policy is wrong.
    """
    if job.trust is None:
        return None
    from mlarchive.trust.policy import read_policy

    return Trust(policy=read_policy(job.trust), when=time.time_ns() // 1_000_000)


def open_mirrored(
    job: MirrorJob, environment: Mapping[str, str]
) -> contextlib.AbstractContextManager[Source]:
    """Open what a mirror reads, with the policy that its packages must satisfy as of now.

    Raises:
        ConfigError: The policy is wrong.
        UntrustedError: A package does not satisfy it.
        MlarchiveError: As `open_source`.
    """
    locator, origin = job.source.locator, job.source.name
    return open_source(locator, origin=origin, environment=environment, trust=trust_of(job))


def itself(job: MirrorJob, place: Place) -> ConfigError:
    """Why an object is not written to a target that is the mirror's own source."""
    return ConfigError(
        f"the target {place.name!r} of the mirror {job.name!r} is the very server that it reads, "
        "and a copy into its own place would change what is there",
        hint="name another server among its `targets`, or give models another name "
        "([mirror.rename])",
    )


def refuse_itself(job: MirrorJob, source: Source, place: Place, target: Target) -> bool:
    """Whether a target is the mirror's own source, where some objects get another name.

    Raises:
        ConfigError: It is, and nothing is renamed.
    """
    if is_itself(source, target) and not job.renaming:
        raise itself(job, place)
    return is_itself(source, target)


@contextlib.contextmanager
def opened(
    job: MirrorJob, state: Path, environment: Mapping[str, str], shared: Shared, breakers: Breakers
) -> Iterator[Room]:
    """Open all that a mirror works with. A target that cannot be opened does not stop the rest.

    Args:
        job: The mirror.
        state: The state folder.
        environment: Where registries' clients look for credentials.
        shared: What the mirror's lanes have in common.
        breakers: Which targets are left alone.

    Raises:
        MlarchiveError: The source or the vault cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        source = mirrored = stack.enter_context(open_mirrored(job, environment))
        if job.source.limits != Limits():
            source = LimitedSource(source, _throttles(job.source))
        reach = Reach(breakers)
        targets: dict[str, Target] = {}
        into_itself: dict[str, Place] = {}
        for place in job.targets:
            breaker = breakers.of(place.name)
            if refusal := breaker.refusal():
                reach.silent[place.name] = refusal
                continue
            try:
                target = stack.enter_context(
                    open_target(place.locator, origin=place.name, environment=environment)
                )
                if refuse_itself(job, mirrored, place, target):
                    into_itself[place.name] = place
                if place.limits != Limits():
                    target = LimitedTarget(target, _throttles(place))
                targets[place.name] = target
            except MlarchiveError as error:
                reach.silent[place.name] = error
                breaker.erred(error)
        store: Store = SpoolStore(state / "spool" / job.name, shared, job.lane)
        if job.vault:
            store = VaultStore(stack.enter_context(Vault.open(job.vault)))
        yield Room(
            job=job,
            source=source,
            targets=targets,
            store=store,
            reach=reach,
            shared=shared,
            into_itself=into_itself,
        )


def _throttles(place: Place) -> Throttles:
    return throttles(place.locator.origin, place.limits)
