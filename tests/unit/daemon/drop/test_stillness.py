"""Whether something stood still does not depend on where it lies."""

import itertools
from pathlib import Path

from mlarchived.drop.stillness import Stillness


def test_what_was_renamed_has_stood_still_since_before(tmp_path: Path) -> None:
    stillness = Stillness(3, itertools.count(1.0).__next__)
    here, there = tmp_path / "here", tmp_path / "there"
    here.write_text("hello")
    assert [stillness.stood(here) for _ in range(3)] == [False, False, False]
    here.rename(there)
    stillness.moved(here, there)
    assert stillness.stood(there)


def test_what_changed_while_it_was_renamed_begins_anew(tmp_path: Path) -> None:
    stillness = Stillness(3, itertools.count(1.0).__next__)
    here, there = tmp_path / "here", tmp_path / "there"
    here.write_text("hello")
    assert [stillness.stood(here) for _ in range(4)] == [False, False, False, True]
    here.rename(there)
    stillness.moved(here, there)
    there.write_text("hello, and more")
    assert not stillness.stood(there)
