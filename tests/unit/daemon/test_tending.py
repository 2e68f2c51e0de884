"""Vaults are pruned, read again and mended by their mirrors' registries, once or by the clock."""

from pathlib import Path

import pytest

from mlarchive.errors import DamageError
from mlarchive.vault import Vault
from mlarchive.vault.journal import Journal
from tests.support.mirroring import Workbench
from tests.support.service import running_service

VAULT = 'vault = "vault"\n'


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    for version in ("1", "2", "3"):
        bench.put("ale", f"ale {version}", version=version)
    bench.run("once")
    return bench


def rot(folder: Path) -> None:
    for package in folder.rglob("*.mlpkg"):
        raw = bytearray(package.read_bytes())
        raw[raw.find(b"ale ")] ^= 1
        package.write_bytes(raw)


def versions(bench: Workbench) -> list[str]:
    return sorted(address.version for address in bench.held("vault"))


def test_what_cannot_be_pruned_is_read_again_and_mended_all_the_same(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.configure(mirror=VAULT + "[vaults.vault]\nkeep_last = 2\n")

    def hindered(*_: object, **__: object) -> None:
        raise DamageError("what others lean on has rotted")

    monkeypatch.setattr(Vault, "prune", hindered)
    rot(bench.folder / "vault")
    answer = bench.run("tend")
    assert (answer.status, "what others lean on has rotted" in answer.err) == (4, True)
    assert "3 mended, 0 damaged" in answer.out


def test_what_stays_for_what_cannot_be_opened_is_told(bench: Workbench) -> None:
    bench.configure(mirror=VAULT + "[vaults.vault]\nkeep_last = 1\n")
    first = next((bench.folder / "vault").rglob("1~*.mlpkg"))
    first.with_name("half.mlpkg").write_bytes(first.read_bytes()[:-40])
    answer = bench.run("tend")
    assert "1 package pruned" in answer.out
    assert "2 kept; 1 by no rule: " in answer.out
    assert "half.mlpkg, which cannot be opened, may take its bytes" in answer.out


def test_what_the_rules_do_not_keep_is_pruned_and_stays_so(bench: Workbench) -> None:
    bench.configure(mirror=VAULT + "[vaults.vault]\nkeep_last = 2\n")
    answer = bench.run("tend")
    assert answer.status == 0
    assert "1 package pruned" in answer.out
    assert versions(bench) == ["2", "3"]
    assert "nothing to do" in bench.run("once").out
    assert versions(bench) == ["2", "3"]


def test_without_rules_nothing_is_pruned_and_everything_is_read(bench: Workbench) -> None:
    answer = bench.run("tend")
    assert "pruned" not in answer.out
    assert "3 packages read again" in answer.out
    assert "0 packages read again" in bench.run("tend").out


def test_what_has_rotted_is_mended_from_the_source_or_a_target(bench: Workbench) -> None:
    before = bench.held("vault")
    rot(bench.folder / "vault")
    rot(bench.folder / "source")
    answer = bench.run("tend", "--json")
    assert answer.status == 0
    found = [event for event in answer.events if event["event"] == "package"]
    assert [(event["outcome"], event["mended_from"]) for event in found] == [("mended", "dr")] * 3
    assert bench.held("vault") == before


def test_what_nobody_has_any_more_is_damage(bench: Workbench) -> None:
    for name in ("vault", "source", "target"):
        rot(bench.folder / name)
    answer = bench.run("tend")
    assert answer.status == 4
    assert "3 of 3 packages read in" in answer.err


def test_the_service_tends_vaults_by_the_clock(bench: Workbench) -> None:
    bench.configure(mirror=VAULT + "[vaults.vault]\nkeep_last = 1\n")
    vault = bench.folder / "vault"
    with running_service(bench.folder) as service:
        waiting = {f"task:prune:{vault}", f"task:scrub:{vault}"}
        while waiting:
            ended = service.wait_for(lambda event: event["event"] == "round-ended")
            waiting.discard(ended["worker"])
        assert service.stop() == 0
    with Vault.open(vault) as opened, Journal.look(vault) as journal:
        (kept,) = opened.find()
        assert kept.address.version == "3"
        assert journal.checks()[kept.place].checked_at


def test_the_care_of_a_vault_that_no_mirror_keeps_is_refused(bench: Workbench) -> None:
    bench.configure(mirror=VAULT + "[vaults.vualt]\nkeep_last = 1\n")
    answer = bench.run("check")
    assert answer.status == 10
    assert "vaults.vualt: no mirror keeps a vault at" in answer.err
