"""What a mirror has taken and a target has not got yet is neither lost nor called delivered."""

import shutil
from pathlib import Path

import pytest

from mlarchive.pack import pack_file
from mlarchive.vault import Rules, Vault
from tests.support import snapshots
from tests.support.dropping import DropBench
from tests.support.mirroring import Workbench

VAULT = 'vault = "vault"\n'
PRUNING = "[vaults.vault]\nkeep_last = 1\n"


def drop(bench: DropBench, *versions: str) -> None:
    for version in versions:
        content = {"weights.bin": version.encode()}
        snapshot = snapshots.folder(content, name="ale", version=version)
        pack_file(snapshot, bench.inbox / f"{version}.mlpkg", packed_at=1_700_000_000_000)


@pytest.fixture
def down(tmp_path: Path) -> DropBench:
    """Three versions were dropped and taken while the target was down."""
    bench = DropBench(tmp_path, PRUNING)
    (tmp_path / "target").touch()
    drop(bench, "1", "2", "3")
    assert bench.run("once").status == 11
    return bench


def versions(bench: Workbench, folder: str = "target") -> list[str]:
    return sorted(address.version for address in bench.held(folder))


def test_what_a_target_waits_for_is_not_pruned_before_it_has_it(down: DropBench) -> None:
    assert "0 packages pruned" in down.run("tend").out
    (down.folder / "target").unlink()
    assert down.run("once").status == 0
    assert versions(down) == ["1", "2", "3"]
    assert "2 packages pruned" in down.run("tend").out
    assert down.run("once").status == 0
    assert "up to date, 3 objects" in down.run("status").out


def test_what_was_dropped_and_no_round_has_planned_yet_is_not_pruned(tmp_path: Path) -> None:
    bench = DropBench(tmp_path, PRUNING)
    drop(bench, "1", "2", "3")
    with Vault.open(tmp_path / "vault") as vault:
        for path in sorted(bench.inbox.iterdir()):
            vault.take(path)
            path.unlink()
    assert "0 packages pruned" in bench.run("tend").out
    assert bench.run("once").status == 0
    assert versions(bench) == ["1", "2", "3"]


def test_what_was_pruned_by_hand_before_a_target_had_it_is_told_until_it_is_forgotten(
    down: DropBench,
) -> None:
    with Vault.open(down.folder / "vault") as vault:
        vault.prune(Rules(last=1), now=0)
    (down.folder / "target").unlink()
    for _ in range(2):
        answer = down.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: what was taken of it last never came to the target" in answer.out
    out = down.run("status").out
    assert "dr: behind by 2 of 3 objects" in out
    assert "never came to the target" in out
    assert down.run("forget", "m", "--object", "*/ale/*").status == 0
    assert down.run("once").status == 0
    assert "dr: up to date" in down.run("status").out


def test_what_went_from_the_source_while_a_target_was_down_comes_from_the_vault(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    (tmp_path / "target").touch()
    for version in ("1", "2", "3"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 11
    _lose(bench, "1")
    assert bench.run("once").status == 11
    (tmp_path / "target").unlink()
    assert bench.run("once").status == 0
    assert versions(bench) == ["1", "2", "3"]
    assert "nothing to do" in bench.run("once").out


def test_labels_that_went_with_their_source_while_a_target_was_down_come_from_the_vault(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 0
    target = tmp_path / "target"
    target.rename(tmp_path / "away")
    target.touch()
    bench.put("ale", "ale 1", version="1", tags={"stage": "prod"})
    assert bench.run("once").status == 11
    _lose(bench, "1")
    assert bench.run("once").status == 11
    target.unlink()
    (tmp_path / "away").rename(target)
    assert bench.run("once").status == 0
    assert bench.held() == bench.held("vault")
    assert "nothing to do" in bench.run("once").out


def test_what_the_source_shows_no_more_is_known_from_the_vault_when_the_state_is_lost(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 0
    _lose(bench, "1")
    shutil.rmtree(tmp_path / "state")
    for _ in range(2):
        assert bench.run("once").status == 0
        assert "dr: up to date, 2 objects" in bench.run("status").out
    _lose(bench, "1", "target")
    assert bench.run("once").status == 0
    assert versions(bench) == ["1", "2"]
    _lose(bench, "1", "target")
    _lose(bench, "1", "vault")
    answer = bench.run("once")
    assert answer.status == 23
    assert "/ale/1 -> vault: its package is gone from the vault" in answer.out
    assert "/ale/1 -> dr: it is gone from the target" in answer.out


def test_two_services_do_not_write_over_each_other_in_a_vault_that_both_fill(
    tmp_path: Path,
) -> None:
    benches = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        bench = DropBench(tmp_path / name)
        config = bench.folder / "mirror.toml"
        config.write_text(config.read_text().replace("vault:target", "vault:../shared"))
        shutil.copy(bench.package("ale", name.encode()), bench.inbox)
        benches.append(bench)
    one, two = benches
    assert one.run("once").status == 0
    held = one.held("../shared")
    for _ in range(2):
        answer = two.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: the target has other content under that name" in answer.out
        assert "dr: behind by 1 of 1 object" in two.run("status").out
        assert one.run("once").status == 0
        assert one.held("../shared") == held
    config = two.folder / "mirror.toml"
    config.write_text(config.read_text().replace("every =", 'conflict = "new-version"\nevery ='))
    assert two.run("once").status == 0
    assert one.held("../shared") == two.held("vault")
    assert one.run("once").status == 23


def test_a_target_that_is_down_and_has_all_is_owed_nothing(tmp_path: Path) -> None:
    import sqlite3

    from mlarchived.ledger.ledger import FILE_NAME

    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    bench.put("ale", "ale")
    assert bench.run("once").status == 0
    (tmp_path / "target").rename(tmp_path / "away")
    (tmp_path / "target").touch()
    bench.put("beer", "beer")
    assert bench.run("once").status == 11
    connection = sqlite3.connect(tmp_path / "state" / FILE_NAME)
    owed = connection.execute(
        "SELECT o.name FROM delivery d JOIN object o ON o.id = d.object WHERE d.owed_at IS NOT NULL"
    ).fetchall()
    connection.close()
    assert owed == [("beer",)]


def _lose(bench: Workbench, version: str, folder: str = "source") -> None:
    for path in (bench.folder / folder).rglob(f"ale/{version}~*.mlpkg"):
        path.unlink()
