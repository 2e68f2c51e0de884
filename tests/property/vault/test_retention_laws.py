"""What retention promises, whatever a vault holds and whatever the rules are."""

from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlarchive.records import Address
from mlarchive.vault import Decision, Kept, Labels, Rules
from mlarchive.vault.retention import decide

DAY = 24 * 3600 * 1000


@st.composite
def vaults(draw: st.DrawFn) -> list[Kept]:
    """A few models with a few versions and states, some thin, some of one content."""
    packages: list[Kept] = []
    for number in range(draw(st.integers(0, 14))):
        address = Address(
            origin="prod",
            kind="models",
            name=draw(st.sampled_from(["wine", "beer"])),
            version=str(draw(st.integers(1, 12))),
        )
        packages.append(
            Kept(
                folder=Path("/v"),
                place=f"{number}.mlpkg",
                address=address,
                content_id=draw(st.sampled_from("abc")),
                state_id=str(number),
                package_id=str(number),
                size=1,
                packed_at=draw(st.integers(0, 3)),
                thin=bool(bases := _bases(draw, packages)),
                bases=bases,
                made_at=draw(st.integers(0, 800)) * DAY // 2,
                labels=Labels(aliases=tuple(draw(st.sets(st.sampled_from(["best", "old"]))))),
            )
        )
    return packages


def _bases(draw: st.DrawFn, before: Sequence[Kept]) -> tuple[str, ...]:
    """What a package leans on: up to two that were there before it."""
    if not before:
        return ()
    ids = st.sampled_from([one.package_id for one in before])
    return tuple(sorted(draw(st.sets(ids, max_size=2))))


counts = st.integers(0, 3)
rules = st.builds(
    Rules,
    last=counts,
    hourly=counts,
    daily=counts,
    weekly=counts,
    monthly=counts,
    yearly=counts,
    aliases=st.sampled_from([(), ("best",), ("*",)]),
    states=counts,
)


def kept(decisions: Sequence[Decision]) -> list[Kept]:
    return [decision.package for decision in decisions if decision.keeps]


def counting(packages: Sequence[Kept]) -> dict[Address, Kept]:
    latest: dict[Address, Kept] = {}
    for one in sorted(packages, key=lambda one: (one.packed_at, str(one.path)), reverse=True):
        latest.setdefault(one.address, one)
    return latest


@given(vaults(), rules)
def test_every_package_is_decided_once(vault: list[Kept], rules: Rules) -> None:
    decided = [decision.package.path for decision in decide(vault, rules)]
    assert sorted(decided) == sorted(one.path for one in vault)


@given(vaults(), rules)
def test_the_latest_version_of_each_model_is_kept(vault: list[Kept], rules: Rules) -> None:
    left = kept(decide(vault, rules))
    for name in {one.address.name for one in vault}:
        versions = [one for one in counting(vault).values() if one.address.name == name]
        assert max(versions, key=lambda one: int(one.address.version)) in left


@given(vaults(), rules)
def test_what_is_called_by_a_kept_alias_is_kept(vault: list[Kept], rules: Rules) -> None:
    left = kept(decide(vault, rules))
    if "*" in rules.aliases:
        assert all(one in left for one in counting(vault).values() if one.labels.aliases)


@given(vaults(), rules)
def test_of_what_is_kept_at_all_the_package_that_counts_is_kept(
    vault: list[Kept], rules: Rules
) -> None:
    left = kept(decide(vault, rules))
    assert all(counting(vault)[one.address] in left for one in left)


@given(vaults(), rules)
def test_no_thin_package_loses_its_bytes(vault: list[Kept], rules: Rules) -> None:
    left = kept(decide(vault, rules))
    has = {one.package_id for one in left}
    content = {one.package_id: one.content_id for one in vault}
    for one in left:
        assert has.issuperset(base for base in one.bases if content[base] == one.content_id)


@given(vaults(), rules)
def test_deciding_again_removes_nothing_more(vault: list[Kept], rules: Rules) -> None:
    left = kept(decide(vault, rules))
    assert kept(decide(left, rules)) == left


@given(vaults(), rules)
def test_a_rule_that_keeps_more_takes_nothing_from_the_others(
    vault: list[Kept], rules: Rules
) -> None:
    if not rules.choose_versions:
        return
    more = replace(rules, last=rules.last + 1, monthly=rules.monthly + 1)
    assert {one.path for one in kept(decide(vault, rules))} <= {
        one.path for one in kept(decide(vault, more))
    }


@given(vaults())
def test_without_a_rule_everything_is_kept(vault: list[Kept]) -> None:
    assert len(kept(decide(vault, Rules()))) == len(vault)
