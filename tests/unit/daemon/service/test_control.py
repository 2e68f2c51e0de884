"""A running service is asked and told through a socket that only its own user may use."""

import contextlib
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from mlarchived import control
from mlarchived.alone import alone
from tests.support.mirroring import Workbench
from tests.support.service import running_service


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure(mirror='every = "1d"\n')
    bench.put("ale", "ale 1")
    return bench


def test_without_a_service_nobody_answers(bench: Workbench) -> None:
    answer = bench.run("sync-now")
    assert answer.status == 12
    assert "no service answers" in answer.err
    assert "no service runs" in bench.run("status").out


@pytest.mark.parametrize("cleared", [True, False])
def test_of_a_service_that_does_not_answer_it_is_said_that_one_runs(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, *, cleared: bool
) -> None:
    monkeypatch.setattr(control, "_SECONDS", 0.2)
    state = bench.folder / "state"
    with alone(state), socket.socket(socket.AF_UNIX) as hanging, contextlib.chdir(state):
        hanging.bind(control.NAME)
        hanging.listen()
        if cleared:
            (state / control.NAME).unlink()
        for verb in ("status", "sync-now"):
            answer = bench.run(verb)
            assert answer.status == 12
            assert "a service runs with the state folder" in answer.err
            assert "no service runs" not in answer.out
    (state / control.NAME).unlink(missing_ok=True)
    assert "no service runs" in bench.run("status").out


def test_told_to_it_works_at_once(bench: Workbench) -> None:
    with running_service(bench.folder) as service:
        service.await_round()
        mode = (bench.folder / "state" / "control.sock").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        # As a cleaner of old files does; it is made again when the main loop comes round.
        (bench.folder / "state" / "control.sock").unlink()
        service.process.send_signal(signal.SIGHUP)
        service.await_stage("ready")
        deadline = time.monotonic() + 30
        while not (bench.folder / "state" / "control.sock").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        bench.put("beer", "beer 1")
        assert bench.run("sync-now", "m").status == 0
        service.await_round()
        assert bench.held() == bench.held("source")
        assert "mirror:m/dr: waits, next due" in bench.run("status").out
        unknown = bench.run("sync-now", "none")
        assert unknown.status == 2
        assert service.stop() == 0
    assert not (bench.folder / "state" / "control.sock").exists()


def test_it_says_how_long_what_is_outstanding_will_take(bench: Workbench) -> None:
    for number in range(8):
        bench.put(f"ale-{number}", "ale")
    limited = 'locator = "vault:target"\nbytes_per_second = 10_000\n'
    bench.configure(('locator = "vault:target"\n', limited), mirror='every = "1d"\n')
    with running_service(bench.folder) as service:
        service.wait_for(lambda event: event.get("outcome") == "copied")
        workers = [e for e in bench.run("status", "--json").events if e["event"] == "worker"]
        (lane,) = (e for e in workers if e["worker"] == "mirror:m/dr")
        assert lane["clearing"] > 0
        assert " to go" in bench.run("status").out
        assert service.stop() == 0


def test_a_paused_mirror_is_left_alone_until_it_is_resumed(bench: Workbench) -> None:
    assert bench.run("pause", "m", "--why", "the clinic moves").status == 0
    with running_service(bench.folder) as service:
        service.await_round()
        assert bench.held() == {}
        assert "[paused: the clinic moves]" in bench.run("status").out
        assert "m: told, but it is paused: the clinic moves" in bench.run("sync-now").out
        assert bench.run("resume", "m").status == 0
        service.wait_for(lambda event: event.get("outcome") == "copied")
        assert service.stop() == 0


def test_what_was_set_aside_is_tried_again_when_a_person_says_so(bench: Workbench) -> None:
    bench.put("beer", "beer 1")
    bench.configure(('targets = ["dr"]', 'targets = ["folder"]\nset_aside_after = 1'))
    assert [bench.run("once").status for _ in range(2)] == [14, 23]
    nothing = bench.run("retry", "m", "--object", "*/wine/*")
    assert nothing.status == 11
    assert "m: 0 objects" in nothing.out
    assert "fits '*/wine/*'" in nothing.err
    assert "m: 1 object may be tried again" in bench.run("retry", "m").out
    assert bench.run("once").status == 14


def test_rubbish_on_the_socket_harms_nobody(bench: Workbench) -> None:
    with running_service(bench.folder) as service:
        service.await_stage("ready")
        for rubbish in (b"hello\n", b"\xff\xfe\n", b'{"verb": "explode"}\n'):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(bench.folder / "state" / "control.sock"))
                connection.sendall(rubbish)
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile("rb") as file:
                    assert b"is not understood" in file.read()
        assert "mirror:m/dr" in bench.run("status").out
        assert service.stop() == 0
