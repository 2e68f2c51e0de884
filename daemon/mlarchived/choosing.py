"""Which objects of a source a mirror is about: by their names, labels and age. Pure functions."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from mlarchive.records import Address
from mlarchive.registries.base import Ref, Selector, Traits
from mlarchive.registries.selecting import matches

_ALL = ("*",)


class Choice(Struct, frozen=True, kw_only=True):
    """What a mirror's configuration says of that.

    Attributes:
        include: Patterns of names.
        exclude: Patterns of names.
        aliases: Patterns, one of which an alias must fit; none for no such rule.
        stages: Patterns, one of which the stage must fit; none for no such rule.
        tags: Keys that must be there, with patterns of their values.
        newer_than: At most so many seconds old; 0 for no such rule.
        older_than: At least so many seconds old; 0 for no such rule.
        archived: Whether what lists of its registry hide is wanted too.
    """

    include: tuple[str, ...] = _ALL
    exclude: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    newer_than: int = 0
    older_than: int = 0
    archived: bool = False


def exclusion(choice: Choice, address: Address) -> str:
    """Why an object is not mirrored because of its name; "" if it may be."""
    for pattern in choice.exclude:
        if _fits(address.name, pattern):
            return f'excluded by "{pattern}"'
    if choice.include != _ALL and not _any_fits([address.name], choice.include):
        if address.kind == "runs":
            return "excluded: its id matches no pattern of `include`; see #runs/name:PATTERN"
        return "excluded: the name matches no pattern of `include`"
    return ""


def unfit(choice: Choice, ref: Ref, now: int) -> str:
    """Why an object is not chosen because of what its source tells of it; "" if it is.

    Args:
        choice: The mirror's.
        ref: How its source shows it.
        now: Of which its age is told, ms since 1970 UTC.
    """
    if ref.traits.archived and not choice.archived:
        return "archived at its source; `archived = true` mirrors such, too"
    return _unfit(choice, ref.traits, now) if chooses_by_traits(choice) else ""


def chooses_by_traits(choice: Choice) -> bool:
    """Whether more than names counts."""
    return bool(
        choice.aliases or choice.stages or choice.tags or choice.newer_than or choice.older_than
    )


def untold(choice: Choice, traits: Traits) -> str:
    """What a registry does not tell of an object that is chosen by it; "" if it tells all."""
    wanted = (
        ("aliases", choice.aliases, traits.aliases),
        ("stage", choice.stages, traits.stage),
        ("tags", choice.tags, traits.tags),
        ("age", choice.newer_than or choice.older_than, traits.made_at),
    )
    return next((what for what, rule, told in wanted if rule and told is None), "")


def _unfit(choice: Choice, traits: Traits, now: int) -> str:
    if what := untold(choice, traits):
        return f"not chosen: its registry does not tell its {what}"
    if choice.aliases and not _any_fits(traits.aliases or (), choice.aliases):
        return "not chosen: no alias of `where.aliases` names it"
    if choice.stages and not _any_fits([traits.stage or ""], choice.stages):
        return "not chosen: it is in no stage of `where.stages`"
    for key, pattern in choice.tags:
        if not _any_fits((traits.tags or {}).get(key, ()), [pattern]):
            return f"not chosen: it has no tag {key} like {pattern!r}"
    return _unfit_age(choice, (now - (traits.made_at or 0)) / 1000)


def _unfit_age(choice: Choice, age: float) -> str:
    if choice.newer_than and age > choice.newer_than:
        return "not chosen: it is older than `where.newer_than`"
    if age < choice.older_than:
        return "not chosen yet: it is newer than `where.older_than`"
    return ""


def _any_fits(names: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(_fits(name, pattern) for name in names for pattern in patterns)


def _fits(name: str, pattern: str) -> bool:
    return matches(Selector(name=pattern, pattern=True), name)
