"""Which packages of a vault are kept: a pure function of what it holds and of some rules.

Rules choose versions, model by model; of a version that is chosen, what counts now is kept and as
many of its earlier states as are asked for. Its laws, each with a property test:

* The last version of each model is always kept, and so is whatever an alias in the rules names.
* Of an object of which anything is kept, the package that counts is kept.
* A package is never kept without those of its own content that it leans on. Others that it leans on
  may go: it is made to lean on what stays before they do.
* What is kept by the rules is kept again when the rest is gone.
* A rule that keeps more never takes from what the others keep.

Asks nobody and reads nothing. The rules are those of backup programs (restic-forget(1)).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from mlarchive.records import Address
from mlarchive.vault.catalog import Kept

ALL = 0
"""Of states: no limit."""

NO_RULE = "no rule keeps it"
SPARE = "the same as another one"
"""Why a package goes."""


class Rules(Struct, frozen=True, kw_only=True):
    """What is kept. A version that any rule chooses is kept; without a rule, all are.

    Periods are those of UTC, weeks begin on Monday; only periods in which something was made count.

    Attributes:
        last: The last so many versions of a model: those of the highest numbers, or where versions
            are no numbers, those that were made last.
        hourly: The last version of each of the last so many hours.
        daily: The same of days.
        weekly: The same of weeks.
        monthly: The same of months.
        yearly: The same of years.
        aliases: Patterns; whatever is called by such an alias now.
        states: How many packages of each version, the latest first; `ALL` for no limit.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    aliases: tuple[str, ...] = ()
    states: int = ALL

    @property
    def choose_versions(self) -> bool:
        """Whether there is any rule by which versions are chosen."""
        return any((self.last, self.aliases, *(getattr(self, name) for name in _PERIODS)))


_PERIODS: Mapping[str, Callable[[datetime], object]] = {
    "hourly": lambda time: (time.date(), time.hour),
    "daily": lambda time: time.date(),
    "weekly": lambda time: time.isocalendar()[:2],
    "monthly": lambda time: (time.year, time.month),
    "yearly": lambda time: time.year,
}


class Decision(Struct, frozen=True, kw_only=True):
    """What becomes of a package.

    Attributes:
        package: Which.
        keeps: Whether it is kept.
        reason: Why it is, or is not.
        held: Whether it is kept though no rule keeps it, for others that are not whole now, and
            which may take its bytes.
    """

    package: Kept
    keeps: bool
    reason: str
    held: bool = False


Spare = Callable[[Sequence[Address]], Mapping[Address, str]]
"""Which of some objects that no rule chooses are kept all the same, and why."""


def decide(
    packages: Iterable[Kept],
    rules: Rules,
    spare: Spare | None = None,
    needed: Mapping[str, str] = {},
) -> tuple[Decision, ...]:
    """Decide of each package whether it is kept, and why; in the order of addresses and times.

    Args:
        packages: Of a vault.
        rules: What is kept.
        spare: Says what stays though no rule chooses it.
        needed: What stays whatever the rules say, by path in the vault, and why.
    """
    objects = _objects(packages)
    chosen = dict(_chosen_versions(objects, rules))
    if spare:
        chosen |= spare([address for address in objects if address not in chosen])
    reasons: dict[Path, str] = {}
    for address, states in objects.items():
        if address in chosen:
            number = len(states) if rules.states == ALL else rules.states
            for kept in states[:number]:
                reasons[kept.path] = chosen[address]
    _keep_bases(objects, reasons)
    by_rule = {*reasons}
    for states in objects.values():
        for kept in states:
            if why := needed.get(kept.place):
                reasons.setdefault(kept.path, why)
    _keep_bases(objects, reasons)
    return tuple(
        Decision(
            package=kept,
            keeps=kept.path in reasons,
            reason=reasons.get(kept.path, NO_RULE),
            held=kept.place in needed and kept.path not in by_rule,
        )
        for address in sorted(objects, key=str)
        for kept in objects[address]
    )


