"""The plan: what is done with an object, and why."""

import itertools

import pytest
from msgspec.structs import replace

from mlarchive.records import Address
from mlarchive.registries.base import Holding, Ref, Traits
from mlarchived import debts
from mlarchived.choosing import Choice
from mlarchived.gone import NEVER_CAME, NEVER_READ, OTHER_THERE
from mlarchived.plan import in_turn, make_plan
from mlarchived.rules import Deletions, Rules
from mlarchived.steps import ObjectPlan, Step, Verb
from mlarchived.views import VAULT, Delivered, Ids, Marks, Packed, Rival, Stored, Trouble, View

WINE = Address(origin="prod", kind="models", name="wine", version="1")
REF = Ref(address=WINE, content_mark="c1", state_mark="s1")
LOOK = Marks(content="c1", state="s1")
IDS = Ids(content="C1", state="S1")
OLD = Ids(content="C0", state="S0")
RULES = Rules(targets=(VAULT, "dr"))


def held(ids: Ids) -> Holding:
    return Holding(address=replace(WINE, origin="dr"), content_id=ids.content, state_id=ids.state)


NEW = View(address=WINE, ref=REF)
NEW_TOO = View(
    address=replace(WINE, name="ale"), ref=replace(REF, address=replace(WINE, name="ale"))
)
DONE = View(
    address=WINE,
    ref=REF,
    seen=LOOK,
    packed=Packed(marks=LOOK, ids=IDS),
    stored="package",
    in_vault=True,
    delivered={VAULT: Delivered(given=IDS, ids=IDS), "dr": Delivered(given=IDS, ids=IDS)},
    holdings={"dr": held(IDS)},
)


def plan_of(view: View, rules: Rules = RULES) -> ObjectPlan:
    (plan,) = make_plan([view], rules)
    return plan


def at(view: View, target: str, rules: Rules = RULES) -> tuple[str, str]:
    (step,) = (step for step in plan_of(view, rules).steps if step.target == target)
    return step.verb, step.reason


def test_what_nobody_knows_is_copied_everywhere() -> None:
    plan = plan_of(NEW)
    assert plan.steps == (
        Step(target=VAULT, verb="copy", reason="new"),
        Step(target="dr", verb="copy", reason="not mirrored there yet"),
    )
    assert plan.reading == "everything"


def test_what_is_everywhere_is_kept_and_not_read() -> None:
    plan = plan_of(DONE)
    assert [(step.verb, step.reason) for step in plan.steps] == [("keep", "up to date")] * 2
    assert plan.reading == "nothing"
    assert not plan.works


