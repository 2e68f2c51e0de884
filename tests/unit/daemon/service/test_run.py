"""`mlarchived run`: mirrors are kept up to date by the clock; it reloads, drains, and goes on."""

import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlarchived.ledger import Ledger
from tests.support.json_document import differences_of_run
from tests.support.mirroring import Workbench
from tests.support.service import running_service

SOON = 'every = "1s"\n'


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure(mirror=SOON)
    bench.put("ale", "ale 1")
    return bench


def test_what_is_new_arrives_by_the_clock(bench: Workbench) -> None:
    with running_service(bench.folder) as service:
        service.await_round()
        assert bench.held() == bench.held("source")
        bench.put("beer", "beer 1")
        service.wait_for(lambda e: e.get("outcome") == "copied" and "beer" in e["object"])
        assert service.stop() == 0
    assert bench.held() == bench.held("source")
    assert [wrong for event in service.seen for wrong in differences_of_run(event)] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_the_work_at_hand_and_leaves_nothing_half_done(
    bench: Workbench, number: signal.Signals
) -> None:
    for name in ("beer", "cider", "gin", "port", "rum"):
        bench.put(name, os.urandom(300_000).hex())
    with running_service(bench.folder) as service:
        service.wait_for(lambda event: event["event"] == "began")
        assert service.stop(number) == 0
    stages = [event["stage"] for event in service.seen if event["event"] == "service"]
    assert stages == ["starting", "ready", "draining", "stopped"]
    assert not list(bench.folder.rglob("*.mlarchive-tmp-*"))
    standing = [e for e in bench.run("status", "--json").events if e["event"] == "standing"]
    assert [line["trouble"] for line in standing] == [""]
    assert bench.run("once").status == 0
    assert bench.held() == bench.held("source")


def test_a_right_configuration_is_taken_up_while_it_runs(bench: Workbench) -> None:
    second = '[[mirror]]\nname = "n"\nsource = "src#folders/ale"\nvault = "other"\n'
    with running_service(bench.folder) as service:
        service.await_round()
        bench.configure(mirror=SOON + second)
        service.tell(signal.SIGHUP)
        service.await_round("mirror:n/vault:")
        assert len(bench.held("other")) == 1
        bench.configure(mirror="cron = '0 0 1 jan *'\n")
        service.tell(signal.SIGHUP)
        assert service.await_stage("reloading")
        assert service.await_stage("ready")["note"] == "1 at work: mirror:m/dr"
        assert service.stop() == 0


def test_a_wrong_configuration_is_refused_with_its_reason_and_the_old_one_stays(
    bench: Workbench,
) -> None:
    with running_service(bench.folder) as service:
        service.await_round()
        bench.configure(mirror='evry = "1s"\n')
        service.tell(signal.SIGHUP)
        trouble = service.wait_for(lambda event: event["event"] == "troubled")
        assert trouble["part"] == "reload"
        assert trouble["reason"] == (
            "mirror.toml, line 14: mirror[1].evry: unknown key `evry`; "
            "the nearest known key is `every`"
        )
        ready = service.await_stage("ready")
        assert "the old configuration stays" in ready["note"]
        assert ready["level"] == "warning"
        bench.put("beer", "beer 1")
        service.wait_for(lambda e: e.get("outcome") == "copied" and "beer" in e["object"])
        assert service.stop() == 0


def test_the_state_folder_cannot_be_changed_under_it(bench: Workbench) -> None:
    with running_service(bench.folder) as service:
        service.await_stage("ready")
        text = (bench.folder / "mirror.toml").read_text()
        (bench.folder / "mirror.toml").write_text(f'state = "elsewhere"\n{text}')
        service.tell(signal.SIGHUP)
        trouble = service.wait_for(lambda event: event["event"] == "troubled")
        assert "`state` cannot be changed" in trouble["reason"]
        assert service.stop() == 0


def test_a_failure_that_may_pass_is_tried_again_before_the_next_tick(bench: Workbench) -> None:
    bench.configure(
        ('targets = ["dr"]', 'targets = ["down", "dr"]'), mirror='[service]\nretry_first = "1s"\n'
    )
    with running_service(bench.folder, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0") as service:
        first = service.await_round("mirror:m/down")
        assert first["failed"] == 1
        assert 0 < first["again_in"] <= 1
        second = service.await_round("mirror:m/down")
        assert 1 <= second["again_in"] <= 2
        assert service.stop() == 0
    assert bench.held() == bench.held("source")


def test_a_source_that_comes_back_is_mirrored_again(bench: Workbench) -> None:
    away = bench.folder / "away"
    shutil.move(bench.folder / "source", away)
    with running_service(bench.folder) as service:
        ended = service.await_round()
        assert ended["code"] == "not-found"
        shutil.move(away, bench.folder / "source")
        service.wait_for(lambda event: event.get("outcome") == "copied")
        assert service.stop() == 0


def test_ticks_that_nobody_heard_are_counted(bench: Workbench) -> None:
    a_minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    with Ledger.open(bench.folder / "state") as ledger:
        ledger.tick("mirror:m", a_minute_ago, busy=False)
    with running_service(bench.folder) as service:
        missed = service.wait_for(lambda event: event["event"] == "ticks-missed")
        assert missed["why"] == "down"
        assert missed["count"] >= 59
        service.await_round()
        service.stop()
    with Ledger.open(bench.folder / "state") as ledger:
        assert ledger.ticks("mirror:m").missed >= 59


def test_one_state_folder_has_one_service(bench: Workbench) -> None:
    with running_service(bench.folder) as service:
        service.await_stage("ready")
        answer = bench.run("run")
        assert answer.status == 20
        assert "a service runs already with the state folder" in answer.err
        assert service.stop() == 0


def test_it_ends_when_its_state_folder_is_removed_under_it(bench: Workbench) -> None:
    with running_service(bench.folder) as service:
        service.await_round()
        shutil.rmtree(bench.folder / "state")
        assert service.process.wait(30) == 15
    with running_service(bench.folder) as service:
        service.await_round()
        assert service.stop() == 0


def test_killed_it_goes_on_at_the_next_start(bench: Workbench) -> None:
    for name in ("beer", "cider", "gin"):
        bench.put(name, os.urandom(300_000).hex())
    for skip in range(3):
        with running_service(bench.folder) as service:
            for _ in range(skip + 1):
                service.wait_for(lambda event: event["event"] in {"began", "round-ended"})
            service.process.kill()
    with running_service(bench.folder) as service:
        service.await_round()
        assert service.stop() == 0
    assert bench.held() == bench.held("source")
    assert not list(bench.folder.rglob("*.mlarchive-tmp-*"))
