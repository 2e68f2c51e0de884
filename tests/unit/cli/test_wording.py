"""Numbers, times and names as a person reads them."""

import pytest

from mlarchive.cli import wording
from mlarchive.cli.progress import line


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (-1, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_500_000, "1.5 MB"),
        (10**12, "1.0 TB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_times_are_utc_and_absurd_ones_do_no_harm() -> None:
    assert wording.moment(1_700_000_000_000) == "2023-11-14 22:13:20 UTC"
    assert wording.moment(-5) == "-5 ms"
    assert wording.moment(10**18) == "1000000000000000000 ms"


def test_one_file_is_not_files() -> None:
    assert (wording.count(1, "file"), wording.count(0, "file")) == ("1 file", "0 files")


def test_columns_are_aligned() -> None:
    assert wording.table([("a", "1", "x"), ("bcd", "20", "")], right=frozenset({1})) == [
        "a     1  x",
        "bcd  20",
    ]
    assert wording.table([]) == []


def test_a_very_long_cell_makes_no_other_row_longer() -> None:
    long = "n" * 250
    assert wording.table([(long, "1", "x"), ("bcd", "20", "y")]) == [
        f"{long}  1   x",
        "bcd  20  y",
    ]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\rb", "a\nb", "\u202egnp.exe", "\ud800", "\x07"])
def test_nothing_that_steers_a_terminal_gets_through(text: str) -> None:
    shown = wording.printable(text)
    assert shown.isprintable()
    assert shown != text


@pytest.mark.parametrize("text", ["plain", "größe", "日本語", "a b"])
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert wording.printable(text) == text


def test_progress_says_how_far_how_fast_and_how_long() -> None:
    assert line("packing", 50_000_000, 200_000_000, 2.0) == (
        "packing 50.0 MB of 200.0 MB (25 %), 25.0 MB/s, 6 s left"
    )
    assert line("packing", 50_000_000, -1, 2.0) == "packing 50.0 MB, 25.0 MB/s"
    assert line("packing", 10, 10, 0.0) == "packing 10 B of 10 B (100 %)"
    assert line("packing", 20, 10, 5.0) == "packing 20 B of 10 B (100 %), 4 B/s"
