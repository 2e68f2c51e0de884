"""One object that fails does not stop the others, whatever it fails of."""

import json
from collections.abc import Sequence

import pytest

from mlarchive.cli.console import Console
from mlarchive.cli.ending import Ending
from mlarchive.cli.receive import status_of
from mlarchive.cli.sidebyside import in_turn
from mlarchive.errors import (
    ConflictError,
    DamageError,
    MlarchiveError,
    UnavailableError,
    UnsupportedError,
)
from mlarchive.records import Address
from mlarchive.transfer.media import Taken

NAMES = ("bad", "good", "better")


def carried(address: Address) -> str:
    if address.name == "bad":
        raise OverflowError("too large")
    return address.name


def addresses() -> Sequence[Address]:
    return [Address(origin="dir:d", kind="runs", name=name) for name in NAMES]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_defect_over_one_object_costs_that_object_alone(
    capsys: pytest.CaptureFixture[str], *, workers: int
) -> None:
    end, console, arrived = Ending(), Console(environment={}, json=True), []
    for address, done in in_turn(carried, addresses(), workers):
        with end.outlasting(address, console):
            arrived.append(done())
            end.take(3)
    assert arrived == ["good", "better"]
    assert end.status == 1
    told = json.loads(capsys.readouterr().out)
    assert told["address"] == "dir:d#runs/bad"
    assert "OverflowError: too large" in told["error"]["message"]


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([ConflictError("a"), ConflictError("b")], 14),
        ([ConflictError("a"), UnsupportedError("b"), ConflictError("c")], 22),
        ([ConflictError("a"), DamageError("b"), UnsupportedError("c")], 4),
    ],
)
def test_failures_that_differ_are_mixed_ones(errors: list[MlarchiveError], status: int) -> None:
    end, console = Ending(), Console(environment={}, json=False)
    for error in errors:
        end.fail("one", error, console)
    end.take(3)
    assert end.status == status


@pytest.mark.parametrize("error", [UnavailableError("it is silent"), BrokenPipeError()])
def test_what_the_next_would_fail_of_ends_the_command(error: Exception) -> None:
    with (
        pytest.raises(type(error)),
        Ending().outlasting("one", Console(environment={}, json=False)),
    ):
        raise error


def test_what_is_refused_for_different_reasons_is_mixed_and_damage_counts_for_more() -> None:
    conflict = Taken(file="a", outcome="refused", error=ConflictError("a"))
    unsupported = Taken(file="b", outcome="refused", error=UnsupportedError("b"))
    waits = Taken(file="c", outcome="waits")
    damaged = Taken(file="d", outcome="damaged", error=DamageError("d"))
    for taken, status in (
        ([conflict, waits, conflict], ConflictError.exit_status),
        ([conflict, unsupported, waits], 22),
        ([unsupported, damaged, conflict], 4),
        ([waits], 17),
        ([], 0),
    ):
        assert status_of(taken, bring=False) == status
