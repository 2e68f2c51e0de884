"""Marks of one object by several names of its server (clauses 3.2, 3.3 and 4)."""

import pytest

from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.sameorigin import also_named, is_same, origin_mark, own_first

RUN = f"runs/{'0a' * 16}"


@pytest.mark.parametrize("inside", [RUN, f"logged-models/m-{'0a' * 16}", f"traces/tr-{'0a' * 16}"])
def test_what_mlflow_numbered_is_one_by_whatever_name(inside: str) -> None:
    assert is_same(f"mlflow+http://127.0.0.1:5000#{inside}", f"lab#{inside}")
    assert not is_same(f"lab#{inside[:-1]}b", f"lab#{inside}")
    assert not is_same(f"lab#{inside}!files", f"lab#{inside}")


@pytest.mark.parametrize(
    "inside",
    [
        "runs/RUN-12",
        "runs/happy_turtle_1",
        f"runs/{'0A' * 16}",
        f"runs/{'0a' * 15}",
        f"{RUN}!files",
        "experiments/1",
        "models/wine/1",
    ],
)
def test_what_others_numbered_is_known_with_the_name_before_it(inside: str) -> None:
    assert is_same(f"lab#{inside}", f"lab#{inside}")
    assert not is_same(f"ward#{inside}", f"lab#{inside}")


def test_the_first_name_stays_and_others_are_remembered_once_each() -> None:
    held = {marks.ORIGIN: f"lab#{RUN}", marks.STATE_ID: "s1"}
    assert origin_mark({}, f"lab#{RUN}") == {marks.ORIGIN: f"lab#{RUN}"}
    assert origin_mark(held, f"ward#{RUN}") == {}
    assert also_named(held, f"lab#{RUN}", "s2") == {}

    held |= also_named(held, f"ward#{RUN}", "")
    assert held[marks.ORIGIN] == f"lab#{RUN}"
    assert marks.origins_in(held) == {f"ward#{RUN}": "", f"lab#{RUN}": "s1"}
    assert also_named(held, f"ward#{RUN}", "") == {}

    held |= also_named(held, f"ward#{RUN}", "s2")
    assert marks.origins_in(held)[f"ward#{RUN}"] == "s2"
    assert also_named(held, f"ward#{RUN}", "s2") == also_named(held, f"ward#{RUN}", "") == {}


def test_what_came_by_the_very_name_is_found_first() -> None:
    found = [{marks.ORIGIN: f"{name}#{RUN}"} for name in ("lab", "ward", "lab")]
    assert own_first(found, f"ward#{RUN}", lambda tags: tags) == [found[1], found[0], found[2]]
