"""What a mirror has taken and a target has not got yet is neither lost nor called delivered."""

import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlarchive.errors import RemoteError, UnsupportedError
from mlarchive.pack import pack_file
from mlarchive.records import Address
from mlarchive.registries.base import Holding, WritePolicy
from mlarchive.registries.vaultregistry import VaultRegistry
from mlarchive.vault import Rules, Vault
from mlarchived.configfile import read_config
from mlarchived.lanes import Shared, lanes
from mlarchived.ledger import Ledger, Record
from mlarchived.ledger.ledger import FILE_NAME
from mlarchived.once import Circumstances, do_round
from mlarchived.resolving import resolve
from mlarchived.stopping import Stopping
from tests.support import snapshots
from tests.support.command import within
from tests.support.dropping import DropBench
from tests.support.mirroring import Workbench, lose, versions

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
        assert "/ale/1 -> dr: what was seen of it last never came to the target" in answer.out
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
    lose(bench, "1")
    assert bench.run("once").status == 11
    (tmp_path / "target").unlink()
    assert bench.run("once").status == 0
    assert versions(bench) == ["1", "2", "3"]
    assert "nothing to do" in bench.run("once").out


def test_what_comes_from_the_vault_comes_in_its_turn(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    (tmp_path / "target").touch()
    for version in ("1", "2", "3", "10", "11"):
        bench.put("ale", f"ale {version}", version=version)
    bench.put("beer", "beer")
    assert bench.run("once").status == 11
    for version in ("10", "2"):
        lose(bench, version)
    assert bench.run("once").status == 11
    (tmp_path / "target").unlink()
    answer = bench.run("once", "--json")
    copied = [one["object"] for one in answer.events if one.get("outcome") == "copied"]
    numbers = ("ale/1", "ale/2", "ale/3", "ale/10", "ale/11", "beer/1")
    assert copied == [f"lab#folders/{number}" for number in numbers]


def test_what_a_target_cannot_tell_of_and_waits_for_holds_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    (tmp_path / "target").touch()
    for version in ("1", "2", "3"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 11
    lose(bench, "2")
    (tmp_path / "target").unlink()
    real = VaultRegistry.holding

    def holding(self: VaultRegistry, source: Address, policy: WritePolicy) -> Holding | None:
        if source.version == "2":
            raise RemoteError("it cannot tell now")
        return real(self, source, policy)

    def holdings(*_: object) -> list[Holding | None]:
        raise RemoteError("it cannot tell now")

    with monkeypatch.context() as patched:
        patched.setattr(VaultRegistry, "holding", holding)
        patched.setattr(VaultRegistry, "holdings", holdings)
        answer = bench.run("once", "--json")
    waiting = [
        one["object"]
        for one in answer.events
        if (one.get("target"), one.get("outcome")) == ("dr", "wait")
    ]
    assert "lab#folders/ale/2" in waiting
    assert bench.run("once").status == 0
    assert versions(bench) == ["1", "2", "3"]


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
    lose(bench, "1")
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
    lose(bench, "1")
    shutil.rmtree(tmp_path / "state")
    for _ in range(2):
        assert bench.run("once").status == 0
        assert "dr: up to date, 2 objects" in bench.run("status").out
    lose(bench, "1", "target")
    assert bench.run("once").status == 0
    assert versions(bench) == ["1", "2"]
    lose(bench, "1", "target")
    lose(bench, "1", "vault")
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
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    bench.put("ale", "ale")
    assert bench.run("once").status == 0
    (tmp_path / "target").rename(tmp_path / "away")
    (tmp_path / "target").touch()
    bench.put("beer", "beer")
    assert bench.run("once").status == 11
    assert owed(bench) == [("dr", "beer", "1")]


@pytest.mark.parametrize("lane", ["vault:", "other"])
def test_what_comes_and_goes_while_a_lane_is_busy_comes_from_the_vault(
    tmp_path: Path, lane: str
) -> None:
    bench = with_two_targets(tmp_path)
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
        serve(bench, lane)
        lose(bench, version)
    bench.put("ale", "ale 3", version="3")
    assert "0 packages pruned" in bench.run("tend").out
    assert bench.run("once").status == 0
    assert versions(bench) == versions(bench, "other") == ["1", "2", "3"]
    assert "dr: up to date, 3 objects" in bench.run("status").out
    assert owed(bench) == []
    assert "nothing to do" in bench.run("once").out


def test_what_came_and_went_while_a_lane_was_busy_and_was_pruned_by_hand_is_told(
    tmp_path: Path,
) -> None:
    bench = with_two_targets(tmp_path)
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
        serve(bench, "vault:")
    lose(bench, "1")
    prune(bench)
    answer = bench.run("once")
    assert answer.status == 23
    assert "/ale/1 -> dr: what was seen of it last never came to the target" in answer.out
    assert "dr: behind by 1 of 2 objects" in bench.run("status").out


@pytest.mark.parametrize("before", [(), ("3",)])
def test_what_was_dropped_outside_the_windows_and_pruned_by_hand_is_told(
    tmp_path: Path, before: tuple[str, ...]
) -> None:
    bench = DropBench(tmp_path)
    if before:
        drop(bench, *before)
        assert bench.run("once").status == 0
    set_windows(bench, closed=True)
    drop(bench, *({"1", "3"} - set(before)))
    bench.run("once")
    assert bench.lying() == []
    prune(bench)
    assert versions(bench, "vault") == ["3"]
    set_windows(bench, closed=False)
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: what was seen of it last never came to the target" in answer.out
    assert "dr: behind by 1 of 2 objects" in bench.run("status").out
    assert versions(bench) == ["3"]


def test_what_was_dropped_and_is_no_matter_for_a_target_is_owed_until_that_is_planned(
    tmp_path: Path,
) -> None:
    bench = DropBench(tmp_path)
    set_windows(bench, closed=True)
    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace("every =", 'exclude = ["ale"]\nevery ='))
    drop(bench, "1")
    bench.run("once")
    assert owed(bench) == [("dr", "ale", "1")]
    set_windows(bench, closed=False)
    assert bench.run("once").status == 0
    assert owed(bench) == []
    prune(bench)
    drop(bench, "2")
    assert bench.run("once").status == 0
    assert versions(bench) == []


def test_what_a_target_has_is_not_owed_again_when_it_is_dropped_again(tmp_path: Path) -> None:
    bench = DropBench(tmp_path)
    drop(bench, "1")
    assert bench.run("once").status == 0
    set_windows(bench, closed=True)
    drop(bench, "1", "2")
    bench.run("once")
    assert owed(bench) == [("dr", "ale", "2")]


def with_two_targets(folder: Path) -> Workbench:
    bench = Workbench(folder)
    bench.configure(
        ('"vault:target"', '"vault:target"\n[registries.other]\nlocator = "vault:other"'),
        ('targets = ["dr"]', f'targets = ["dr", "other"]\n{VAULT}'),
        mirror=PRUNING,
    )
    return bench


def serve(bench: Workbench, lane: str) -> None:
    """Do a round of one lane of the mirror, while the others plan nothing."""
    setting = resolve(read_config(bench.folder / "mirror.toml"))
    (job,) = setting.jobs
    around = Circumstances(
        state=setting.state,
        environment={},
        stopping=Stopping(),
        report=lambda _: None,
        shared=Shared(lanes(job)),
    )
    with Ledger.open(setting.state) as ledger:
        do_round(lanes(job)[lane], ledger, around)


def prune(bench: Workbench) -> None:
    with Vault.open(bench.folder / "vault") as vault:
        vault.prune(Rules(last=1), now=0)


def set_windows(bench: DropBench, *, closed: bool) -> None:
    config = bench.folder / "mirror.toml"
    day = f"{datetime.now(UTC) + timedelta(days=3):%a}".lower()
    line = f'windows = ["{day} 00:00-00:01"]\n'
    text = config.read_text().replace(line, "")
    config.write_text(text.replace("every =", f"{line}every =") if closed else text)


def owed(bench: Workbench) -> list[tuple[str, str, str]]:
    """What the ledger says that targets are to get: target, name and version."""
    connection = sqlite3.connect(bench.folder / "state" / FILE_NAME)
    found = connection.execute(
        "SELECT d.target, o.name, o.version FROM delivery d JOIN object o ON o.id = d.object"
        " WHERE d.owed_at IS NOT NULL ORDER BY 1, 2, 3"
    ).fetchall()
    connection.close()
    return found


@pytest.fixture
def unkept(tmp_path: Path) -> Workbench:
    """A mirror without a vault, whose target was down when the source showed two versions."""
    bench = Workbench(tmp_path)
    bench.configure()
    (tmp_path / "target").touch()
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 11
    return bench


def test_what_goes_before_a_target_had_it_is_told_where_the_mirror_has_no_vault(
    unkept: Workbench,
) -> None:
    lose(unkept, "1")
    (unkept.folder / "target").unlink()
    for _ in range(2):
        answer = unkept.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: it went from its source before anybody could read it" in answer.out
    assert "dr: behind by 1 of 2 objects" in unkept.run("status").out
    assert unkept.run("forget", "m", "--object", "*/ale/1").status == 0
    assert unkept.run("once").status == 0
    assert owed(unkept) == []


def test_news_that_went_before_a_target_had_them_are_told_where_the_mirror_has_no_vault(
    unkept: Workbench,
) -> None:
    target = unkept.folder / "target"
    target.unlink()
    assert unkept.run("once").status == 0
    target.rename(unkept.folder / "away")
    target.touch()
    unkept.put("ale", "ale 1 and more", version="1")
    assert unkept.run("once").status == 11
    lose(unkept, "1")
    target.unlink()
    (unkept.folder / "away").rename(target)
    assert unkept.run("once").status == 23


@pytest.mark.parametrize("tries", [1, 6])
def test_what_could_not_be_read_and_is_gone_is_told_until_it_is_forgotten(
    unkept: Workbench, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    (unkept.folder / "target").unlink()

    def unreadable(*_: object) -> None:
        raise UnsupportedError("it is none")

    with monkeypatch.context() as patched:
        patched.setattr(VaultRegistry, "read", unreadable)
        for _ in range(tries):
            unkept.run("once")
    lose(unkept, "1")
    for _ in range(2):
        answer = unkept.run("once")
        assert answer.status in {22, 23}
        assert "/ale/1 -> dr: it went from its source before anybody could read it" in answer.out
    assert unkept.run("forget", "m", "--object", "*/ale/1").status == 0
    assert "ale/1" not in unkept.run("once", "--retry").out
    assert unkept.run("once").status == 0
    assert versions(unkept) == ["2"]


def test_the_retention_of_a_vault_that_is_a_source_keeps_what_a_target_waits_for(
    tmp_path: Path,
) -> None:
    bench = DropBench(tmp_path)
    config = bench.folder / "mirror.toml"
    more = '[[mirror]]\nname = "b"\nsource = "vault:vault"\ntargets = ["far"]\n'
    far = '[registries.far]\nlocator = "vault:far"\n'
    config.write_text(config.read_text() + more + far + PRUNING)
    (tmp_path / "far").touch()
    drop(bench, "1")
    assert bench.run("once", "--mirror", "m").status == 0
    assert bench.run("once").status == 11
    drop(bench, "2")
    assert bench.run("once", "--mirror", "m").status == 0
    assert "0 packages pruned" in bench.run("tend").out
    (tmp_path / "far").unlink()
    assert bench.run("once").status == 0
    assert versions(bench, "far") == ["1", "2"]
    assert "1 package pruned" in bench.run("tend").out
    assert bench.run("once").status == 0


def test_what_is_brought_to_a_target_by_hand_counts_as_given(down: DropBench) -> None:
    (package,) = (down.folder / "vault").rglob("ale/1~*.mlpkg")
    shutil.copy(package, down.folder / "kept.mlpkg")
    prune(down)
    (down.folder / "target").unlink()
    assert down.run("once").status == 23
    with Vault.open(down.folder / "target") as vault:
        vault.take(down.folder / "kept.mlpkg")
    down.run("once")
    lose(down, "1", "target")
    assert "/ale/1 -> dr: it is gone from the target" in down.run("once").out


@pytest.mark.parametrize("killed", ["once", "vault:", "other"])
def test_what_the_vault_got_from_a_process_that_was_killed_before_it_noted_it_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    bench = with_two_targets(tmp_path)
    bench.put("ale", "ale 0", version="0")
    assert bench.run("once").status == 0
    bench.put("ale", "ale 1", version="1")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Record, "packed", _kill)
        bench.run("once") if killed == "once" else serve(bench, killed)
    lose(bench, "1")
    assert versions(bench, "vault") == ["0", "1"]
    assert versions(bench) == ["0"]
    assert bench.run("once").status == 0
    assert versions(bench) == versions(bench, "other") == ["0", "1"]
    assert "nothing to do" in bench.run("once").out
    lose(bench, "1", "target")
    assert bench.run("once").status == 0
    assert versions(bench) == ["0", "1"]


def test_what_the_vault_got_so_is_found_where_the_clock_of_its_disk_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = with_two_targets(tmp_path)
    bench.put("ale", "ale 1", version="1")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Record, "packed", _kill)
        bench.run("once")
    (package,) = (tmp_path / "vault").rglob("*.mlpkg")
    os.utime(package, (1, 1))
    lose(bench, "1")
    assert bench.run("once").status == 0
    assert versions(bench) == ["1"]


def test_labels_that_the_vault_got_from_a_process_that_was_killed_are_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = with_two_targets(tmp_path)
    bench.put("ale", "ale 1")
    assert bench.run("once").status == 0
    bench.put("ale", "ale 1", tags={"stage": "prod"})
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Record, "packed", _kill)
        serve(bench, "vault:")
    lose(bench, "1")
    assert bench.held() != bench.held("vault")
    assert bench.run("once").status == 0
    assert bench.held() == bench.held("other") == bench.held("vault")


def test_what_the_vault_had_of_it_before_does_not_pass_for_what_was_seen_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = with_two_targets(tmp_path)
    bench.put("ale", "ale 0", version="0")
    assert bench.run("once").status == 0
    bench.put("ale", "ale 1", version="1")
    assert within("copy", "vault:source", "vault:vault", cwd=tmp_path).status == 0
    bench.put("ale", "another ale 1", version="1")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Vault, "add", _kill)
        bench.run("once")
    lose(bench, "1")
    assert bench.run("once").status == 23
    assert versions(bench) == versions(bench, "other") == ["0"]


class Killed(BaseException):
    """Nothing goes on after this."""


def _kill(*_: object, **__: object) -> None:
    raise Killed
