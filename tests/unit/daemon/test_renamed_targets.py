"""A target is where it is, whatever it is called; what it was given and is owed goes with that."""

import contextlib
import sqlite3
from pathlib import Path

from mlarchived.ledger.ledger import FILE_NAME
from tests.support.command import within
from tests.support.mirroring import Workbench, lose, versions

VAULT = 'vault = "vault"\n'
PRUNING = "[vaults.vault]\nkeep_last = 1\n"


def test_a_target_that_gets_another_name_keeps_what_it_was_given_and_is_owed(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT + PRUNING)
    bench.put("ale", "ale 0", version="0")
    assert bench.run("once").status == 0
    (tmp_path / "target").rename(tmp_path / "away")
    (tmp_path / "target").touch()
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 11
    lose(bench, "1")
    assert bench.run("once").status == 11
    renamed = (("[registries.dr]", "[registries.clinic]"), ('["dr"]', '["clinic"]'))
    bench.configure(*renamed, mirror=VAULT + PRUNING)
    bench.run("tend")
    assert versions(bench, "vault") == ["1", "2"]
    (tmp_path / "target").unlink()
    (tmp_path / "away").rename(tmp_path / "target")
    answer = bench.run("once")
    assert answer.status == 0
    assert "2 copied" in answer.out
    assert versions(bench) == ["0", "1", "2"]
    assert "clinic: up to date, 3 objects" in bench.run("status").out
    assert "nothing to do" in bench.run("once").out


def test_a_name_that_another_target_gets_does_not_give_it_what_the_first_is_owed(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    bench.put("ale", "ale 0", version="0")
    assert bench.run("once").status == 0
    (tmp_path / "target").rename(tmp_path / "away")
    (tmp_path / "target").touch()
    bench.put("ale", "ale 1", version="1")
    assert bench.run("once").status == 11
    lose(bench, "1")
    assert bench.run("once").status == 11
    (tmp_path / "target").unlink()
    (tmp_path / "away").rename(tmp_path / "target")
    moved = (
        ("[registries.dr]", '[registries.dr]\nlocator = "vault:new"\n[registries.old]'),
        ('["dr"]', '["old", "dr"]'),
    )
    bench.configure(*moved, mirror=VAULT)
    assert bench.run("once").status == 0
    assert versions(bench) == ["0", "1"]
    assert versions(bench, "new") == ["0"]
    swapped = (
        ("[registries.dr]", '[registries.old]\nlocator = "vault:new"\n[registries.dr]'),
        ('["dr"]', '["old", "dr"]'),
    )
    bench.configure(*swapped, mirror=VAULT)
    assert "nothing to do" in bench.run("once").out


def test_what_a_ledger_that_knows_no_places_owes_a_target_with_another_name_now_is_told(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT + PRUNING)
    (tmp_path / "target").touch()
    for version in ("1", "2", "3"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 11
    lose(bench, "1")
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / FILE_NAME)) as ledger, ledger:
        ledger.execute("DELETE FROM destination")
    renamed = (("[registries.dr]", "[registries.clinic]"), ('["dr"]', '["clinic"]'))
    bench.configure(*renamed, mirror=VAULT + PRUNING)
    assert "0 packages pruned" in bench.run("tend").out
    (tmp_path / "target").unlink()
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 23
        assert "/ale/1 -> clinic: the mirror had it before the ledger knew" in answer.out
        assert versions(bench) == ["2", "3"]
        assert "1~" in str(next((tmp_path / "vault").rglob("ale/1~*.mlpkg")))
    assert within("copy", "vault:vault", "vault:target", cwd=tmp_path).status == 0
    assert bench.run("once").status == 0
    assert "nothing to do" in bench.run("once").out
