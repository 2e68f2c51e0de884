"""A round: what is new arrives, what is idle is left alone, what fails is said and kept apart."""

import contextlib
import dataclasses
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.base import Ref, Selector, WritePolicy
from mlarchive.registries.directory import DirectoryRegistry, labelled
from mlarchive.registries.vaultregistry import VaultRegistry
from mlarchive.snapshot import Snapshot
from mlarchive.unpack import unpack
from mlarchive.vault import Rules, Vault
from mlarchived import standings
from mlarchived.ledger import Record
from mlarchived.ledger.ledger import FILE_NAME
from tests.support import snapshots
from tests.support.mirroring import Workbench, stocked

VAULT = 'vault = "vault"\n'


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return stocked(tmp_path)


def test_everything_new_arrives_and_equals_its_source(bench: Workbench) -> None:
    answer = bench.run("once")
    assert answer.status == 0
    assert bench.held() == bench.held("source")
    assert len(bench.held()) == 3
    assert answer.out.count("copied") == 3 + 1


def test_a_second_round_does_nothing_and_says_so(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    bench.run("once")
    before = list(bench.files())
    answer = bench.run("once")
    assert answer.status == 0
    assert "nothing to do: 6 up to date" in answer.out
    assert list(bench.files()) == before


def test_how_a_mirror_stands_is_written_while_its_round_goes_on(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, stood = list[int](), Record.stood

    def noticed(record: Record, target: str, *, behind: int, **others: Any) -> None:  # noqa: ANN401
        written.append(behind)
        stood(record, target, behind=behind, **others)

    monkeypatch.setattr(Record, "stood", noticed)
    monkeypatch.setattr(standings, "FRESH", -1.0)
    assert bench.run("once").status == 0
    assert written == [3, 2, 1, 0, 0]


def test_what_the_target_had_already_is_not_called_copied(bench: Workbench) -> None:
    """The same model came there before, by hand and under another name of its source."""
    bench.configure(("src#folders/*", "src#models/*"), ('targets = ["dr"]', 'targets = ["folder"]'))
    with Vault.open(bench.folder / "source") as source:
        source.add(snapshots.model_version(origin="lab"), packed_at=0)
    by_hand = bench.folder / "by-hand.mlpkg"
    pack_file(snapshots.model_version(origin="elsewhere"), by_hand, packed_at=0)
    with (
        Package.open(by_hand) as package,
        DirectoryRegistry(bench.folder / "folder", origin="folder") as target,
    ):
        unpack(package, target, WritePolicy())
    assert "copy      lab#models/wine/3 -> folder: not mirrored there yet" in bench.run("plan").out
    (event,) = (
        event
        for event in bench.run("once", "--json").events
        if event["event"] == "ended" and event["target"] == "folder"
    )
    assert (event["outcome"], event["bytes"]) == ("relabelled", 0)
    assert event["reason"] == "the target had the content already"
    assert "nothing to do: 1 up to date" in bench.run("once").out


def test_what_changed_is_carried_and_nothing_else(bench: Workbench) -> None:
    bench.run("once")
    bench.put("beer", "beer 2")
    answer = bench.run("once")
    assert "lab#folders/beer/1 -> dr: content changed" in answer.out
    assert "1 packed, 1 copied, 2 up to date" in answer.out
    assert bench.held() == bench.held("source")


def test_a_file_that_changed_unseen_is_found_when_all_is_read_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = DirectoryRegistry.changes

    def unseen(registry: DirectoryRegistry, selector: Selector) -> Iterator[Ref]:
        for ref in seen(registry, selector):
            yield structs.replace(ref, content_mark="same")

    monkeypatch.setattr(DirectoryRegistry, "changes", unseen)
    files = bench.folder / "files" / "ale"
    bench.configure(('"vault:source"', f'"dir:{files}"'), ('"src#folders/*"', '"src"'))
    bench.run("once")
    (files / "weights.bin").write_text("ALE 1")
    assert "nothing to do" in bench.run("once").out
    before = bench.held()
    with contextlib.closing(sqlite3.connect(bench.folder / "state" / FILE_NAME)) as ledger, ledger:
        ledger.execute("UPDATE object SET read_at = read_at - 31 * 86400000")
    assert "not read in full since" in bench.run("plan").out
    bench.run("once")
    assert bench.held().keys() == before.keys()
    assert bench.held() != before
    assert "nothing to do" in bench.run("once").out


def test_labels_alone_travel_without_bytes(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    bench.put("big", "x" * 1_000_000)
    bench.run("once")
    bench.put("big", "x" * 1_000_000, description="now described")
    answer = bench.run("once", "--json")
    ended = [event for event in answer.events if event["event"] == "ended"]
    assert [event["outcome"] for event in ended] == ["relabelled", "relabelled"]
    assert sum(event["bytes"] for event in ended) < 50_000
    assert bench.held() == bench.held("source")


def test_labels_that_changed_between_a_look_and_its_read_and_back_are_put_right(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = VaultRegistry.read

    def changed(registry: VaultRegistry, address: Address) -> Snapshot:
        found = read(registry, address)
        passing = labelled(found, name="", version="", description="for a moment", tags={})
        return dataclasses.replace(passing, state_mark="of that moment")

    with monkeypatch.context() as moment:
        moment.setattr(VaultRegistry, "read", changed)
        bench.run("once")
    assert bench.held() != bench.held("source")
    assert "labels changed" in bench.run("once").out
    assert bench.held() == bench.held("source")
    assert "nothing to do" in bench.run("once").out


def test_a_vault_keeps_every_package_and_a_spool_none(bench: Workbench) -> None:
    bench.run("once")
    assert list((bench.folder / "state").rglob("*.mlpkg")) == []
    bench.configure(mirror=VAULT)
    bench.run("once")
    assert bench.held("vault") == bench.held("source")


def test_a_spool_keeps_what_was_read_for_a_target_that_failed_and_no_longer(
    bench: Workbench,
) -> None:
    bench.configure(('targets = ["dr"]', 'targets = ["folder"]'))
    bench.run("once")
    assert len(list((bench.folder / "state").rglob("*.mlpkg"))) == 2
    again = bench.run("once", "--json")
    assert "reading" not in {event.get("phase") for event in again.events}
    bench.configure(('targets = ["dr"]', 'targets = ["folder"]\nexclude = ["*r"]'))
    answer = bench.run("once")
    assert 'left alone    2 objects -> folder: excluded by "*r"' in answer.out
    assert '2 objects left alone: excluded by "*r"' in bench.run("status").out
    assert list((bench.folder / "state").rglob("*.mlpkg")) == []


def test_a_mirror_may_have_a_vault_alone(bench: Workbench) -> None:
    bench.configure(('targets = ["dr"]\n', ""), mirror=VAULT)
    assert bench.run("once").status == 0
    assert bench.held("vault") == bench.held("source")
    assert not (bench.folder / "target").exists()


def test_a_lost_ledger_costs_a_reading_and_no_writing(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    bench.run("once")
    before = list(bench.files())
    shutil.rmtree(bench.folder / "state")
    answer = bench.run("once")
    assert answer.status == 0
    assert "nothing to do: 6 already there" in answer.out
    assert list(bench.files()) == before
    assert "nothing to do: 6 up to date" in bench.run("once").out


def test_a_lost_vault_is_filled_again(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    bench.run("once")
    shutil.rmtree(bench.folder / "vault")
    assert bench.run("once").status == 11
    (bench.folder / "vault").mkdir()
    assert "gone from the vault" in bench.run("once").out
    assert bench.held("vault") == bench.held("source")


def test_what_is_lost_from_the_vault_and_gone_from_its_source_is_no_longer_up_to_date(
    bench: Workbench,
) -> None:
    bench.configure(mirror=VAULT)
    bench.put("beer", "beer b", version="2")
    bench.run("once")
    with Vault.open(bench.folder / "vault") as vault:
        vault.prune(Rules(last=1), now=0)
    for path in (bench.folder / "source").rglob("*.mlpkg"):
        if "ale" not in str(path):
            path.unlink()
    assert bench.run("once").status == 0
    kept = (bench.folder / "vault").rglob("*.mlpkg")
    (lost,) = [path for path in kept if "cider" in str(path)]
    copy = lost.rename(bench.folder / "copy")
    answer = bench.run("once")
    assert answer.status == 23
    assert "set aside     lab#folders/cider/1 -> vault: its package is gone from" in answer.out
    assert answer.out.count("its package is gone") == 1
    status = bench.run("status").out
    assert "vault: behind by 1 of" in status
    assert "lab#folders/cider/1 -> vault: its package is gone from the vault" in status
    assert status.count("[set aside]\n") == 1
    copy.rename(lost)
    assert bench.run("once").status == 0
    assert "set aside" not in bench.run("status").out
    lost.unlink()
    assert bench.run("once").status == 23
    (other,) = [path for path in (bench.folder / "target").rglob("*.mlpkg") if "cider" in str(path)]
    shutil.copy(other, lost)
    assert bench.run("once").status == 0
    lost.unlink()
    assert bench.run("once").status == 23
    assert bench.run("forget").status == 2
    nothing = bench.run("forget", "--object", "*ale*")
    assert nothing.status == 11
    assert "m: 0 objects forgotten" in nothing.out
    assert "m: 1 object forgotten" in bench.run("forget", "--object", "*cider*").out
    assert bench.run("once").status == 0


@pytest.mark.parametrize("pruned", [False, True])
def test_what_a_target_lost_after_it_went_from_the_source_is_brought_again_or_told(
    bench: Workbench, *, pruned: bool
) -> None:
    bench.configure(mirror=VAULT)
    bench.run("once")
    held = bench.held()
    for folder in ("source", "vault") if pruned else ("source",):
        with Vault.open(bench.folder / folder) as vault:
            (kept,) = [one for one in vault.find() if one.address.name == "ale"]
            vault.delete(kept.address, now=0)
    assert bench.run("once").status == 0
    (lost,) = [path for path in (bench.folder / "target").rglob("*.mlpkg") if "ale" in str(path)]
    copy = lost.rename(bench.folder / "copy")
    answer = bench.run("once")
    if pruned:
        assert answer.status == 23
        assert "set aside     lab#folders/ale/1 -> dr: it is gone from the target" in answer.out
        assert "dr: behind by 1 of 3" in bench.run("status").out
        copy.rename(lost)
    assert bench.run("once").status == 0
    assert bench.held() == held
    assert "set aside" not in bench.run("status").out
    if pruned:
        lost.unlink()
        assert bench.run("once").status == 23
        assert "m: 1 object forgotten" in bench.run("forget", "--object", "*ale*").out
        assert bench.run("once").status == 0
        assert "set aside" not in bench.run("status").out


def test_what_was_seen_pruned_is_no_loss_when_the_vaults_journal_is_lost(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    bench.put("beer", "beer b", version="2")
    bench.run("once")
    with Vault.open(bench.folder / "vault") as vault:
        vault.prune(Rules(last=1), now=0)
    for path in (bench.folder / "source").rglob("*.mlpkg"):
        if "beer" in str(path):
            path.unlink()
    assert bench.run("once").status == 0
    (bench.folder / "vault" / ".mlarchive-journal.sqlite").unlink()
    assert bench.run("once").status == 0
    assert "set aside" not in bench.run("status").out


def test_a_vault_with_older_labels_than_it_was_given_last_misses_the_last_ones_alone(
    bench: Workbench,
) -> None:
    bench.configure(mirror=VAULT)
    bench.run("once")
    bench.put("beer", "beer 1", description="bitter")
    bench.run("once")
    with Vault.open(bench.folder / "vault") as vault:
        latest = next(kept for kept in vault.find() if kept.address.name == "beer")
    for path in [latest.path, *(bench.folder / "source").rglob("*beer*/**/*.mlpkg")]:
        path.unlink()
    answer = bench.run("once")
    assert answer.status == 23
    assert "its package with the labels that it had last is gone from the vault" in answer.out
    bench.run("forget", "--object", "*beer*")
    assert bench.run("once").status == 0


def test_a_lost_target_is_filled_again_from_the_vault_alone(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    bench.run("once")
    shutil.rmtree(bench.folder / "target")
    answer = bench.run("once", "--json")
    assert bench.held() == bench.held("source")
    phases = {event["phase"] for event in answer.events if event["event"] == "began"}
    assert phases == {"writing"}


def test_one_bad_object_does_not_stop_the_others(bench: Workbench) -> None:
    """A folder holds one object, so the second and third are refused by it."""
    bench.configure(('targets = ["dr"]', 'targets = ["folder", "dr"]'))
    answer = bench.run("once")
    assert answer.status == 14
    assert answer.out.count("failed ") == 2
    assert "lab#folders/beer/1 -> folder: " in answer.out
    assert bench.held() == bench.held("source")


def test_a_version_whose_number_is_taken_at_the_target_keeps_no_later_one_waiting(
    bench: Workbench,
) -> None:
    bench.put("beer", "beer 2", version="2")
    bench.configure(('targets = ["dr"]', 'targets = ["folder"]'))
    answer = bench.run("once")
    assert answer.status == 14
    assert "comes first" not in answer.out
    assert "failed        lab#folders/beer/2 -> folder: " in answer.out


def test_what_keeps_failing_is_set_aside_until_it_is_retried(bench: Workbench) -> None:
    bench.configure(
        ('targets = ["dr"]', 'targets = ["folder"]\nset_aside_after = 2\nexclude = ["cider"]')
    )
    assert [bench.run("once").status for _ in range(2)] == [14, 14]
    answer = bench.run("once")
    assert answer.status == 23
    assert "set aside" in answer.out
    assert "[set aside; when that is put right: `mlarchived retry`]" in bench.run("status").out
    assert bench.run("once", "--retry").status == 14


def test_what_a_policy_passes_over_is_left_alone_from_then_on(bench: Workbench) -> None:
    bench.configure(('targets = ["dr"]', 'targets = ["folder"]\nconflict = "skip"'))
    first, second = bench.run("once"), bench.run("once")
    assert (first.status, second.status) == (0, 0)
    assert first.out.count("  passed over ") == 2
    assert "nothing to do" in second.out
    assert "up to date, 1 object" in bench.run("status").out


def test_what_a_target_cannot_hold_is_named_once_and_seen_in_the_exit_status(
    bench: Workbench,
) -> None:
    bench.configure(
        ("src#folders/*", "src#folders/dry"), ('targets = ["dr"]', 'targets = ["folder"]')
    )
    bench.put("dry", "dry 1", description="a label")
    answer = bench.run("once")
    assert answer.status == 3
    assert "loss: folder dry, description: " in answer.out
    again = bench.run("once")
    assert again.status == 0
    assert "nothing to do: 1 up to date" in again.out


def test_a_target_that_does_not_answer_stops_nobody_else(bench: Workbench) -> None:
    bench.configure(('targets = ["dr"]', 'targets = ["down", "dr"]'))
    answer = bench.run("once")
    assert answer.status == 12
    assert bench.held() == bench.held("source")
    assert "everything -> down: " in answer.out
    status = bench.run("status").out
    assert "dr: up to date, 3 objects" in status
    assert "down: behind by 3 or more of 3 objects; last success never" in status


class Refusing(BaseHTTPRequestHandler):
    """Answers everything with the status that its path begins with."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815  (the name that the server calls)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@pytest.mark.parametrize(("refusal", "status"), [(401, 13), (404, 21)])
def test_a_target_that_refuses_every_question_is_a_failure_of_few_objects_too(
    bench: Workbench, refusal: int, status: int
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"mlflow+http://127.0.0.1:{server.server_port}/{refusal}"
        bench.configure(
            ("mlflow+http://127.0.0.1:9", place),
            ("src#folders/*", "src#models/*"),
            ('targets = ["dr"]', 'targets = ["down", "dr"]'),
        )
        with Vault.open(bench.folder / "source") as source:
            source.add(snapshots.model_version(origin="lab"), packed_at=0)
        answer = bench.run("once")
        server.shutdown()
    assert answer.status == status, answer.out
    assert answer.out.count("failed        everything -> down: ") == 1
    assert len(bench.held()) == 1
    (standing,) = (
        event
        for event in bench.run("status", "--json").events
        if event["event"] == "standing" and event["target"] == "down"
    )
    assert standing["trouble"]
    assert (standing["behind"], standing["succeeded_at"]) == (1, 0)


def test_an_unreachable_target_never_gets_objects_set_aside(bench: Workbench) -> None:
    bench.configure(('targets = ["dr"]', 'targets = ["down"]\nset_aside_after = 1'))
    assert [bench.run("once").status for _ in range(2)] == [12, 12]
    assert "set aside" not in bench.run("status").out


def test_a_source_that_is_gone_is_one_sentence_and_harms_nothing(bench: Workbench) -> None:
    bench.run("once")
    before = bench.held()
    shutil.rmtree(bench.folder / "source")
    answer = bench.run("once")
    assert answer.status == 11
    assert answer.err.startswith("error: mirror m: ")
    assert bench.held() == before
    status = bench.run("status").out
    assert "3 objects" in status
    assert "is not a folder" in status


def test_what_is_deleted_at_the_source_is_kept(bench: Workbench) -> None:
    bench.run("once")
    gone = next(path for path in (bench.folder / "source").rglob("*.mlpkg") if "beer" in str(path))
    gone.unlink()
    assert "nothing to do: 3 up to date" in bench.run("once").out
    assert "beer/1 -> dr: gone from the source" in bench.run("plan").out
    assert len(bench.held()) == 3


def test_a_damaged_object_at_the_source_is_said_and_the_others_arrive(bench: Workbench) -> None:
    bad = next(path for path in (bench.folder / "source").rglob("*.mlpkg") if "beer" in str(path))
    raw = bytearray(bad.read_bytes())
    where = raw.index(b"beer 1")
    raw[where] ^= 1
    bad.write_bytes(raw)
    answer = bench.run("once")
    assert answer.status == 4
    assert answer.out.count("failed        lab#folders/beer/1: ") == 1
    assert {address.name for address in bench.held()} == {"ale", "cider"}


def test_leftovers_of_killed_writers_are_swept(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    leftovers = [
        bench.folder / "state" / f".x{TEMPORARY_MARK}999999-1-ab",
        bench.folder / "vault" / "deep" / f".y{TEMPORARY_MARK}999999-1-cd",
    ]
    for leftover in leftovers:
        leftover.parent.mkdir(parents=True, exist_ok=True)
        leftover.write_text("half a package")
    bench.run("once")
    assert not any(leftover.exists() for leftover in leftovers)


def test_a_plan_changes_nothing_and_says_what_once_then_does(bench: Workbench) -> None:
    bench.configure(mirror=VAULT)
    before = sorted(bench.folder.rglob("*"))
    plan = bench.run("plan", "--json")
    assert sorted(bench.folder.rglob("*")) == before
    planned = {(event["object"], event["target"]) for event in plan.events}
    done = {
        (event["object"], event["target"])
        for event in bench.run("once", "--json").events
        if event["event"] == "ended"
    }
    assert planned == done
    assert len(planned) == 6


def test_only_the_named_mirror_is_worked_on(bench: Workbench) -> None:
    second = '[[mirror]]\nname = "n"\nsource = "src#folders/ale"\nvault = "other"\n'
    bench.configure(mirror=second)
    assert bench.run("once", "--mirror", "n").status == 0
    assert len(bench.held("other")) == 1
    assert bench.held() == {}
    assert bench.run("once", "--mirror", "nn").status == 2


def test_failures_of_different_kinds_have_an_exit_status_of_their_own(bench: Workbench) -> None:
    bench.configure(('targets = ["dr"]', 'targets = ["down", "folder"]'))
    answer = bench.run("once")
    assert answer.status == 22
    assert {
        event["exit_status"]
        for event in bench.run("once", "--json").events
        if event.get("outcome") == "failed"
    } == {12, 14}


def test_versions_of_a_model_arrive_in_the_order_in_which_people_count(bench: Workbench) -> None:
    for version in ("10", "9", "11"):
        bench.put("ale", f"ale {version}", version=version)
    answer = bench.run("once", "--json")
    written = [e["object"] for e in answer.events if e.get("phase") == "writing"]
    ale = [name.rpartition("/")[2] for name in written if "ale" in name]
    assert ale == ["1", "9", "10", "11"]


def test_in_a_vault_no_later_version_waits_for_one_that_failed(bench: Workbench) -> None:
    bench.put("beer", "beer 2", version="2")
    bad = next(path for path in (bench.folder / "source").rglob("1~*.mlpkg") if "beer" in str(path))
    raw = bytearray(bad.read_bytes())
    raw[raw.index(b"beer 1")] ^= 1
    bad.write_bytes(raw)
    answer = bench.run("once")
    assert answer.status == 4
    assert "copied        lab#folders/beer/2 -> dr" in answer.out
    assert "behind by 1 of 4 objects" in bench.run("status").out
    assert "beer/1" in bench.run("status").out


def test_a_version_that_the_target_has_already_keeps_no_later_one_waiting(
    bench: Workbench,
) -> None:
    bench.run("once")
    bench.put("beer", "beer 1, once more")
    bad = max((bench.folder / "source").rglob("1~*.mlpkg"), key=lambda path: path.stat().st_mtime)
    raw = bytearray(bad.read_bytes())
    raw[raw.index(b"beer 1, once more")] ^= 1
    bad.write_bytes(raw)
    bench.put("beer", "beer 2", version="2")
    answer = bench.run("once")
    assert "failed        lab#folders/beer/1" in answer.out
    assert "copied        lab#folders/beer/2 -> dr" in answer.out


def test_what_the_vaults_retention_removed_is_not_packed_again_until_it_changes(
    bench: Workbench,
) -> None:
    bench.configure(mirror=VAULT)
    bench.put("beer", "beer b", version="2")
    bench.run("once")
    with Vault.open(bench.folder / "vault") as vault:
        vault.prune(Rules(last=1), now=0)
        assert len(vault.find()) == 3
    assert "beer/1 -> vault: pruned: the vault's retention" in bench.run("plan").out
    answer = bench.run("once")
    assert "nothing to do" in answer.out
    assert len(bench.held("vault")) == 3
    bench.put("beer", "beer 1, mended", version="1")
    assert "1 packed, 1 copied" in bench.run("once").out
    assert len(bench.held("vault")) == 4
