"""Who fills a vault tells its mirror: of the first thing at once, of ten thousand now and then."""

from mlarchived.events import Ended, Outcome
from mlarchived.service.arrivals import Arrivals


def came(outcome: Outcome) -> Ended:
    return Ended(mirror="m", object="o", target="vault:", outcome=outcome, reason="it was dropped")


def rings_for(outcomes: list[Outcome]) -> list[int]:
    """After how many events the mirror was told."""
    told: list[int] = []
    events: list[object] = []
    arrivals = Arrivals(events.append, lambda: told.append(len(events)))
    for outcome in outcomes:
        arrivals.take(came(outcome))
    arrivals.end()
    assert len(events) == len(outcomes)
    return told


def test_the_first_is_told_of_at_once_and_the_last_at_the_end() -> None:
    told = rings_for(["taken"] * 100)
    assert told[0] == 1
    assert told[-1] == 100


def test_ten_thousand_are_told_of_in_a_hundred_times_at_most() -> None:
    assert len(rings_for(["taken"] * 10_000)) <= 100


def test_what_is_refused_is_no_arrival() -> None:
    assert rings_for(["quarantined", "wait"]) == []
