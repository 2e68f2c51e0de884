"""The ledger remembers what was seen, packed and delivered, and what went wrong."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlarchive.errors import ConflictError, DamageError, UnavailableError, UnsupportedError
from mlarchive.records import Address, Loss
from mlarchive.registries.base import Ref
from mlarchived.ledger import Delivery, Ledger, Record, database, drops
from mlarchived.ledger.ledger import FILE_NAME, Known
from mlarchived.views import VAULT, Delivered, Ids, Marks, Packed, Trouble

WINE = Address(origin="prod", kind="models", name="wine/ü%#", version="1")
BEER = replace(WINE, name="beer")
REF = Ref(address=WINE, content_mark="c1", state_mark="s1")
LOOK = Marks(content="c1", state="s1")
IDS = Ids(content="C1", state="S1")
GIVEN = Delivery(given=IDS, held=IDS, at="dr#models/wine/1")
CONFLICT = ConflictError("taken")


def known(ledger: Ledger, mirror: str = "m") -> Mapping[Address, Known]:
    """All that a mirror's ledger knows."""
    pages = list(ledger.addresses(mirror, 1))
    return ledger.known_of(mirror, [address for page in pages for address in page])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "state") as ledger:
        yield ledger


@pytest.fixture
def record(ledger: Ledger) -> Iterator[Record]:
    with ledger.record("m") as record:
        record.looked([REF])
        yield record


def test_a_digest_that_was_seen_last_spares_the_writing_and_another_does_not(
    ledger: Ledger, record: Record
) -> None:
    record.looked([REF], "a")
    record.looked([], "a")
    assert known(ledger)[WINE].gone_at == 0
    record.looked([], "b")
    assert known(ledger)[WINE].gone_at > 0
    record.looked([REF])
    record.looked([], "b")
    assert known(ledger)[WINE].gone_at > 0


def test_an_object_that_was_looked_at_is_known_by_its_marks(ledger: Ledger, record: Record) -> None:
    assert record is not None
    (wine,) = known(ledger).values()
    assert (wine.seen, wine.packed, wine.trouble) == (LOOK, None, None)
    assert list(known(ledger)) == [WINE]


def test_mirrors_know_nothing_of_each_other(ledger: Ledger, record: Record) -> None:
    record.packed(WINE, LOOK, IDS, ())
    assert known(ledger, "another") == {}


