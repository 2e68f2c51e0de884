"""What the service prints while it runs: each line with its time and how much it matters."""

import json

import msgspec
import pytest

from mlarchived.breakers import BreakerMoved
from mlarchived.cli.journal import Journal
from mlarchived.cli.screen import Screen
from mlarchived.cli.tally import Tally
from mlarchived.events import Began, Ended
from mlarchived.service.happenings import (
    Beat,
    Happening,
    RoundBegan,
    RoundEnded,
    Staged,
    TicksMissed,
    Troubled,
    Waits,
)
from mlarchived.tending import PackageTended

NOW = 1_700_000_000.5


def step(outcome: str, *, retryable: bool = False, losses: tuple[str, ...] = ()) -> Ended:
    return Ended(
        mirror="m",
        object="prod#models/wine/1",
        target="dr",
        outcome=outcome,  # type: ignore[arg-type]
        reason="so it was",
        hint="look at it" if outcome == "failed" else "",
        retryable=retryable,
        losses=losses,
    )


def tended(outcome: str) -> PackageTended:
    return PackageTended(vault="v", path="p", object="", outcome=outcome, reason="it was so")


LEVELS: list[tuple[Happening, str]] = [
    (Began(mirror="m", object="o", target="dr", phase="reading"), "debug"),
    (RoundBegan(worker="mirror:m/dr"), "debug"),
    (Staged(stage="ready"), "info"),
    (step("copied"), "info"),
    (step("copied", losses=("a trace",)), "warning"),
    (step("failed", retryable=True), "warning"),
    (step("failed"), "error"),
    (step("quarantined"), "error"),
    (RoundEnded(worker="w"), "info"),
    (RoundEnded(worker="w", failed=1), "warning"),
    (RoundEnded(worker="w", error="down", again_in=1.0), "warning"),
    (RoundEnded(worker="w", error="wrong"), "error"),
    (TicksMissed(worker="w", count=2, why="busy"), "warning"),
    (Waits(worker="w", reason="waiting for a vault"), "warning"),
    (BreakerMoved(target="dr", state="open", reason="down", seconds=10), "warning"),
    (BreakerMoved(target="dr", state="closed"), "info"),
    (Troubled(part="reload", reason="wrong"), "error"),
    (tended("pruned"), "info"),
    (tended("mended"), "warning"),
    (tended("damaged"), "error"),
]


@pytest.mark.parametrize(("happening", "level"), LEVELS)
def test_a_program_reads_when_it_was_and_how_much_it_matters(
    happening: Happening, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Journal(Screen(as_json=True), clock=lambda: NOW).take(happening)
    line = json.loads(capsys.readouterr().out)
    assert (line["at"], line["level"]) == (1_700_000_000_500, level)
    assert line["event"]


def test_a_person_reads_the_same_and_the_hint_below(capsys: pytest.CaptureFixture[str]) -> None:
    Journal(Screen(as_json=False), clock=lambda: NOW).take(step("failed"))
    assert capsys.readouterr().out.splitlines() == [
        "2023-11-14 22:13:20Z error   m: failed prod#models/wine/1 -> dr: so it was",
        "2023-11-14 22:13:20Z error     hint: look at it",
    ]


@pytest.mark.parametrize("nothing", [Beat(), step("keep"), RoundBegan(worker="w")])
def test_what_is_no_news_is_not_printed_for_people(
    nothing: Happening, capsys: pytest.CaptureFixture[str]
) -> None:
    Journal(Screen(as_json=False), clock=lambda: NOW).take(nothing)
    assert capsys.readouterr().out == ""


def test_a_person_reads_what_is_held_in_another_form(capsys: pytest.CaptureFixture[str]) -> None:
    screen, changes = (
        Screen(as_json=False),
        ("m/1, environment: it means e:2", "m/1, tag: it stays"),
    )
    event = msgspec.structs.replace(step("copied"), changes=changes)
    Journal(screen, clock=lambda: NOW).take(event)
    Tally(screen).take(event)
    held = "2 things held in another form: m/1, environment: it means e:2"
    assert capsys.readouterr().out.splitlines() == [
        f"2023-11-14 22:13:20Z info    m: copied prod#models/wine/1 -> dr: so it was; {held}",
        "  copied        prod#models/wine/1 -> dr: so it was",
        f"                {held}; 1 more, as --json lists",
    ]