def test_what_seems_unchanged_is_read_in_full_again_after_a_time() -> None:
    month = 30 * 86_400_000
    read = replace(DONE, packed=Packed(marks=LOOK, ids=IDS, read_at=1))
    soon, late = (replace(RULES, reread=month, now=month * part // 4 + 2) for part in (3, 4))
    assert not plan_of(read, replace(soon, now=month // 2)).works
    assert not plan_of(read, replace(late, reread=0)).works
    plan = plan_of(read, late)
    reason = "not read in full since 1970-01-01"
    assert [(step.verb, step.reason) for step in plan.steps] == [("compare", reason)] * 2
    assert plan.reading == "everything"


def test_what_retention_removed_is_not_read_again_for_its_age() -> None:
    rules = replace(RULES, reread=86_400_000, now=100 * 86_400_000)
    old = replace(DONE, packed=Packed(marks=LOOK, ids=IDS, read_at=1))
    assert plan_of(old, rules).works
    assert not plan_of(replace(old, stored="pruned"), rules).works


def test_what_was_read_on_one_day_is_read_again_on_different_ones() -> None:
    month = 30 * 86_400_000
    rules = replace(RULES, reread=month, now=month * 7 // 8)
    due = []
    for number in range(100):
        address = replace(WINE, version=str(number))
        read = Packed(marks=LOOK, ids=IDS, read_at=1)
        view = replace(DONE, address=address, ref=replace(REF, address=address), packed=read)
        due.append(plan_of(view, rules).works)
    assert 20 < sum(due) < 80


def test_changed_content_is_copied_and_read_whole() -> None:
    view = replace(DONE, ref=replace(REF, content_mark="c2"))
    assert at(view, VAULT) == at(view, "dr") == ("copy", "content changed")
    assert plan_of(view).reading == "everything"


def test_changed_labels_are_written_without_reading_bytes() -> None:
    view = replace(DONE, ref=replace(REF, state_mark="s2"))
    assert at(view, VAULT) == at(view, "dr") == ("relabel", "labels changed")
    assert plan_of(view).reading == "labels"


def test_what_is_archived_at_its_source_is_left_alone_and_named_unless_it_is_wanted() -> None:
    hidden = replace(REF, traits=Traits(archived=True))
    why = "archived at its source; `archived = true` mirrors such, too"
    assert [at(replace(NEW, ref=hidden), one) for one in (VAULT, "dr")] == [("leave", why)] * 2
    assert at(replace(DONE, ref=hidden), "dr") == ("leave", why)
    # A package says of it what it is called now; nothing that was delivered goes.
    relabelled = replace(DONE, ref=replace(hidden, state_mark="s2"))
    packages = replace(RULES, keeping=frozenset({VAULT}))
    assert at(relabelled, VAULT, packages) == ("relabel", f"labels changed; {why}")
    rules = replace(RULES, deletions=Deletions(policy="delete"))
    assert at(replace(DONE, ref=hidden), "dr", rules) == ("leave", why)
    wanted = replace(RULES, choice=Choice(archived=True))
    assert at(replace(NEW, ref=hidden), "dr", wanted) == at(NEW, "dr")


def test_a_run_that_still_logs_is_taken_as_it_is_where_a_mirror_is_told_so() -> None:
    run = replace(WINE, kind="runs", name="r1", version="")
    rules = replace(RULES, snapshots=True)
    logging = View(address=run, ref=replace(REF, address=run, settled=False))
    assert at(logging, "dr")[0] == "unsettled"
    assert at(logging, "dr", rules)[0] == "copy"
    version = replace(NEW, ref=replace(REF, settled=False))
    assert at(version, "dr", rules)[0] == "unsettled"


def test_of_two_mirrors_that_contradict_each_other_the_first_has_its_way() -> None:
    def shared(view: View, *, first: bool, has_it: bool) -> View:
        return replace(
            view, rivals={"dr": (Rival(mirror="a", first=first, content="c" if has_it else ""),)}
        )

    relabelled = replace(DONE, holdings={"dr": held(OLD)})
    for view in (relabelled, replace(DONE, ref=replace(REF, state_mark="s2"))):
        assert at(shared(view, first=True, has_it=True), "dr")[0] == "set-aside"
        assert at(shared(view, first=False, has_it=True), "dr") == at(view, "dr")
    assert at(shared(DONE, first=True, has_it=True), "dr")[0] == "keep"
    # What the target lost, and what nobody has compared yet, is no contradiction.
    unknown = replace(DONE, packed=None, delivered={})
    for view, verb in ((replace(DONE, holdings={}), "copy"), (unknown, "compare")):
        assert at(shared(view, first=True, has_it=True), "dr") == at(view, "dr")
        assert at(view, "dr")[0] == verb

    verb, why = at(shared(relabelled, first=True, has_it=False), "dr")
    assert verb == "set-aside"
    assert why.startswith("the mirror 'a', which comes first in the configuration, brings others")
    for news in (NEW, replace(DONE, holdings={}), replace(DONE, ref=replace(REF, state_mark="s2"))):
        assert at(shared(news, first=True, has_it=False), "dr") == at(news, "dr")

    gone = replace(DONE, ref=None, gone_at=1, gone_for=1)
    rules = replace(RULES, deletions=Deletions(policy="delete"))
    assert make_plan([NEW_TOO, gone], rules)[-1].steps[1].verb == "delete"
    told = make_plan([NEW_TOO, shared(gone, first=False, has_it=True)], rules)
    assert "but the mirror 'a' brings it too" in {p.address: p for p in told}[WINE].steps[1].reason


def moved_alias(second: View) -> tuple[ObjectPlan, ...]:
    """Version 1 has lost an alias, which version 2 has now."""
    there = replace(held(IDS), aliases=("best",))
    ref = replace(REF, state_mark="s2", traits=Traits(aliases=()))
    first = replace(DONE, ref=ref, holdings={"dr": there})
    address = replace(WINE, version="2")
    ref = replace(second.ref or REF, address=address, traits=Traits(aliases=("best",)))
    return make_plan([first, replace(second, address=address, ref=ref)], RULES)


def test_an_alias_arrives_with_a_new_version_before_the_old_one_loses_it() -> None:
    plans = moved_alias(NEW)
    assert [plan.address.version for plan in plans] == ["2", "1"]
    assert [plan.steps[1].verb for plan in plans] == ["copy", "relabel"]


def test_an_alias_that_moves_between_two_that_are_there_never_names_nothing() -> None:
    plans = moved_alias(replace(DONE, ref=replace(REF, state_mark="s2")))
    assert [plan.address.version for plan in plans] == ["2", "1"]
    assert [plan.steps[1].verb for plan in plans] == ["relabel", "relabel"]


@pytest.mark.parametrize(
    "second",
    [replace(NEW, ref=replace(REF, settled=False)), replace(NEW, silent={"dr": "it is down"})],
)
def test_a_version_keeps_its_alias_until_the_one_that_gets_it_can_come(second: View) -> None:
    plans = moved_alias(second)
    (first,) = (plan for plan in plans if plan.address.version == "1")
    assert [step.verb for step in first.steps] == ["relabel", "wait"]
    assert "keeps the alias 'best' until version 2" in first.steps[1].reason


def test_a_version_that_a_person_must_look_at_keeps_nobody_waiting() -> None:
    plans = moved_alias(replace(NEW, clash="two of one name"))
    assert [plan.steps[1].verb for plan in plans] == ["set-aside", "relabel"]


def test_changed_labels_need_the_bytes_where_the_vault_lost_them() -> None:
    view = replace(DONE, ref=replace(REF, state_mark="s2"), stored="nothing")
    assert plan_of(view).reading == "everything"


def test_changed_labels_are_no_matter_of_labels_alone_where_the_target_is_behind() -> None:
    view = replace(DONE, ref=replace(REF, state_mark="s2"), holdings={"dr": held(OLD)})
    view = replace(view, delivered={"dr": Delivered(given=OLD, ids=Ids(content="?", state="?"))})
    assert at(view, "dr") == ("copy", "content changed")


def test_a_new_target_is_served_from_the_vault() -> None:
    plan = plan_of(replace(DONE, holdings={"dr": None}, delivered={}))
    assert [(step.verb, step.reason) for step in plan.steps] == [
        ("keep", "up to date"),
        ("copy", "not mirrored there yet"),
    ]
    assert plan.reading == "nothing"


def test_what_somebody_deleted_at_the_target_is_copied_again() -> None:
    assert at(replace(DONE, holdings={"dr": None}), "dr") == ("copy", "gone from the target")


def test_what_somebody_deleted_in_the_vault_is_read_again() -> None:
    view = replace(DONE, stored="nothing")
    assert at(view, VAULT) == ("copy", "gone from the vault")
    assert plan_of(view).reading == "everything"


def test_a_lost_ledger_means_comparing_and_not_copying() -> None:
    view = View(address=WINE, ref=REF, in_vault=True, holdings={"dr": held(IDS)})
    assert at(view, VAULT) == ("compare", "in the vault, but the ledger does not know it")
    assert at(view, "dr") == ("compare", "at the target, but the ledger does not know it")


def test_a_target_that_could_not_be_served_last_time_is_served_now() -> None:
    behind = replace(DONE, holdings={"dr": held(OLD)}, delivered={"dr": Delivered(ids=OLD)})
    assert at(behind, "dr") == ("copy", "content changed")
    relabel = Ids(content=IDS.content, state="S0")
    behind = replace(DONE, holdings={"dr": held(relabel)}, delivered={"dr": Delivered(ids=relabel)})
    assert at(behind, "dr") == ("relabel", "labels changed")


def test_what_others_wrote_at_the_target_is_said_to_be_others() -> None:
    assert at(replace(DONE, holdings={"dr": held(OLD)}), "dr") == (
        "copy",
        "the target has other content",
    )
    theirs = held(Ids(content=IDS.content, state="theirs"))
    assert at(replace(DONE, holdings={"dr": theirs}), "dr") == (
        "relabel",
        "the target has other labels",
    )


def test_a_target_that_cannot_hold_all_is_up_to_date_with_what_it_can() -> None:
    less = Ids(content=IDS.content, state="no labels")
    view = replace(
        DONE, holdings={"dr": held(less)}, delivered={"dr": Delivered(given=IDS, ids=less)}
    )
    assert at(view, "dr") == ("keep", "up to date")


def test_a_run_that_still_logs_is_not_taken() -> None:
    view = replace(NEW, ref=replace(REF, settled=False))
    assert at(view, VAULT) == at(view, "dr") == ("unsettled", "not settled: its run still logs")
    assert plan_of(view).reading == "nothing"


def test_what_came_from_a_target_does_not_go_back_there_but_elsewhere() -> None:
    view = replace(NEW, ref=replace(REF, origin="dr#models/wine/7"))
    rules = replace(RULES, targets=(VAULT, "dr", "lab"))
    assert at(view, "dr", rules) == ("leave", "echo: came from this target")
    assert at(view, VAULT, rules)[0] == at(view, "lab", rules)[0] == "copy"


def test_what_came_through_a_target_does_not_go_back_there_in_a_ring() -> None:
    view = replace(NEW, ref=replace(REF, origin="lab#models/wine/7", through=("dr", "lab")))
    assert at(view, "dr") == ("leave", "echo: came through this target")


def test_what_people_labelled_at_the_target_is_not_deleted_there_and_is_said() -> None:
    rules = replace(RULES, now=2, deletions=Deletions(policy="delete", limit=9))
    gone = replace(DONE, ref=None, gone_at=1)
    present = replace(DONE, address=replace(WINE, version="2"))
    assert at_of(gone, present, rules)[0] == "delete"
    verb, reason = at_of(replace(gone, touched={"dr": "alias 'live'"}), present, rules)
    assert verb == "set-aside"
    assert reason.endswith("but people gave it labels at the target: alias 'live'")


def at_of(view: View, other: View, rules: Rules) -> tuple[str, str]:
    """What is done with the first of two at `dr`."""
    (plan,) = (one for one in make_plan([view, other], rules) if one.address == view.address)
    (step,) = (step for step in plan.steps if step.target == "dr")
    return step.verb, step.reason


def test_two_that_took_each_other_for_their_origin_are_no_echo() -> None:
    """Both were there before, and two mirrors took them over at the same time."""
    adopted = replace(REF, origin="dr#models/wine/1", through=("dr",), adopted=True)
    assert at(replace(DONE, ref=adopted), "dr") == ("keep", "up to date")
    foreign = replace(DONE, ref=adopted, holdings={"dr": None})
    assert at(foreign, "dr") == ("leave", "echo: came from this target")


def test_what_a_command_copied_from_a_target_is_an_echo_whatever_it_calls_it() -> None:
    foreign = replace(NEW, ref=replace(REF, origin="dir:/dr#models/wine/1"))
    assert at(foreign, "dr")[0] == "copy"
    rules = replace(RULES, locators={"dr": "dir:/dr"})
    assert at(foreign, "dr", rules) == ("leave", "echo: came from this target")


def test_an_origin_that_only_begins_like_the_target_is_no_echo() -> None:
    assert at(replace(NEW, ref=replace(REF, origin="dr2#models/wine/7")), "dr")[0] == "copy"


def test_what_is_gone_from_the_source_is_kept() -> None:
    assert at(replace(DONE, ref=None), "dr") == (
        "keep",
        "gone from the source; deletions are not mirrored",
    )


@pytest.mark.parametrize(
    ("stored", "verb"),
    [("package", "keep"), ("pruned", "keep"), ("content", "set-aside"), ("nothing", "set-aside")],
)
def test_what_is_gone_from_its_source_and_from_the_vault_unpruned_is_set_aside(
    stored: Stored, verb: Verb
) -> None:
    gone = replace(DONE, ref=None, stored=stored, delivered={VAULT: Delivered(given=IDS)})
    assert at(gone, VAULT)[0] == verb
    assert at(replace(gone, delivered={}), VAULT)[0] == "keep"


@pytest.mark.parametrize("stored", ["package", "pruned", "content", "nothing"])
def test_what_a_target_lost_comes_again_from_the_vault_or_is_set_aside(stored: Stored) -> None:
    there = replace(DONE, ref=None, stored=stored)
    lost = replace(there, holdings={"dr": None})
    assert at(lost, "dr")[0] == ("copy" if stored == "package" else "set-aside")
    assert plan_of(lost).reading == "nothing"
    rivals = {"dr": (Rival(mirror="other", first=False, content="c"),)}
    for other in (there, replace(lost, holdings={}), replace(lost, rivals=rivals)):
        assert at(other, "dr")[0] == "keep"
    assert at(replace(lost, delivered={}), "dr")[0] == "keep"


@pytest.mark.parametrize(
    ("include", "exclude", "said"),
    [
        (("wine*",), (), ""),
        (("beer",), (), "excluded: the name matches no pattern of `include`"),
        (("beer", "w?ne"), (), ""),
        (("*",), ("w*",), 'excluded by "w*"'),
        (("wine",), ("beer",), ""),
        (("[w]ine",), (), "excluded: the name matches no pattern of `include`"),
    ],
)
def test_names_are_included_and_excluded_by_pattern(
    include: tuple[str, ...], exclude: tuple[str, ...], said: str
) -> None:
    rules = replace(RULES, choice=Choice(include=include, exclude=exclude))
    assert at(NEW, "dr", rules) == (("leave", said) if said else ("copy", "not mirrored there yet"))


def test_a_silent_target_waits_and_the_others_do_not() -> None:
    view = replace(NEW, silent={"dr": "no answer from dr"})
    assert at(view, "dr") == ("wait", "no answer from dr")
    assert at(view, VAULT)[0] == "copy"


def in_trouble(strikes: int) -> View:
    trouble = Delivered(trouble=Trouble(sentence="too big", strikes=strikes))
    return replace(NEW, seen=LOOK, delivered={"dr": trouble})


def test_after_enough_failures_an_object_is_set_aside_for_that_target_alone() -> None:
    assert at(in_trouble(4), "dr") == ("copy", "not mirrored there yet")
    assert at(in_trouble(5), "dr") == ("set-aside", "set aside after 5 failures: too big")
    assert at(in_trouble(5), VAULT)[0] == "copy"


def test_what_is_gone_and_cannot_be_given_is_set_aside_so_that_later_versions_come() -> None:
    def gone(strikes: int) -> View:
        given = Delivered(given=IDS, trouble=Trouble(sentence="too big", strikes=strikes))
        delivered = {VAULT: Delivered(given=IDS), "dr": given}
        return replace(DONE, ref=None, holdings={"dr": None}, delivered=delivered)

    assert at(gone(4), "dr")[0] == "copy"
    assert at(gone(5), "dr") == ("set-aside", "set aside after 5 failures: too big")


def test_a_version_that_is_gone_and_owed_holds_its_place_while_the_target_is_silent() -> None:
    delivered = {VAULT: Delivered(given=IDS), "dr": Delivered(owed=True)}
    second = replace(WINE, version="2")
    gone = replace(DONE, ref=None, holdings={}, delivered=delivered, silent={"dr": "503"})
    later = replace(NEW, address=second, ref=replace(REF, address=second), holdings={"dr": None})
    first, then = make_plan([gone, later], RULES)
    assert [step.verb for step in first.steps if step.target == "dr"] == ["wait"]
    assert [step.verb for step in then.steps if step.target == "dr"] == ["wait"]


@pytest.mark.parametrize("owed", [True, False])
def test_a_debt_outlives_a_run_that_goes_on(*, owed: bool) -> None:
    view = replace(DONE, ref=replace(REF, settled=False), delivered={"dr": Delivered(owed=owed)})
    step = Step(target="dr", verb="unsettled", reason="its run still logs")
    assert debts._is_owed(view, step) == owed  # noqa: SLF001


def test_what_was_seen_last_and_never_read_is_missed_where_the_vault_has_what_was_before() -> None:
    owed = {VAULT: Delivered(given=IDS), "dr": Delivered(given=IDS, ids=IDS, owed=True)}
    read = replace(DONE, ref=None, delivered=owed)
    assert at(read, "dr")[0] == "keep"
    unread = replace(read, seen=replace(LOOK, content="c2"))
    assert at(unread, "dr") == ("set-aside", NEVER_READ)
    assert at(unread, VAULT)[0] == "keep"
    assert at(replace(read, seen=replace(LOOK, state="s2")), "dr") == ("set-aside", NEVER_READ)
    empty = replace(unread, holdings={"dr": None}, delivered=owed | {"dr": Delivered(owed=True)})
    assert at(empty, "dr")[0] == "copy"
    assert at(replace(empty, stored="nothing"), "dr") == ("set-aside", NEVER_CAME)


def test_labels_that_a_target_states_no_more_are_not_those_that_were_seen_last() -> None:
    owed = {VAULT: Delivered(given=IDS), "dr": Delivered(given=IDS, ids=IDS, owed=True)}
    unread = replace(DONE, ref=None, delivered=owed, seen=Marks(content="c1", state="s2"))
    unstated = replace(unread, holdings={"dr": held(replace(IDS, state=""))})
    assert at(unstated, "dr") == ("set-aside", NEVER_READ)
    for by_hand in (replace(IDS, state="S2"), Ids(content="C2", state="")):
        assert at(replace(unread, holdings={"dr": held(by_hand)}), "dr")[0] == "keep"


def test_what_a_target_had_before_is_not_what_was_seen_and_never_read() -> None:
    owed = {"dr": Delivered(owed=True)}
    unread = replace(NEW, ref=None, seen=LOOK, delivered=owed, holdings={"dr": held(OLD)})
    assert at(unread, "dr") == ("set-aside", OTHER_THERE)
    seen = Marks(content=OLD.content, state=OLD.state)
    assert at(replace(unread, seen=seen), "dr")[0] == "keep"
    rivals = {"dr": (Rival(mirror="other", first=False, content=OLD.content),)}
    assert at(replace(unread, rivals=rivals), "dr")[0] == "keep"


def test_what_cannot_be_read_is_set_aside_everywhere() -> None:
    view = replace(NEW, seen=LOOK, trouble=Trouble(sentence="broken", strikes=5))
    assert {step.verb for step in plan_of(view).steps} == {"set-aside"}


def test_a_change_at_the_source_ends_being_set_aside() -> None:
    view = replace(in_trouble(5), ref=replace(REF, content_mark="c2"))
    assert at(view, "dr") == ("copy", "not mirrored there yet")


def test_a_person_can_end_being_set_aside() -> None:
    assert at(in_trouble(5), "dr", replace(RULES, retry=True)) == ("copy", "not mirrored there yet")


def test_what_was_passed_over_by_policy_is_left_until_it_changes() -> None:
    passed = replace(DONE, holdings={"dr": None}, delivered={"dr": Delivered(passed_over=IDS)})
    assert at(passed, "dr")[0] == "leave"
    assert at(passed, "dr", replace(RULES, retry=True))[0] == "copy"
    changed = replace(passed, ref=replace(REF, content_mark="c2"))
    assert at(changed, "dr")[0] == "copy"


def version(number: str, *, settled: bool = True) -> View:
    address = replace(WINE, version=number)
    return View(address=address, ref=replace(REF, address=address, settled=settled))


def test_versions_are_taken_in_the_order_in_which_people_count() -> None:
    views = [version(number) for number in ("10", "2", "1", "3")]
    plans = make_plan(views, RULES)
    assert [plan.address.version for plan in plans] == ["1", "2", "3", "10"]


def test_a_later_version_waits_for_one_that_is_not_settled_where_numbers_are_kept() -> None:
    views = [version("1"), version("2", settled=False), version("3")]
    *_, third = make_plan(views, RULES)
    assert [(step.verb, step.never) for step in third.steps] == [("copy", False), ("wait", False)]
    assert "version 2 comes first" in third.steps[1].reason
    assert 'with `versions = "next"` nothing waits' in third.steps[1].reason
    for rules in (replace(RULES, in_order=False), replace(RULES, patient=frozenset({"dr"}))):
        *_, third = make_plan(views, rules)
        assert [step.verb for step in third.steps] == ["copy", "copy"]


def test_a_placeholder_is_said_to_be_one_and_nothing_waits_for_it() -> None:
    placeholder = version("1")
    assert placeholder.ref
    placeholder = replace(placeholder, ref=replace(placeholder.ref, unfinished="no version: …"))
    first, second = make_plan([placeholder, version("2")], RULES)
    assert {(step.verb, step.reason) for step in first.steps} == {("unsettled", "no version: …")}
    assert {step.never for step in first.steps} == {True}
    assert first.reading == "nothing"
    assert {step.verb for step in second.steps} == {"copy"}


def test_a_version_that_the_target_has_already_waits_for_nobody() -> None:
    third = version("3")
    third = replace(third, holdings={"dr": held(OLD)})
    *_, plan = make_plan([version("2", settled=False), third], RULES)
    assert plan.steps[1].verb == "compare"


def test_another_model_waits_for_nobody() -> None:
    other = replace(WINE, name="wine2", version="9")
    views = [version("2", settled=False), View(address=other, ref=replace(REF, address=other))]
    *_, plan = make_plan(views, RULES)
    assert [step.verb for step in plan.steps] == ["copy", "copy"]


def test_natural_order_is_total_for_odd_versions() -> None:
    odd = ["1", "01", "2", "10", "1.2", "1.10", "v2", "", "2-rc1", "٣"]
    addresses = [replace(WINE, version=version) for version in odd]
    for left, right in itertools.product(addresses, repeat=2):
        assert (in_turn(left) < in_turn(right)) + (in_turn(right) < in_turn(left)) == (
            left != right
        )


def test_what_is_at_the_source_again_is_said_to_be_gone_no_more() -> None:
    marked = {"dr": Delivered(given=IDS, ids=IDS, marked=True)}
    back = replace(DONE, delivered={**DONE.delivered, **marked})
    assert at(back, "dr") == ("revive", "it is at the source again")
    assert plan_of(back).reading == "nothing"


def test_what_a_server_made_of_labels_that_were_not_noted_is_no_debt() -> None:
    owed = {VAULT: Delivered(given=IDS), "dr": Delivered(owed=True)}
    other = held(Ids(content=IDS.content, state="S0"))
    there = replace(DONE, ref=None, stored="package", delivered=owed, holdings={"dr": other})
    assert at(there, "dr")[0] == "keep"
    assert at(there, "dr", replace(RULES, keeping=frozenset({"dr"})))[0] == "relabel"
