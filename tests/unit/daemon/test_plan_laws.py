"""Laws of the plan, which hold whatever is known of an object, in every combination."""

from collections.abc import Mapping
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlarchive.registries.base import Holding
from mlarchived.choosing import Choice
from mlarchived.plan import make_plan
from mlarchived.rules import Rules
from mlarchived.steps import WORK
from mlarchived.views import VAULT, Delivered, Ids, Marks, Packed, Trouble, View
from tests.unit.daemon.test_plan import IDS, LOOK, OLD, REF, WINE, held, plan_of

LOOKS = [None, LOOK, Marks(content="c0", state="s1"), Marks(content="c1", state="s0")]
SOME_IDS = [None, IDS, OLD, Ids(content="C1", state="S0")]
TROUBLES = [None, Trouble(sentence="no", strikes=1), Trouble(sentence="no", strikes=5)]


def optional(ids: Ids | None) -> Holding | None:
    return held(ids) if ids else None


@st.composite
def views(draw: st.DrawFn) -> View:
    name = draw(st.sampled_from(["wine", "beer", "port"]))
    address = replace(WINE, name=name, version=draw(st.sampled_from(["1", "2", "10", ""])))
    marks = draw(st.sampled_from(LOOKS))
    ids = draw(st.sampled_from(SOME_IDS))
    ref = replace(
        REF,
        address=address,
        settled=draw(st.integers(0, 4)) > 0,
        origin=draw(st.sampled_from(["", "", "dr#models/wine/1", "lab#models/wine/1"])),
    )
    return View(
        address=address,
        ref=draw(st.sampled_from([ref, ref, ref, None])),
        seen=draw(st.sampled_from(LOOKS)),
        packed=Packed(marks=marks, ids=ids) if marks and ids else None,
        stored=draw(st.sampled_from(["nothing", "content", "package"])),
        in_vault=draw(st.booleans()),
        trouble=draw(st.sampled_from(TROUBLES)),
        delivered=draw(delivered()),
        holdings={target: optional(draw(st.sampled_from(SOME_IDS))) for target in ("dr", "lab")},
        silent=draw(st.sampled_from([{}, {}, {"dr": "no answer"}])),
    )


@st.composite
def delivered(draw: st.DrawFn) -> Mapping[str, Delivered]:
    return {
        target: Delivered(
            given=draw(st.sampled_from(SOME_IDS)),
            ids=draw(st.sampled_from(SOME_IDS)),
            passed_over=draw(st.sampled_from(SOME_IDS)),
            trouble=draw(st.sampled_from(TROUBLES)),
        )
        for target in draw(st.sets(st.sampled_from([VAULT, "dr", "lab"])))
    }


def registries() -> st.SearchStrategy[list[View]]:
    return st.lists(views(), max_size=6, unique_by=lambda view: view.address)


def all_rules() -> st.SearchStrategy[Rules]:
    return st.builds(
        Rules,
        targets=st.sampled_from([(VAULT, "dr", "lab"), ("dr",), (VAULT,)]),
        choice=st.sampled_from([Choice(), Choice(exclude=("beer",))]),
        in_order=st.booleans(),
        retry=st.booleans(),
    )


@given(registries(), all_rules())
def test_every_object_has_one_step_with_a_reason_for_every_target(
    known: list[View], rules: Rules
) -> None:
    plans = make_plan(known, rules)
    assert {plan.address for plan in plans} == {view.address for view in known}
    for plan in plans:
        assert tuple(step.target for step in plan.steps) == rules.targets
        assert all(step.reason for step in plan.steps)
    assert sum(len(plan.steps) for plan in plans) == len(known) * len(rules.targets)


@given(registries(), all_rules(), st.randoms(use_true_random=False))
def test_the_order_in_which_a_source_answers_changes_nothing(
    known: list[View], rules: Rules, random: Random
) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)
    assert make_plan(shuffled, rules) == make_plan(known, rules)


@given(views(), all_rules())
def test_nothing_is_read_unless_something_is_done(view: View, rules: Rules) -> None:
    plan = plan_of(view, rules)
    assert plan.works or plan.reading == "nothing"
    assert not plan.works or plan.reading != "nothing" or view.stored == "package"


@given(views(), all_rules())
def test_nothing_goes_back_where_it_came_from(view: View, rules: Rules) -> None:
    origin = view.ref.origin.partition("#")[0] if view.ref else ""
    assert not any(step.works and step.target == origin for step in plan_of(view, rules).steps)


@given(views(), all_rules())
def test_nothing_is_done_with_what_is_gone_unsettled_or_excluded(view: View, rules: Rules) -> None:
    idle = view.ref is None or not view.ref.settled or view.address.name in rules.choice.exclude
    assert not (idle and plan_of(view, rules).works)


@given(views(), all_rules())
def test_bytes_are_spared_only_while_the_content_looks_as_it_was_packed(
    view: View, rules: Rules
) -> None:
    if plan_of(view, rules).reading == "labels":
        assert view.packed
        assert view.ref
        assert view.packed.marks.content == view.ref.content_mark
        assert view.stored != "nothing"


@given(views(), all_rules())
def test_once_all_work_is_done_there_is_none_left(view: View, rules: Rules) -> None:
    """Carry the plan out on paper: pack, deliver, confirm; then plan again."""
    plan = plan_of(view, rules)
    look = Marks(content=REF.content_mark, state=REF.state_mark)
    packed = view.packed if plan.reading == "nothing" else Packed(marks=look, ids=IDS)
    if packed is None:
        return
    done = [step.target for step in plan.steps if step.works]
    after = replace(
        view,
        seen=look,
        packed=packed,
        stored="package" if plan.works else view.stored,
        trouble=None if plan.works else view.trouble,
        delivered={
            **view.delivered,
            **dict.fromkeys(done, Delivered(given=packed.ids, ids=packed.ids)),
        },
        holdings={
            **view.holdings,
            **dict.fromkeys((t for t in done if t != VAULT), held(packed.ids)),
        },
    )
    again = plan_of(after, replace(rules, retry=False))
    assert all(step.verb not in WORK for step in again.steps if step.target in done)
