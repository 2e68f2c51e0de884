"""Parents come before their children, and what links to others behind these."""

from hypothesis import given
from hypothesis import strategies as st

from mlarchive.records import Address
from mlarchive.registries.ordering import RunInOrder, in_order, parents_first

RUNS = st.lists(
    st.builds(
        RunInOrder,
        id=st.sampled_from("abcdefgh"),
        parent=st.sampled_from(["", *"abcdefgh", "gone"]),
        start=st.integers(0, 3),
    ),
    unique_by=lambda run: run.id,
)


@given(RUNS)
def test_every_run_has_one_place_and_a_parent_stands_before_its_child(
    runs: list[RunInOrder],
) -> None:
    order = parents_first(runs)
    places = {one: place for place, one in enumerate((*order.parents, *order.others))}
    known = {run.id: run for run in runs}
    assert sorted(places) == sorted(known)
    for run in runs:
        line = [run.id]
        while (parent := known[line[-1]].parent) in known and parent not in line:
            line.append(parent)
        is_in_a_circle = known[line[-1]].parent in known
        if not is_in_a_circle:
            assert [places[one] for one in line] == sorted(
                (places[one] for one in line), reverse=True
            )
        assert set(line[1:]) <= set(order.parents)


def test_runs_that_are_no_parents_are_in_the_order_of_time() -> None:
    runs = [RunInOrder(id=one, start=start) for one, start in (("a", 3), ("b", 1), ("c", 2))]
    assert parents_first(runs).others == ("b", "c", "a")


def test_kinds_stand_behind_what_they_link_to_and_versions_ascend() -> None:
    order = parents_first([RunInOrder(id="c", parent="p", start=1), RunInOrder(id="p", start=2)])
    texts = [
        "webhooks/w",
        "prompts/q/1",
        "runs/c",
        "models/m/10",
        "models/m/9",
        "registered-models/r",
        "runs/p",
        "experiments/e",
    ]
    addresses = []
    for text in texts:
        kind, name, *version = text.split("/")
        addresses.append(Address(origin="o", kind=kind, name=name, version="".join(version)))
    assert [str(one).removeprefix("o#") for one in in_order(addresses, order)] == [
        "experiments/e",
        "runs/p",
        "models/m/9",
        "models/m/10",
        "registered-models/r",
        "runs/c",
        "prompts/q/1",
        "webhooks/w",
    ]
