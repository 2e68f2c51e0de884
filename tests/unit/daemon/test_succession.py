"""What is gone under its name only is known by what a target's copy says of itself."""

from typing import Literal

import pytest
from msgspec.structs import replace

from mlarchive.records import Address
from mlarchive.registries.base import Holding, Ref
from mlarchived.gone import gone as becomes
from mlarchived.rules import Deletions, Rules
from mlarchived.sighting import Sighting
from mlarchived.steps import REMOVING
from mlarchived.succession import Succession
from mlarchived.views import VAULT, Delivered, Ids, Marks, Packed, Trouble, View
from tests.unit.daemon.test_plan import at

PROD = Address(origin="src", kind="experiments", name="prod")
NEW = replace(PROD, name="prod of 2025")
SHOWN = Ref(address=NEW, content_mark="c", state_mark="s", lasting="src#experiments/1")
COPY = Holding(
    address=Address(origin="dr", kind="experiments", name="prod of 2025"),
    content_id="C",
    state_id="S",
    lasting=("lab#experiments/5", "src#experiments/1"),
    also=("src#experiments/prod%20of%202025",),
)
IDS = Ids(content="C", state="S")
GIVEN = Delivered(given=IDS, ids=IDS)
GONE = View(
    address=PROD,
    ref=None,
    seen=Marks(content="c", state="s"),
    packed=Packed(marks=Marks(content="c", state="s"), ids=IDS),
    stored="package",
    in_vault=True,
    delivered={VAULT: GIVEN, "dr": GIVEN},
    holdings={"dr": COPY},
    gone_at=1,
    gone_for=10_000,
    succeeded={"dr": str(NEW)},
)

Policy = Literal["keep", "tombstone", "delete"]
POLICIES: tuple[Policy, ...] = ("keep", "tombstone", "delete")


def rules(policy: Policy) -> Rules:
    return Rules(targets=(VAULT, "dr"), deletions=Deletions(policy=policy, grace=1))


def successor(held: Holding, *shown: Ref) -> str:
    return Succession(Sighting(shown)).of(held)


def test_it_is_what_the_source_calls_so_for_good_whatever_its_name_is() -> None:
    elsewhere = replace(SHOWN, address=replace(NEW, kind="runs"), lasting="")
    assert successor(replace(COPY, also=()), SHOWN, elsewhere) == str(NEW)
    assert not successor(replace(COPY, also=()), replace(SHOWN, lasting="src#experiments/2"))
    assert not successor(COPY)


def test_without_that_it_is_what_has_a_name_that_the_copy_had() -> None:
    unknown = replace(SHOWN, lasting="")
    assert successor(COPY, unknown) == str(NEW)
    assert successor(replace(COPY, lasting=()), SHOWN) == str(NEW)
    assert not successor(replace(COPY, also=("src#experiments/other",)), unknown)
    assert not successor(replace(COPY, also=(), lasting=()), SHOWN, unknown)


def test_a_name_that_two_had_one_after_the_other_says_nothing_of_either() -> None:
    """The experiment 2 has the name now that the copy of 1 had once."""
    other = replace(SHOWN, lasting="src#experiments/2")
    assert not successor(COPY, other)
    assert successor(replace(COPY, lasting=("lab#experiments/7",)), other) == str(NEW)


@pytest.mark.parametrize("policy", POLICIES)
def test_it_is_let_go_of_once_whatever_becomes_of_what_is_gone(policy: Policy) -> None:
    verb, reason = at(GONE, "dr", rules(policy))
    assert verb == "release"
    assert reason.endswith("the copy of src#experiments/prod%20of%202025")
    told = replace(GONE, delivered={VAULT: GIVEN, "dr": Delivered()})
    assert at(told, "dr", rules(policy)) == ("keep", reason)
    assert at(GONE, VAULT, rules(policy))[0] == "keep"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "known",
    [
        None,
        Delivered(owed=True),
        Delivered(owed=True, doubted=True),
        replace(GIVEN, trouble=Trouble(sentence="cannot be deleted", strikes=9)),
        replace(GIVEN, withheld="raise the limit"),
    ],
)
def test_what_was_owed_doubted_or_in_trouble_under_the_old_name_is_so_no_more(
    policy: Policy, known: Delivered | None
) -> None:
    """A package of the old name would write over what the new one has brought."""
    delivered = {VAULT: GIVEN} | ({"dr": known} if known else {})
    assert at(replace(GONE, delivered=delivered), "dr", rules(policy))[0] == "release"


def test_what_has_no_successor_is_taken_away_as_told() -> None:
    gone = replace(GONE, succeeded={})
    assert {becomes(gone, "dr", rules(one))[0] for one in POLICIES} == {"keep", *REMOVING}


@pytest.mark.parametrize("policy", ["tombstone", "delete"])
def test_what_is_deleted_there_as_far_as_that_goes_is_left_so(policy: Policy) -> None:
    gone = replace(GONE, succeeded={}, holdings={"dr": replace(COPY, deleted=True)})
    verb, reason = at(gone, "dr", rules(policy))
    assert verb == "keep"
    assert reason.endswith("and deleted there")


def test_while_the_source_may_hide_it_nothing_is_let_go_of() -> None:
    assert at(replace(GONE, hidden="perhaps"), "dr", rules("delete")) == ("wait", "perhaps")
