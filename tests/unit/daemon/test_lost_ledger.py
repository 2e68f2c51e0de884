"""A ledger that begins anew does not say that what it cannot know is well."""

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
UNSURE = "-> dr: the mirror had it before the ledger knew this target"


@pytest.fixture
def down(tmp_path: Path) -> Workbench:
    """Two versions were packed while the target was down; then the state was lost."""
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT + PRUNING)
    (tmp_path / "target").touch()
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 11
    shutil.rmtree(tmp_path / "state")
    return bench


def lose(bench: Workbench, version: str, folder: str = "source") -> None:
    (path,) = (bench.folder / folder).rglob(f"ale/{version}~*.mlpkg")
    path.unlink()


def test_what_the_vault_has_and_the_source_has_not_is_told_until_the_target_has_it(
    down: Workbench,
) -> None:
    lose(down, "1")
    assert "0 packages pruned" in down.run("tend").out
    assert down.run("once").status == 11
    (down.folder / "target").unlink()
    for _ in range(2):
        answer = down.run("once")
        assert answer.status == 23
        assert f"/ale/1 {UNSURE}" in answer.out
    assert "dr: behind by 1 of 2 objects" in down.run("status").out
    assert "0 packages pruned" in down.run("tend").out
    bring(down, "1")
    assert down.run("once").status == 0
    assert "dr: up to date, 2 objects" in down.run("status").out
    assert "nothing to do" in down.run("once").out
    lose(down, "1", "target")
    assert "1 copied" in down.run("once").out


def test_it_is_told_no_more_when_it_is_forgotten(down: Workbench) -> None:
    lose(down, "1")
    (down.folder / "target").unlink()
    assert down.run("once").status == 23
    assert down.run("forget", "m", "--object", "*/ale/1").status == 0
    assert down.run("once").status == 0
    assert "1 package pruned" in down.run("tend").out
    assert down.run("once").status == 0


def test_it_is_told_when_retention_has_removed_it_too(tmp_path: Path) -> None:
    bench = DropBench(tmp_path)
    (tmp_path / "target").touch()
    for version in ("1", "2"):
        snapshot = snapshots.folder({"w": version.encode()}, name="ale", version=version)
        pack_file(snapshot, bench.inbox / f"{version}.mlpkg", packed_at=1_700_000_000_000)
    assert bench.run("once").status == 11
    with Vault.open(tmp_path / "vault") as vault:
        vault.prune(Rules(last=1), now=0)
    shutil.rmtree(tmp_path / "state")
    bench.run("once")
    (tmp_path / "target").unlink()
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 23
        assert f"/ale/1 {UNSURE}" in answer.out


def test_where_deletions_are_mirrored_what_is_gone_is_not_missed(down: Workbench) -> None:
    config = down.folder / "mirror.toml"
    text = config.read_text().replace(PRUNING, '[mirror.deletions]\npolicy = "delete"\n')
    config.write_text(text)
    lose(down, "1")
    (down.folder / "target").unlink()
    assert down.run("once").status == 0


def test_what_another_mirror_of_the_same_vault_has_is_no_matter_for_this_one(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    more = '[registries.far]\nlocator = "vault:far"\n[registries.more]\nlocator = "vault:other"\n'
    second = '[[mirror]]\nname = "second"\nsource = "more"\nvault = "vault"\ntargets = ["far"]\n'
    bench.configure(mirror=VAULT + second + more)
    bench.put("beer", "beer")
    (tmp_path / "source").rename(tmp_path / "other")
    bench.put("ale", "ale")
    assert bench.run("once").status == 0
    shutil.rmtree(tmp_path / "state")
    bench.run("once")
    assert bench.run("once").status == 0
    out = bench.run("status").out
    assert "dr: up to date, 1 object" in out
    assert "far: up to date, 1 object" in out


def bring(bench: Workbench, version: str) -> None:
    """Bring a package to the target as a person does, past the mirror."""
    (path,) = (bench.folder / "vault").rglob(f"ale/{version}~*.mlpkg")
    with Vault.open(bench.folder / "target") as vault:
        vault.take(path)
