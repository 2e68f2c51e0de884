"""A running service takes in what arrives, however it arrives, and each thing once."""

import os
import shutil
import signal
import time
from pathlib import Path

from watchdog.events import FileDeletedEvent, FileMovedEvent

from mlarchived.drop.watch import Watch, is_remote
from tests.support.dropping import DropBench, marker
from tests.support.service import RunningService, running_service


def await_delivery(service: RunningService, name: str) -> None:
    service.wait_for(
        lambda e: e.get("outcome") == "copied" and e["target"] == "dr" and name in e["object"]
    )


def test_renamed_in_linked_in_copied_in_or_written_slowly_it_is_taken_once(
    bench: DropBench,
) -> None:
    for name in ("renamed", "linked", "copied", "slow", "marked"):
        bench.package(name, os.urandom(50_000))
    outside, inbox = bench.outside, bench.inbox
    with running_service(bench.folder) as service:
        service.await_round("drop:m")
        (outside / "renamed.mlpkg").rename(inbox / "renamed.mlpkg")
        await_delivery(service, "renamed")
        os.link(outside / "linked.mlpkg", inbox / "linked.mlpkg")
        await_delivery(service, "linked")
        shutil.copy(outside / "copied.mlpkg", inbox / ".copied.mlpkg.tmp")
        (inbox / ".copied.mlpkg.tmp").rename(inbox / "copied.mlpkg")
        await_delivery(service, "copied")
        shutil.copy(outside / "marked.mlpkg", inbox)
        (inbox / "marked.mlpkg.done").write_text(marker(outside / "marked.mlpkg"))
        await_delivery(service, "marked")
        raw = (outside / "slow.mlpkg").read_bytes()
        with (inbox / "slow.mlpkg").open("wb") as file:
            for start in range(0, len(raw), len(raw) // 8 + 1):
                file.write(raw[start : start + len(raw) // 8 + 1])
                file.flush()
                time.sleep(0.2)
                assert "slow" not in bench.vaulted() or start + len(raw) // 8 + 1 >= len(raw)
        await_delivery(service, "slow")
        assert service.stop() == 0
    assert bench.vaulted("target") == ["copied", "linked", "marked", "renamed", "slow"]
    taken = bench.noted()["taken"]
    assert sorted(taken) == [f"{name}.mlpkg" for name in bench.vaulted()]
    assert (outside / "linked.mlpkg").is_file()


def test_the_other_name_of_a_hard_link_cannot_change_what_was_taken(bench: DropBench) -> None:
    other = bench.package("ale")
    os.link(other, bench.inbox / "ale.mlpkg")
    assert bench.run("once").status == 0
    other.write_bytes(b"nothing")
    assert bench.vaulted() == ["ale"]
    (kept,) = (bench.folder / "vault").rglob("*.mlpkg")
    assert kept.read_bytes() != b"nothing"


def test_a_drop_folder_that_is_made_anew_is_watched_again(bench: DropBench) -> None:
    with running_service(bench.folder) as service:
        service.await_round("drop:m")
        bench.inbox.rename(bench.folder / "aside")
        bench.inbox.mkdir()
        shutil.copy(bench.package("ale"), bench.inbox)
        await_delivery(service, "ale")
        assert service.stop() == 0


def test_without_events_scans_find_what_comes(bench: DropBench) -> None:
    text = (bench.folder / "mirror.toml").read_text()
    (bench.folder / "mirror.toml").write_text(text + "poll = true\n")
    with running_service(bench.folder) as service:
        service.await_round("drop:m")
        shutil.copy(bench.package("ale"), bench.inbox)
        await_delivery(service, "ale")
        # To look again is no failure.
        for _ in range(2):
            service.await_round("drop:m")
        workers = [e for e in bench.run("status", "--json").events if e["event"] == "worker"]
        assert {e["worker"]: e["failures"] for e in workers}["drop:m"] == 0
        assert service.stop() == 0


def test_killed_at_any_moment_each_package_is_taken_once(bench: DropBench) -> None:
    """Twenty packages, and a kill at each of four stages of their way."""
    for number in range(20):
        shutil.copy(bench.package(f"p{number:02}", os.urandom(1000)), bench.inbox)
    for count in (1, 3, 6, 9):
        with running_service(bench.folder) as service:
            for _ in range(count):
                service.wait_for(
                    lambda e: e.get("outcome") == "taken" or e["event"] == "round-ended"
                )
            service.tell(signal.SIGKILL)
    with running_service(bench.folder) as service:
        service.await_round("drop:m")
        service.stop()
    assert bench.run("once").status == 0
    names = [f"p{number:02}" for number in range(20)]
    assert bench.vaulted("target") == names
    assert bench.noted() == {"taken": [f"{name}.mlpkg" for name in names]}
    assert len(list((bench.folder / "vault").rglob("*.mlpkg"))) == 20
    assert bench.lying() == []


def test_a_claim_is_no_hint_that_something_came(tmp_path: Path) -> None:
    hints: list[int] = []
    watch = Watch(tmp_path, lambda: hints.append(1))
    watch.on_any_event(
        FileMovedEvent(str(tmp_path / "ale.mlpkg"), str(tmp_path / ".mlarchived/1/ale.mlpkg"))
    )
    watch.on_any_event(FileDeletedEvent(str(tmp_path / "ale.mlpkg.done")))
    assert hints == []
    watch.on_any_event(FileMovedEvent(str(tmp_path / "ale.tmp"), str(tmp_path / "ale.mlpkg")))
    assert hints == [1]


def test_a_local_folder_is_not_remote(tmp_path: Path) -> None:
    assert not is_remote(tmp_path)
