"""Fetching ahead: in order, a few at a time, and only what is worth it."""

import io
import threading
from collections.abc import Callable
from typing import BinaryIO

import pytest

from mlarchive.errors import UnavailableError
from mlarchive.fetching import AT_ONCE, WHOLE_BELOW, fetched_ahead
from mlarchive.records import File, MetricSeries
from mlarchive.snapshot import Stream

MANY = 50


def stream(
    number: int, opened: Callable[[], BinaryIO], *, size: int = 3, waits: bool = True
) -> Stream:
    entry = File(path=f"{number:03}", size=size, sha256="")
    return Stream(owner="run-1", entry=entry, open=opened, waits=waits)


def test_streams_come_in_their_order_with_their_bytes() -> None:
    given = [stream(n, lambda n=n: io.BytesIO(b"%03d" % n)) for n in range(MANY)]  # type: ignore[misc]
    come = [(s.entry, s.open().read()) for s in fetched_ahead(given)]
    assert come == [(s.entry, b"%03d" % n) for n, s in enumerate(given)]


def test_several_are_asked_for_at_once_and_never_more() -> None:
    all_ask = threading.Barrier(AT_ONCE)
    lock = threading.Lock()
    asking = most = 0

    def opened() -> BinaryIO:
        nonlocal asking, most
        with lock:
            asking += 1
            most = max(most, asking)
        all_ask.wait(timeout=60)
        with lock:
            asking -= 1
        return io.BytesIO(b"x")

    for each in fetched_ahead([stream(n, opened) for n in range(2 * AT_ONCE)]):
        each.open()
    assert most == AT_ONCE


def test_who_takes_slowly_is_not_run_ahead_of_for_ever() -> None:
    opened: list[int] = []

    def note(number: int) -> BinaryIO:
        opened.append(number)
        return io.BytesIO(b"x")

    coming = fetched_ahead([stream(n, lambda n=n: note(n)) for n in range(MANY)])  # type: ignore[misc]
    next(coming).open()
    coming.close()  # type: ignore[attr-defined]
    assert len(opened) <= AT_ONCE + 1


def test_what_fails_ahead_fails_in_its_turn() -> None:
    def fails() -> BinaryIO:
        raise UnavailableError("the server is away")

    given = [stream(0, lambda: io.BytesIO(b"abc")), stream(1, fails)]
    first, second = fetched_ahead(given)
    assert first.open().read() == b"abc"
    with pytest.raises(UnavailableError, match="the server is away"):
        second.open()


def test_long_files_and_those_that_wait_for_nobody_are_opened_in_their_turn() -> None:
    opened: list[str] = []

    def note(what: str) -> BinaryIO:
        opened.append(what)
        return io.BytesIO(b"x")

    given = [
        stream(0, lambda: note("waits")),
        stream(1, lambda: note("long"), size=WHOLE_BELOW),
        stream(2, lambda: note("of unknown length"), size=-1),
        stream(3, lambda: note("local"), waits=False),
    ]
    come = list(fetched_ahead(given))
    assert opened == ["waits"]
    assert [s.open().read() for s in come] == [b"x"] * 4


def test_series_are_fetched_whole() -> None:
    entry = MetricSeries(key="loss", points=-1, sha256="")
    series = Stream(owner="run-1", entry=entry, open=lambda: io.BytesIO(b"points"), waits=True)
    (come,) = fetched_ahead([series])
    assert come.open().read() == b"points"
    assert come.open().read() == b"points"
