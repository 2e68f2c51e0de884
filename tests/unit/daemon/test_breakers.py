"""A target that is down is left alone, tried now and then, and used again when it answers."""

import pytest

from mlarchive.errors import ConflictError, UnavailableError
from mlarchived.breakers import FAILURES, Breaker, BreakerMoved, Pauses

DOWN = UnavailableError("dr does not answer")


class World:
    """A breaker, its clock, and what it told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[BreakerMoved] = []
        pauses = Pauses(first=10, most=30)
        self.breaker = Breaker("dr", pauses, lambda: self.now, self.told.append)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.erred(DOWN)


@pytest.fixture
def world() -> World:
    return World()


def test_a_few_failures_open_nothing_and_an_answer_between_them_counts(world: World) -> None:
    for _ in range(3):
        world.fail(FAILURES - 1)
        world.breaker.answered()
    assert world.breaker.refusal() is None
    assert world.told == []


def test_enough_in_a_row_open_it_and_the_refusal_says_why_and_for_how_long(world: World) -> None:
    world.fail(FAILURES)
    world.now += 4
    refusal = world.breaker.refusal()
    assert isinstance(refusal, UnavailableError)
    assert refusal.message == "dr is left alone for another 6 s: dr does not answer"
    assert world.told == [
        BreakerMoved(target="dr", state="open", reason="dr does not answer", seconds=10)
    ]


def test_what_fails_late_while_it_is_open_makes_no_pause_longer(world: World) -> None:
    world.fail(FAILURES + 5)
    assert world.breaker.left == 10


def test_after_its_pause_one_may_try_and_the_others_wait_for_what_comes_of_it(
    world: World,
) -> None:
    world.fail(FAILURES)
    world.now += 10
    assert world.breaker.refusal() is None
    assert world.breaker.refusal() is not None
    world.now += 10
    assert world.breaker.refusal() is None, "the first may have had nothing to ask"


def test_one_failed_try_doubles_the_pause_up_to_the_most(world: World) -> None:
    world.fail(FAILURES)
    pauses = []
    for _ in range(4):
        pauses.append(world.breaker.left)
        world.now += world.breaker.left
        assert world.breaker.refusal() is None
        world.fail()
    assert pauses == [10, 20, 30, 30]


def test_one_answer_closes_it_and_its_pauses_begin_anew(world: World) -> None:
    world.fail(FAILURES)
    world.now += 10
    assert world.breaker.refusal() is None
    world.breaker.answered()
    assert not world.breaker.is_open
    assert world.breaker.refusal() is None
    assert [moved.state for moved in world.told] == ["open", "closed"]
    world.fail(FAILURES)
    assert world.breaker.left == 10


def test_who_refuses_is_not_down(world: World) -> None:
    world.fail(FAILURES)
    world.now += 10
    assert world.breaker.refusal() is None
    world.breaker.erred(ConflictError("it holds other content"))
    assert not world.breaker.is_open
    assert world.breaker.refusal() is None


def test_a_person_may_let_it_be_tried_at_once(world: World) -> None:
    world.fail(FAILURES)
    world.breaker.let_try()
    assert world.breaker.refusal() is None