def test_what_was_packed_and_delivered_outlives_the_process(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger, ledger.record("m") as record:
        record.looked([REF])
        record.packed(WINE, LOOK, IDS, (Loss(record="run", field="x", why="y"),))
        record.delivered(WINE, "dr", GIVEN)
    with Ledger.open(tmp_path) as ledger:
        wine = known(ledger)[WINE]
    assert wine.packed
    assert replace(wine.packed, read_at=0) == Packed(marks=LOOK, ids=IDS)
    assert wine.delivered == {"dr": Delivered(given=IDS, ids=IDS)}


def test_only_a_whole_read_says_when_an_object_was_read(ledger: Ledger, record: Record) -> None:
    record.packed(WINE, LOOK, IDS, (), whole=False)
    assert (packed := known(ledger)[WINE].packed)
    assert packed.read_at == 0
    record.packed(WINE, LOOK, IDS, ())
    whole = known(ledger)[WINE].packed
    assert whole
    assert whole.read_at > 0
    assert record.packed_of(WINE) == whole
    record.packed(WINE, LOOK, IDS, (), whole=False)
    assert known(ledger)[WINE].packed == whole


def test_a_failure_that_waiting_does_not_mend_is_a_strike(ledger: Ledger, record: Record) -> None:
    record.delivery_failed(WINE, "dr", CONFLICT)
    record.delivery_failed(WINE, "dr", CONFLICT)
    assert known(ledger)[WINE].delivered["dr"].trouble == Trouble(sentence="taken", strikes=2)


def test_a_failure_that_waiting_mends_is_no_strike(ledger: Ledger, record: Record) -> None:
    record.read_failed(WINE, UnavailableError("asleep"))
    assert known(ledger)[WINE].trouble == Trouble(sentence="asleep", strikes=0)


def test_success_ends_trouble(ledger: Ledger, record: Record) -> None:
    record.read_failed(WINE, CONFLICT)
    record.delivery_failed(WINE, "dr", CONFLICT)
    record.packed(WINE, LOOK, IDS, ())
    record.delivered(WINE, "dr", GIVEN)
    wine = known(ledger)[WINE]
    assert wine.trouble is None
    assert wine.delivered["dr"].trouble is None
    assert ledger.troubles("m") == []


def test_trouble_keeps_what_the_target_already_holds(ledger: Ledger, record: Record) -> None:
    record.delivered(WINE, VAULT, GIVEN)
    record.delivery_failed(WINE, VAULT, CONFLICT)
    assert known(ledger)[WINE].delivered[VAULT].ids == IDS


def test_a_change_at_the_source_forgets_strikes(ledger: Ledger, record: Record) -> None:
    record.delivery_failed(WINE, "dr", CONFLICT)
    record.looked([REF])
    assert ledger.troubles("m")[0].strikes == 1
    record.looked([replace(REF, state_mark="s2")])
    assert ledger.troubles("m")[0].strikes == 0


def test_what_is_gone_from_the_source_has_no_trouble_but_is_remembered(
    ledger: Ledger, record: Record
) -> None:
    record.delivery_failed(WINE, "dr", CONFLICT)
    record.looked([replace(REF, address=BEER)])
    assert ledger.troubles("m") == []
    assert set(known(ledger)) == {WINE, BEER}


def test_what_was_passed_over_is_remembered_until_it_is_delivered(
    ledger: Ledger, record: Record
) -> None:
    record.passed_over(WINE, "dr", IDS)
    assert known(ledger)[WINE].delivered["dr"].passed_over == IDS
    record.delivered(WINE, "dr", GIVEN)
    assert known(ledger)[WINE].delivered["dr"].passed_over is None


def test_a_mirror_that_is_behind_keeps_its_last_success(ledger: Ledger, record: Record) -> None:
    record.stood("dr", objects=2, behind=0)
    success = ledger.standings("m", intake=False)["dr"].succeeded_at
    assert success > 0
    record.stood("dr", objects=3, behind=1)
    standing = ledger.standings("m", intake=False)["dr"]
    assert (standing.succeeded_at, standing.objects, standing.behind) == (success, 3, 1)


def test_what_no_round_can_bring_keeps_a_mirror_behind_and_not_from_success(
    ledger: Ledger, record: Record
) -> None:
    record.stood("dr", objects=3, behind=2, never=1)
    assert ledger.standings("m", intake=False)["dr"].succeeded_at == 0
    record.stood("dr", objects=3, behind=1, never=1)
    standing = ledger.standings("m", intake=False)["dr"]
    assert (standing.succeeded_at > 0, standing.behind) == (True, 1)


def test_a_target_in_trouble_has_not_succeeded(ledger: Ledger, record: Record) -> None:
    record.stood("dr", objects=2, behind=0, trouble="no answer")
    assert ledger.standings("m", intake=False)["dr"].succeeded_at == 0


def test_a_round_that_saw_nothing_changes_no_counts(ledger: Ledger, record: Record) -> None:
    record.stood("dr", objects=2, behind=1)
    record.not_seen("dr", trouble="the source is asleep")
    standing = ledger.standings("m", intake=False)["dr"]
    assert (standing.objects, standing.behind) == (2, 1)
    assert standing.trouble == "the source is asleep"


def test_looking_leaves_no_trace(tmp_path: Path) -> None:
    with Ledger.look(tmp_path / "state") as ledger:
        assert known(ledger) == {}
    assert list(tmp_path.iterdir()) == []


def test_looking_leaves_a_ledger_of_an_older_version_to_those_who_still_use_it(
    tmp_path: Path,
) -> None:
    scripts = database._migrations()[:-1]  # noqa: SLF001  (what an older version has made)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        for script in scripts:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version = {len(scripts)}")
        connection.execute("INSERT INTO pause (mirror, since, why) VALUES ('m', 1, 'later')")
        connection.commit()
        with Ledger.look(tmp_path) as ledger:
            assert ledger.paused("m") == "later"
            assert known(ledger) == {}
        assert connection.execute("PRAGMA user_version").fetchone() == (len(scripts),)


def test_a_file_that_is_no_ledger_is_damage_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all, " * 100)
    with pytest.raises(DamageError, match="cannot be used") as caught:
        Ledger.open(tmp_path)
    assert "copies none twice" in caught.value.hint


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(UnsupportedError, match="newer mlarchived"):
        Ledger.open(tmp_path)


def test_every_commit_is_on_the_disk_before_it_counts(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        pragmas = ("journal_mode", "synchronous")
        found = [ledger._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]  # noqa: SLF001  (SQLite's setting of this very connection)
    assert found == ["wal", 2]


def test_what_waits_is_found_among_all_that_was_dropped_by_an_index(tmp_path: Path) -> None:
    Ledger.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    asked = f"EXPLAIN QUERY PLAN {drops.WAITING}"
    plan = connection.execute(asked, {"mirror": "drop:m"}).fetchall()
    connection.close()
    assert "dropped_waiting" in plan[0][3]


def test_what_is_let_go_of_was_given_to_nobody_and_troubles_nobody(
    ledger: Ledger, record: Record
) -> None:
    record.delivered(WINE, "dr", GIVEN)
    record.delivery_failed(WINE, "dr", CONFLICT)
    record.released(WINE, "dr")
    record.released(WINE, "new there")
    assert known(ledger)[WINE].delivered == {"dr": Delivered(), "new there": Delivered()}
