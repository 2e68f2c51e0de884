"""`mlarchive prune` says what it removes, and needs to be told what to keep."""

from pathlib import Path

import pytest

from mlarchive.vault import Vault
from tests.support import snapshots
from tests.support.command import sentence, within


@pytest.fixture
def vault(desk: Path) -> Path:
    with Vault.open(desk / "v") as vault:
        for number in ("1", "2", "3"):
            files = {"a": number.encode()}
            vault.add(snapshots.model_version(version=number, files=files), packed_at=5)
    return desk


def test_a_dry_run_says_why_each_is_kept_and_removes_nothing(vault: Path) -> None:
    done = within("prune", "vault:v", "--keep-last", "2", "--dry-run", cwd=vault)
    assert done.status == 0
    assert "would remove  prod#models/wine/1" in done.out
    assert "keep  prod#models/wine/3: the latest version" in done.out
    assert len(list((vault / "v").rglob("*.mlpkg"))) == 3


def test_what_no_rule_keeps_is_removed(vault: Path) -> None:
    done = within("prune", "vault:v", "--keep-last", "1", "--json", cwd=vault)
    assert [document["kept"] for document in done.documents] == [False, False, True]
    listed = within("ls", "vault:v", "--json", cwd=vault).document
    assert listed["address"]["version"] == "3"


def test_what_stays_for_what_cannot_be_opened_is_told(vault: Path) -> None:
    first = next((vault / "v").rglob("1~*.mlpkg"))
    first.with_name("half.mlpkg").write_bytes(first.read_bytes()[:-40])
    first.with_name("junk.mlpkg").write_bytes(b"x")
    done = within("prune", "vault:v", "--keep-last", "1", cwd=vault)
    assert done.status == 4
    assert "removed 1 package" in done.out
    assert "note: 1 package stays by no rule: " in done.err
    assert "half.mlpkg, which cannot be opened, may take its bytes" in done.err
    assert first.exists()


def test_a_second_copy_that_goes_is_told(vault: Path) -> None:
    first = next((vault / "v").rglob("3~*.mlpkg"))
    first.with_name("copy.mlpkg").write_bytes(first.read_bytes())
    done = within("prune", "vault:v", "--keep-last", "5", cwd=vault)
    assert "(the same as another one)" in done.out
    assert "removed 1 package" in done.out
    assert len(list((vault / "v").rglob("3~*.mlpkg"))) + first.with_name("copy.mlpkg").exists() == 1


@pytest.mark.parametrize(
    "words",
    [
        ("vault:v",),
        ("dir:resnet", "--keep-last", "1"),
        ("vault:v#models/wine", "--keep-last", "1"),
        ("vault:v", "--keep-last", "0"),
    ],
)
def test_what_makes_no_sense_is_refused_and_removes_nothing(
    vault: Path, words: tuple[str, ...]
) -> None:
    assert within("prune", *words, cwd=vault).status == 2
    assert len(list((vault / "v").rglob("*.mlpkg"))) == 3


def test_a_vault_that_is_not_there_is_not_made(desk: Path) -> None:
    done = within("prune", "vault:none", "--keep-last", "1", cwd=desk)
    assert done.status == 11
    assert "none is not a folder" in sentence(done)
    assert not (desk / "none").exists()


def test_a_vault_is_searched_and_other_things_are_not(vault: Path) -> None:
    words = ("--metric", "rmse<0.6", "--tag", "team=cellar", "--since", "1970-01-01")
    assert len(within("ls", "vault:v#models/w*", *words, cwd=vault).out.splitlines()) == 3
    assert within("ls", "vault:v", "--metric", "rmse>2", cwd=vault).out == ""
    of_folder = within("ls", "dir:resnet", "--tag", "a", cwd=vault)
    assert of_folder.status == 19
    assert "tells the tags of none" in sentence(of_folder)
    assert within("ls", "vault:v", "--metric", "rmse", cwd=vault).status == 2
    assert within("ls", "vault:v", "--since", "yesterday", cwd=vault).status == 2
