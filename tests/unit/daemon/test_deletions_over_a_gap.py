"""What is gone from a source goes from the targets behind a gap too, where both sides say so."""

import shutil
from pathlib import Path

import pytest

from mlarchive.transfer.outbox import Outbox
from tests.support.mirroring import Workbench
from tests.unit.daemon.test_deletions import DELETE, let_a_day_pass, names, reasons, take_away


class Sides:
    """A mirror into an outbox, one out of an inbox, and who carries discs between them."""

    def __init__(self, folder: Path) -> None:
        self.outside, self.inside = Workbench(folder / "outside"), Workbench(folder / "inside")
        for side in (self.outside, self.inside):
            side.folder.mkdir()
        self.outside.configure(("vault:target", "outbox:out"), mirror=DELETE)
        self.inside.configure(("vault:source", "inbox:in"), mirror=DELETE)
        (self.inside.folder / "in").mkdir()
        self._discs = 0

    def carry(self) -> None:
        """What lies ready goes over; the other side works, and its receipts come back."""
        self.send()
        self.answer()

    def send(self) -> None:
        """What lies ready goes over; the other side works."""
        self._discs += 1
        incoming = self.inside.folder / "in" / "incoming" / str(self._discs)
        shutil.copytree(self.outside.folder / "out" / "carry", incoming)
        assert self.inside.run("once").status == 0

    def answer(self) -> None:
        """The other side's receipts come back."""
        with Outbox.open(self.outside.folder / "out") as outbox:
            for receipt in (self.inside.folder / "in" / "receipts").glob("*.receipt.json"):
                outbox.take_receipt(receipt)

    def carrying(self) -> list[str]:
        return sorted(p.name for p in (self.outside.folder / "out" / "carry").iterdir())


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    sides = Sides(tmp_path)
    for name in ("ale", "beer", "cider"):
        sides.outside.put(name, f"{name} 1")
    assert sides.outside.run("once").status == 0
    return sides


def test_what_waits_for_its_receipt_is_read_and_packed_once(sides: Sides) -> None:
    assert sides.outside.run("once", "--json").events[-1]["outcomes"] == {"wait": 3}
    sides.carry()
    assert sides.outside.run("once", "--json").events[-1]["outcomes"] == {"keep": 3}
    assert [*(sides.outside.folder / "state").rglob("*.mlpkg")] == []


def test_a_receipt_of_what_has_changed_since_says_nothing_of_another_sender(sides: Sides) -> None:
    sides.send()
    sides.outside.put("ale", "ale 2")
    assert sides.outside.run("once").status == 0
    sides.answer()
    assert sides.outside.run("once", "--json").events[-1]["outcomes"] == {"keep": 2, "wait": 1}
    sides.carry()
    assert sides.outside.run("once", "--json").events[-1]["outcomes"] == {"keep": 3}


def test_a_tombstone_goes_over_and_deletes_there_after_that_sides_time_of_grace(
    sides: Sides,
) -> None:
    sides.carry()
    assert names(sides.inside) == ["ale", "beer", "cider"]
    assert sides.outside.run("once").status == 0
    take_away(sides.outside, "ale")
    assert sides.outside.run("once").status == 0
    assert sides.carrying() == []
    let_a_day_pass(sides.outside)
    answer = sides.outside.run("once", "--json")
    assert [(e["outcome"], e["object"]) for e in answer.events if e["event"] == "ended"] == [
        ("deleted", "lab#folders/ale/1")
    ]
    assert len(sides.carrying()) == 1
    assert sides.outside.run("once", "--json").events[-1]["outcomes"] == {"keep": 3}

    sides.carry()
    assert sides.carrying() == []
    assert names(sides.inside) == ["ale", "beer", "cider"]
    assert any(
        "still in its time of grace" in r for r in reasons(sides.inside.run("plan", "--json"))
    )
    let_a_day_pass(sides.inside)
    assert sides.inside.run("once").status == 0
    assert names(sides.inside) == ["beer", "cider"]
    assert sides.inside.run("once", "--json").events[-1]["outcomes"] == {"keep": 3}


def test_what_went_before_its_receipt_came_is_taken_back_when_it_came(sides: Sides) -> None:
    take_away(sides.outside, "ale")
    assert sides.outside.run("once").status == 0
    let_a_day_pass(sides.outside)
    assert sides.outside.run("once").status == 0
    sides.carry()
    answer = sides.outside.run("once", "--json")
    assert ("deleted", "lab#folders/ale/1") in [
        (e["outcome"], e["object"]) for e in answer.events if e["event"] == "ended"
    ]


def test_what_comes_back_after_its_tombstone_is_sent_again(sides: Sides) -> None:
    sides.carry()
    assert sides.outside.run("once").status == 0
    take_away(sides.outside, "ale")
    assert sides.outside.run("once").status == 0
    let_a_day_pass(sides.outside)
    assert sides.outside.run("once").status == 0
    sides.outside.put("ale", "ale 1")
    assert "waits for its receipt" in sides.outside.run("once").out
    sides.carry()
    assert sides.outside.run("once", "--json").events[-1]["outcomes"] == {"keep": 3}
    let_a_day_pass(sides.inside)
    assert sides.inside.run("once").status == 0
    assert names(sides.inside) == ["ale", "beer", "cider"]


def test_an_outbox_that_is_to_mark_what_is_gone_is_refused_with_what_it_can_do(
    sides: Sides,
) -> None:
    text = DELETE.replace('"delete"', '"tombstone"')
    sides.outside.configure(("vault:target", "outbox:out"), mirror=text)
    answer = sides.outside.run("once")
    assert answer.status == 10
    assert "the target 'dr' cannot tombstone what is gone from the source" in answer.err
    assert "it may be keep or delete" in answer.err
