"""A write whose request had no answer is planned anew for as long as it gets further."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import pytest

from mlarchive.errors import UnavailableError
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow.failures import Unanswered
from mlarchive.registries.mlflow.repeating import all_done, repeated
from mlarchive.registries.mlflow.work import Work
from tests.support.mlflow_packages import by_hand

if TYPE_CHECKING:
    from mlarchive.registries.mlflow.connection import Connection

NOBODY = cast("Connection", None)
"""Steps of these tests ask no server."""


@pytest.fixture(autouse=True)
def _two_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


def planning(answers: list[bool], steps: int) -> Callable[[], Work]:
    """Plans of what is not there yet; each step takes effect, and is answered or not."""
    waiting, there = iter(answers), list[int]()

    def do(number: int, told: Iterator[bool]) -> None:
        effect = next(told)
        if effect:
            there.append(number)
            return
        raise UnavailableError("it answers 500")

    def planned() -> Work:
        work = Work(NOBODY, by_hand("wine", "1"), WritePolicy())
        for number in range(steps):
            if number in there:
                work.step("keep", f"step {number}")
            else:
                work.step_once(
                    "create",
                    f"step {number}",
                    "new",
                    lambda n=number: do(n, waiting),  # type: ignore[misc]  # bound here
                )
        return work

    return planned


def test_each_step_may_fail_as_often_as_a_request_is_tried_and_all_that_was_done_is_told() -> None:
    works = repeated(planning([False, False, True, False, False, True, True], steps=3))
    assert len(works) == 5
    assert [(a.verb, a.what) for a in all_done(works)] == [
        ("create", "step 0"),
        ("create", "step 1"),
        ("create", "step 2"),
    ]


def test_what_is_never_answered_ends_the_write() -> None:
    with pytest.raises(Unanswered, match="it answers 500"):
        repeated(planning([True, False, False, False, True], steps=2))
