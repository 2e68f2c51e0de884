"""What is gone from a source is kept, unless a mirror is told otherwise; never all at once."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mlarchive.vault import Vault
from mlarchive.vault.catalog import discard
from mlarchived.ledger import moments
from mlarchived.ledger.ledger import FILE_NAME
from mlarchived.ledger.moments import Moment
from tests.support.mirroring import Answer, Workbench

DELETE = '[mirror.deletions]\npolicy = "delete"\ngrace = "1d"\nlimit = 2\n'
DAY = 86_400_000


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    for name in ("ale", "beer", "cider", "gin"):
        bench.put(name, f"{name} 1")
    bench.configure(mirror=DELETE)
    assert bench.run("once").status == 0
    return bench


def take_away(bench: Workbench, *names: str) -> None:
    with Vault.open(bench.folder / "source") as vault:
        for kept in list(vault.counting()):
            if kept.address.name in names:
                vault.delete(kept.address, now=1)


def let_a_day_pass(bench: Workbench) -> None:
    """As the ledger sees it."""
    with sqlite3.connect(bench.folder / "state" / FILE_NAME) as ledger:
        ledger.execute("UPDATE object SET gone_for = gone_for + ? WHERE NOT present", (DAY,))


def after_a_day(bench: Workbench) -> Answer:
    assert bench.run("once").status == 0
    let_a_day_pass(bench)
    return bench.run("once", "--json")


def names(bench: Workbench) -> list[str]:
    return sorted(address.name for address in bench.held())


def reasons(answer: Answer) -> list[str]:
    return [e["reason"] for e in answer.events if e["event"] in {"ended", "planned"}]


def test_what_is_gone_is_deleted_when_its_time_of_grace_is_over(bench: Workbench) -> None:
    take_away(bench, "ale")
    assert "3 up to date, 1 left alone" in bench.run("once").out
    assert names(bench) == ["ale", "beer", "cider", "gin"]
    assert any("still in its time of grace" in r for r in reasons(bench.run("plan", "--json")))
    let_a_day_pass(bench)
    answer = bench.run("once", "--json")
    assert answer.status == 0
    assert [(e["outcome"], e["object"]) for e in answer.events if e["event"] == "ended"] == [
        ("deleted", "lab#folders/ale/1")
    ]
    assert names(bench) == ["beer", "cider", "gin"]
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 4}


def test_what_was_in_the_vault_before_the_ledger_began_is_taken_from_no_target(
    bench: Workbench,
) -> None:
    """Nobody knows that this mirror brought it there."""
    bench.configure(('targets = ["dr"]', 'targets = ["dr"]\nvault = "vault"'), mirror=DELETE)
    assert bench.run("once").status == 0
    shutil.rmtree(bench.folder / "state")
    take_away(bench, "ale")
    assert bench.run("once").status == 0
    let_a_day_pass(bench)
    assert bench.run("once").status == 0
    assert names(bench) == ["ale", "beer", "cider", "gin"]
    assert any("never seen to show it" in r for r in reasons(bench.run("plan", "--json")))


def test_more_than_the_limit_is_not_deleted_at_all_until_a_person_says_so(bench: Workbench) -> None:
    take_away(bench, "ale", "beer", "cider")
    answer = after_a_day(bench)
    assert answer.status == 23
    assert len(reasons(answer)) == 3
    assert reasons(answer)[0].startswith("3 objects are gone from the source, more than 2")
    assert names(bench) == ["ale", "beer", "cider", "gin"]
    assert "behind by 3 of 4 objects" in bench.run("status").out
    assert bench.run("status").out.count("raise the limit [set aside]\n") == 3
    bench.configure(mirror=DELETE.replace("limit = 2", "limit = 3"))
    assert bench.run("once").status == 0
    assert names(bench) == ["gin"]


def test_a_source_that_shows_nothing_deletes_nothing(bench: Workbench) -> None:
    bench.configure(mirror=DELETE.replace("limit = 2", "limit = 100"))
    take_away(bench, "ale", "beer", "cider", "gin")
    answer = after_a_day(bench)
    assert answer.status == 23
    assert "shows nothing at all" in reasons(answer)[0]
    assert len(names(bench)) == 4


def test_a_source_that_is_not_there_deletes_nothing(bench: Workbench) -> None:
    shutil.move(bench.folder / "source", bench.folder / "elsewhere")
    assert bench.run("once").status != 0
    shutil.move(bench.folder / "elsewhere", bench.folder / "source")
    let_a_day_pass(bench)
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 4}


@pytest.mark.parametrize("remembered", [True, False])
def test_what_cannot_be_opened_at_the_source_is_named_and_nothing_counts_as_gone(
    bench: Workbench, *, remembered: bool
) -> None:
    """The vault may know of which object a package is that it could open before."""
    take_away(bench, "gin")
    assert bench.run("once").status == 0
    (damaged,) = (bench.folder / "source").rglob("*ale*/*.mlpkg")
    whole = damaged.read_bytes()
    damaged.write_bytes(b"damaged")
    if not remembered:
        discard(bench.folder / "source")
    for status in (4, 22):
        answer = bench.run("once", "--json")
        assert answer.status == status
        failed = [e for e in answer.events if e.get("outcome") == "failed"]
        assert [(e["object"], e["code"]) for e in failed] == [(str(damaged), "damage")]
        let_a_day_pass(bench)
    assert names(bench) == ["ale", "beer", "cider", "gin"]
    planned = bench.run("plan", "--json").events
    told = [str(e.get("verb") or e["outcome"]) for e in planned if str(damaged) in str(e["reason"])]
    assert sorted(told) == ["failed", "set-aside", "wait"]
    damaged.write_bytes(whole)
    assert bench.run("once").status == 0
    assert names(bench) == ["ale", "beer", "cider"]


@pytest.mark.parametrize("remembered", [True, False])
def test_what_counted_before_a_package_that_cannot_be_opened_does_not_come_back(
    bench: Workbench, *, remembered: bool
) -> None:
    bench.put("ale", "ale 2")
    assert bench.run("once").status == 0
    before = bench.held()
    packages = (bench.folder / "source").rglob("*ale*/*.mlpkg")
    max(packages, key=lambda path: path.stat().st_mtime_ns).write_bytes(b"damaged")
    if not remembered:
        discard(bench.folder / "source")
    assert bench.run("once").status == 4
    assert bench.held() == before


def test_what_somebody_encrypted_in_the_source_is_named_and_is_not_gone(bench: Workbench) -> None:
    (plain,) = (bench.folder / "source").rglob("*ale*/*.mlpkg")
    sealed = plain.with_name(f"{plain.name}.age")
    whole = plain.read_bytes()
    sealed.write_bytes(b"age-encryption.org/v1\n")
    assert bench.run("once").status == 0  # It is beside what it is made of.
    take_away(bench, "gin")
    assert bench.run("once").status == 0
    plain.unlink()
    for status in (4, 22):
        answer = bench.run("once", "--json")
        assert answer.status == status
        (failed,) = [e for e in answer.events if e.get("outcome") == "failed"]
        assert failed["object"] == str(sealed)
        assert "it is encrypted" in failed["reason"]
        let_a_day_pass(bench)
    assert names(bench) == ["ale", "beer", "cider", "gin"]
    plain.write_bytes(whole)
    sealed.unlink()
    assert bench.run("once").status == 0
    assert names(bench) == ["ale", "beer", "cider"]


def test_what_the_source_is_not_asked_for_any_more_is_not_gone(bench: Workbench) -> None:
    bench.configure(("src#folders/*", "src#folders/b*"), mirror=DELETE)
    assert after_a_day(bench).status == 0
    assert len(names(bench)) == 4


@pytest.mark.parametrize("boot", ["same", "another"])
def test_a_clock_that_was_wrong_once_ends_no_time_of_grace(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, boot: str
) -> None:
    """It began in 1970 and is set now; or it leaps ahead by years, and back."""
    bench.configure(mirror=DELETE.replace('"1d"', '"2d"'))
    take_away(bench, "ale")
    for number, at in enumerate((1, 2_000_000_000_000, 1_800_000_000_000, 1_800_000_001_000)):
        name = boot if boot == "same" else f"{number}"
        moment = Moment(at=at, boot=name, up=number)
        monkeypatch.setattr(moments, "now", lambda moment=moment: moment)
        assert bench.run("once").status == 0
    assert "ale" in names(bench)


def test_time_in_which_the_source_was_asked_for_something_else_does_not_count(
    bench: Workbench,
) -> None:
    bench.configure(("src#folders/*", "src#folders/b*"), mirror=DELETE)
    take_away(bench, "ale")
    assert after_a_day(bench).status == 0
    bench.configure(mirror=DELETE)
    assert bench.run("once").status == 0
    assert "ale" in names(bench)
    let_a_day_pass(bench)
    assert bench.run("once").status == 0
    assert "ale" not in names(bench)


def test_what_came_back_in_time_stays(bench: Workbench) -> None:
    take_away(bench, "ale")
    assert bench.run("once").status == 0
    bench.put("ale", "ale 1")
    let_a_day_pass(bench)
    assert bench.run("once").status == 0
    take_away(bench, "ale")
    assert bench.run("once").status == 0
    assert "ale" in names(bench)


def test_what_somebody_put_in_its_place_at_the_target_stays(bench: Workbench) -> None:
    take_away(bench, "ale")
    with Vault.open(bench.folder / "target") as vault:
        (kept,) = [one for one in vault.counting() if one.address.name == "gin"]
        with vault.open_package(kept) as package:
            named = msgspec.structs.replace(kept.address, name="ale")
            ale = replace(package.snapshot(), address=named)
            vault.add(ale, packed_at=kept.packed_at)
    assert after_a_day(bench).status == 0
    assert "ale" in names(bench)


def test_nothing_is_deleted_where_nobody_asked_for_it(bench: Workbench) -> None:
    bench.configure()
    take_away(bench, "ale")
    assert after_a_day(bench).status == 0
    assert len(names(bench)) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DELETE.replace('"delete"', '"tombstone"'), "the target 'dr' cannot tombstone"),
        (
            DELETE.replace('"delete"', '"remove"'),
            '"remove" is none of "keep", "tombstone", "delete"',
        ),
        (DELETE.replace("limit = 2", "limit = 0"), "mirror[1].deletions.limit: it must be >= 1"),
    ],
)
def test_deletions_that_cannot_be_are_refused(bench: Workbench, text: str, said: str) -> None:
    bench.configure(mirror=text)
    answer = bench.run("once")
    assert answer.status == 10
    assert said in answer.err
