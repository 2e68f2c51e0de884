"""Of two mirrors that bring contradicting objects to one target the first has its way."""

from pathlib import Path
from typing import Any

import pytest

from mlarchive.pack import pack_file
from mlarchive.records import Address
from mlarchive.vault import Rules, Vault
from mlarchived.execute import Executor
from tests.support import snapshots
from tests.support.dropping import DropBench
from tests.support.mirroring import Workbench, stocked


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return stocked(tmp_path)


def contradict(bench: Workbench) -> None:
    """Let a second mirror bring another beer, and what the first one has not."""
    (bench.folder / "source").rename(bench.folder / "other")
    for name in ("ale", "beer"):
        bench.put(name, f"{name} 1" if name == "ale" else "another beer")
    config = bench.folder / "mirror.toml"
    more = '[[mirror]]\nname = "second"\nsource = "more#folders/*"\ntargets = ["dr"]\n'
    text = config.read_text() + more + '[registries.more]\nlocator = "vault:other"\n'
    config.write_text(text)


def test_a_mirror_that_planned_before_another_wrote_does_not_write_over_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    contradict(bench)
    package, others = Executor._package, iter(["m"])  # noqa: SLF001  (the moment between plan and write)

    def overtaken(executor: Executor, *given: Any) -> Any:  # noqa: ANN401
        for mirror in others:
            assert bench.run("once", "--mirror", mirror).status == 0
        return package(executor, *given)

    monkeypatch.setattr(Executor, "_package", overtaken)
    answer = bench.run("once", "--mirror", "second")
    assert "beer/1 -> dr: another mirror has brought it there meanwhile" in answer.out
    assert {k: v for k, v in bench.held().items() if k.name != "cider"} == bench.held("source")


def test_of_two_mirrors_that_contradict_each_other_the_first_has_its_way_at_once(
    bench: Workbench,
) -> None:
    contradict(bench)
    answer = bench.run("once")
    assert answer.status == 23
    assert "/beer/1 -> dr: the mirror 'm', which comes first" in answer.out
    assert {k: v for k, v in bench.held().items() if k.name != "cider"} == bench.held("source")
    assert "cider" in {address.name for address in bench.held()}
    assert bench.run("once").status == 23


@pytest.fixture
def rivals(tmp_path: Path) -> DropBench:
    """Of two drop folders with one target, the second has another version 1 than the first."""
    bench = DropBench(tmp_path)
    config = bench.folder / "mirror.toml"
    second = (
        '[[mirror]]\nname = "m"\nvault = "vault"' + config.read_text().split('vault = "vault"')[1]
    )
    changed = [('"m"', '"second"'), ('"vault"', '"vault2"'), ('"inbox"', '"inbox2"')]
    for old, new in changed:
        second = second.replace(old, new)
    config.write_text(f"{config.read_text()}{second}[vaults.vault2]\nkeep_last = 1\n")
    (bench.folder / "inbox2").mkdir()
    drop(bench.inbox, "1", b"one")
    assert bench.run("once").status == 0
    drop(bench.folder / "inbox2", "1", b"two")
    drop(bench.folder / "inbox2", "2", b"two")
    answer = bench.run("once")
    assert answer.status == 23
    assert "/ale/1 -> dr: the mirror 'm', which comes first" in answer.out
    return bench


def drop(inbox: Path, version: str, content: bytes) -> None:
    snapshot = snapshots.folder({"weights.bin": content}, name="ale", version=version)
    pack_file(snapshot, inbox / f"{version}.mlpkg", packed_at=1_700_000_000_000)


def test_retention_keeps_what_is_set_aside_for_another_mirror(rivals: DropBench) -> None:
    assert "0 packages pruned" in rivals.run("tend").out
    answer = rivals.run("once")
    assert answer.status == 23
    assert "/ale/1 -> dr: the mirror 'm', which comes first" in answer.out
    config = rivals.folder / "mirror.toml"
    first, second = config.read_text().split("[[mirror]]")[1:]
    second, vaults = second.split("[vaults")
    head = config.read_text().split("[[mirror]]")[0]
    config.write_text(f"{head}[[mirror]]{second}[[mirror]]{first}[vaults{vaults}")
    rivals.run("once", "--mirror", "second")
    assert rivals.held()[_ale(rivals)] == rivals.held("vault2")[_ale(rivals)]


def test_what_was_set_aside_for_another_mirror_and_is_pruned_by_hand_is_told(
    rivals: DropBench,
) -> None:
    with Vault.open(rivals.folder / "vault2") as vault:
        vault.prune(Rules(last=1), now=0)
    for _ in range(2):
        answer = rivals.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: what was seen of it last never came to the target" in answer.out
    assert "dr: behind by 1 of 2 objects" in rivals.run("status").out
    assert "1 object forgotten" in rivals.run("forget", "second", "--object", "*ale/1").out
    assert rivals.run("once").status == 0


def _ale(bench: DropBench) -> Address:
    return next(address for address in bench.held("vault2") if address.version == "1")