def spared(kept: Kept, needed: Mapping[str, str]) -> Decision:
    """What becomes of a package beside which the same lies; arguments as of `decide`."""
    why = needed.get(kept.place, "")
    return Decision(package=kept, keeps=bool(why), reason=why or SPARE, held=bool(why))


def _objects(packages: Iterable[Kept]) -> Mapping[Address, Sequence[Kept]]:
    """The packages of each object, the one that counts first."""
    objects: dict[Address, list[Kept]] = {}
    for kept in sorted(packages, key=lambda kept: (kept.packed_at, str(kept.path)), reverse=True):
        objects.setdefault(kept.address, []).append(kept)
    return objects


def _chosen_versions(
    objects: Mapping[Address, Sequence[Kept]], rules: Rules
) -> Mapping[Address, str]:
    """The versions that are kept, and why."""
    if not rules.choose_versions:
        return dict.fromkeys(objects, "no rule chooses among versions")
    models: dict[tuple[str, str, str], list[Kept]] = {}
    for address, states in objects.items():
        models.setdefault((address.origin, address.kind, address.name), []).append(states[0])
    chosen: dict[Address, str] = {}
    for versions in models.values():
        # Of two that were made at once, that of the higher number is the later one.
        versions.sort(key=lambda kept: (kept.made_at, _number(kept)), reverse=True)
        for kept, reason in _of_model(versions, rules):
            chosen.setdefault(kept.address, reason)
    return chosen


def _of_model(versions: Sequence[Kept], rules: Rules) -> Iterable[tuple[Kept, str]]:
    """The versions of a model, the latest first, that rules choose, and which rule does."""
    for counted in _as_counted(versions):
        yield from ((kept, "the latest version") for kept in counted[:1])
        yield from ((kept, f"one of the last {rules.last}") for kept in counted[: rules.last])
    for kept in versions:
        for alias in kept.labels.aliases:
            if any(fnmatchcase(alias, pattern) for pattern in rules.aliases):
                yield kept, f"called {alias}"
    for name, period_of in _PERIODS.items():
        seen: set[object] = set()
        for kept in versions:
            if len(seen) == getattr(rules, name):
                break
            period = period_of(datetime.fromtimestamp(_in_range(kept.made_at) / 1000, UTC))
            if period not in seen:
                seen.add(period)
                yield kept, f"{name}: the last of its period"


def _as_counted(versions: Sequence[Kept]) -> Iterable[Sequence[Kept]]:
    """The numbered versions of a model, the highest first, whenever they were made; the others."""
    numbered = [kept for kept in versions if _number(kept)[0] >= 0]
    yield sorted(numbered, key=lambda kept: _number(kept)[0], reverse=True)
    yield [kept for kept in versions if _number(kept)[0] < 0]


def _keep_bases(objects: Mapping[Address, Sequence[Kept]], reasons: dict[Path, str]) -> None:
    """Keep what is leaned on, and what counts for an object of which anything is kept."""
    by_id: dict[str, list[Kept]] = {}
    for states in objects.values():
        for kept in states:
            by_id.setdefault(kept.package_id, []).append(kept)
    waiting = [kept for states in objects.values() for kept in states if kept.path in reasons]
    while waiting:
        kept = waiting.pop()
        more = [(objects[kept.address][0], "counts for an object of which a package is kept")]
        for base in kept.bases:
            copies = [one for one in by_id.get(base, []) if one.content_id == kept.content_id]
            if copies and not any(copy.path in reasons for copy in copies):
                more.append((copies[0], f"has the bytes of {kept.address}"))
        for other, reason in more:
            if other.path not in reasons:
                reasons[other.path] = reason
                waiting.append(other)


def _number(kept: Kept) -> tuple[int, str]:
    version = kept.address.version
    return (int(version) if version.isdecimal() else -1, version)


def _in_range(milliseconds: int) -> int:
    """A time that a calendar has: servers may state any."""
    return min(milliseconds, 253_402_300_799_999)
