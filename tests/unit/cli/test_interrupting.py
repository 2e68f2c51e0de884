"""Signals interrupt a command, but not in the midst of the import machinery."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from mlarchive.cli.interrupting import hear_interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def heard() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hear_interrupts()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts_at_once(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", SIGNALS)
def test_in_the_midst_of_an_import_a_signal_waits_until_that_is_done(
    number: signal.Signals,
) -> None:
    machinery = compile(
        "def hit(number):\n    raise_signal(number)\n    done.append(number)\n",
        "<frozen importlib._bootstrap>",
        "exec",
    )
    done: list[int] = []
    room = {"raise_signal": signal.raise_signal, "done": done}
    exec(machinery, room)  # noqa: S102  (the text above)
    cast("Callable[[int], None]", room["hit"])(number)
    assert done == [number]
    with pytest.raises(KeyboardInterrupt):
        time.sleep(30)


def test_who_was_started_deaf_to_sigint_stays_so() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        hear_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
