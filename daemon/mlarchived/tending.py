"""What keeps a vault beside its mirrors: pruning by rules, reading again, mending.

`mlarchived tend` does it once; the service does nothing else, as tasks by the clock.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import DamageError
from mlarchive.registries.opening import open_source, packing_time
from mlarchive.scrub import Care, Donor, Pace, RegistryDonor, Scrubbed, scrub
from mlarchive.vault import Rules, Vault
from mlarchived import durations
from mlarchived.config import VaultCare
from mlarchived.debts import awaited
from mlarchived.ledger import Ledger
from mlarchived.mirrors import Setting
from mlarchived.room import open_mirrored
from mlarchived.stopping import Stopping


class PackageTended(Struct, frozen=True, kw_only=True, tag_field="event", tag="package"):
    """A package of a vault was pruned, or was found otherwise than it should be.

    Attributes:
        vault: The folder.
        path: The package.
        object: Its object; "" if nobody knows.
        outcome: `pruned`, `mended`, `damaged`, or `unrestorable` if a trial failed.
        reason: What was wrong, or why it was pruned.
        mended_from: Whose bytes mended it.
        size: Of the package, in bytes.
    """

    vault: str
    path: str
    object: str
    outcome: str
    reason: str
    mended_from: str = ""
    size: int = 0


class VaultTended(Struct, frozen=True, kw_only=True, tag_field="event", tag="vault"):
    """A vault was pruned, or packages of it were read again.

    Attributes:
        vault: The folder.
        work: `prune` or `scrub`.
        packages: How many were there, or were read.
        pruned: How many were removed.
        held: How many stay though no rule keeps them, by what they stay for.
        mended: How many were damaged and are sound again.
        damaged: How many are damaged.
        restored: How many were unpacked on trial, and well.
        bytes: That were freed, or read.
        seconds: How long it took.
    """

    vault: str
    work: str
    packages: int
    pruned: int = 0
    held: Mapping[str, int] = {}
    mended: int = 0
    damaged: int = 0
    restored: int = 0
    bytes: int = 0
    seconds: float = 0.0


Tending = PackageTended | VaultTended
Tell = Callable[[Tending], None]


class Manner(Struct, frozen=True, kw_only=True):
    """How vaults are tended.

    Attributes:
        environment: Where registries' clients look for credentials.
        stopping: Whether the process was asked to stop.
        tell: Takes what happens.
    """

    environment: Mapping[str, str]
    stopping: Stopping
    tell: Tell


def rules(care: VaultCare) -> Rules:
    """What a vault keeps."""
    return Rules(
        last=care.keep_last,
        hourly=care.keep_hourly,
        daily=care.keep_daily,
        weekly=care.keep_weekly,
        monthly=care.keep_monthly,
        yearly=care.keep_yearly,
        aliases=care.keep_aliases,
        states=care.keep_states,
    )


def prune(folder: Path, care: VaultCare, setting: Setting, manner: Manner) -> None:
    """Remove from a vault what its rules do not keep, and no target still waits for.

    Raises:
        BusyError: A mirror publishes packages there all the time.
        MlarchiveError: The vault cannot be read or written.
    """
    began = time.monotonic()
    if not folder.is_dir():
        return
    with Ledger.look(setting.state) as ledger, Vault.open(folder) as vault:
        spare = partial(awaited, setting.jobs, ledger, folder)
        decisions = vault.prune(rules(care), now=_now(), spare=spare)
    gone = [decision for decision in decisions if not decision.keeps]
    for decision in gone:
        kept = decision.package
        manner.tell(
            PackageTended(
                vault=str(folder),
                path=str(kept.path),
                object=str(kept.address),
                outcome="pruned",
                reason=decision.reason,
                size=kept.size,
            )
        )
    manner.tell(
        VaultTended(
            vault=str(folder),
            work="prune",
            packages=len(decisions),
            pruned=len(gone),
            held=Counter(decision.reason for decision in decisions if decision.held),
            bytes=sum(decision.package.size for decision in gone),
            seconds=round(time.monotonic() - began, 3),
        )
    )


def scrub_vault(folder: Path, care: VaultCare, setting: Setting, manner: Manner) -> None:
    """Read again what is due, mend it from sources and targets, try some out.

    Raises:
        DamageError: Something is damaged and could not be mended, or could not be restored.
        Interrupted: The process was asked to stop.
        MlarchiveError: The vault cannot be read or written.
    """
    began = time.monotonic()
    if not folder.is_dir():
        return
    pace = Pace(rate=care.scrub_rate, check=manner.stopping.check)
    before = _now() - 1000 * durations.seconds(care.scrub_every)
    counts: Counter[str] = Counter()
    donors = list(_donors(folder, setting, manner.environment))
    with Vault.open(folder) as vault:
        wanted = Care(before=before, trials=care.trials)
        for done in scrub(vault, wanted, donors, pace=pace, clock=_now):
            counts["packages"] += 1
            counts["restored"] += done.trial.outcome == "restored"
            failed = done.trial.outcome == "failed"
            counts["mended"] += done.status == "mended"
            counts["damaged"] += done.status == "damaged" or failed
            if done.status != "sound" or failed:
                manner.tell(
                    PackageTended(
                        vault=str(folder),
                        path=done.path,
                        object=done.address,
                        outcome="unrestorable" if failed else done.status,
                        reason=_reason(done),
                        mended_from=done.mended_from,
                        size=done.size,
                    )
                )
    manner.tell(
        VaultTended(
            vault=str(folder),
            work="scrub",
            packages=counts["packages"],
            mended=counts["mended"],
            damaged=counts["damaged"],
            restored=counts["restored"],
            bytes=pace.read,
            seconds=round(time.monotonic() - began, 3),
        )
    )
    if counts["damaged"]:
        raise DamageError(
            f"{counts['damaged']} of {counts['packages']} packages read in {folder} are damaged",
            hint=f"`mlarchive risks vault:{folder}` names them; another copy mends them:"
            f" `mlarchive scrub vault:{folder} --from COPY`",
        )


def _reason(done: Scrubbed) -> str:
    if done.trial.outcome == "failed":
        return done.trial.why
    lost = f"; lost on the way: {', '.join(done.dropped)}" if done.dropped else ""
    return f"{done.damage}{lost}"


def _donors(folder: Path, setting: Setting, environment: Mapping[str, str]) -> Iterator[Donor]:
    """The registries that objects of a vault come from or were written to, each once.

    Sources are read under the policies of their mirrors.
    """
    found: dict[str, Donor] = {}
    donor = partial(RegistryDonor, packed_at=packing_time(environment))
    for job in (job for job in setting.jobs if job.vault == folder):
        if not job.drop:
            opener = partial(open_mirrored, job, environment)
            found.setdefault(job.source.name, donor(job.source.name, opener))
        for place in job.targets:
            opener = partial(open_source, place.locator, origin=place.name, environment=environment)
            made = donor(place.name, opener, policy_of=job.policy_of)
            found.setdefault(place.name, made)
    return iter(found.values())


def _now() -> int:
    return time.time_ns() // 1_000_000
