"""The service manager is told the truth, in the right order, over a real socket."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchived.service.happenings import Beat
from mlarchived.service.sdnotify import ServiceManager
from tests.support.mirroring import Workbench
from tests.support.service import running_service

PATIENCE = 60.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that listens as a service manager does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE)
        yield listening


def message(manager: socket.socket) -> dict[str, str]:
    lines = manager.recv(65_536).decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


def until(manager: socket.socket, key: str) -> list[dict[str, str]]:
    """The messages up to one that says something."""
    found = [message(manager)]
    while key not in found[-1]:
        found.append(message(manager))
    return found


def test_messages_come_in_the_order_of_what_happens(manager: socket.socket, tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror='[service]\ndrain = "20s"\n')
    bench.put("ale", "ale 1")
    address = str(tmp_path / "notify")
    with running_service(tmp_path, NOTIFY_SOCKET=address) as service:
        start = until(manager, "READY")
        # Not fed and not ready before everything is up.
        assert all("WATCHDOG" not in one for one in start)
        assert start[0]["STATUS"].startswith("starting")
        assert until(manager, "WATCHDOG")[-1] == {"WATCHDOG": "1"}
        service.tell(signal.SIGHUP)
        reloading = until(manager, "RELOADING")[-1]
        assert int(reloading["MONOTONIC_USEC"]) > 0
        assert until(manager, "READY")[-1]["STATUS"].startswith("ready")
        bench.configure(("targets", "target"))
        service.tell(signal.SIGHUP)
        until(manager, "RELOADING")
        kept = until(manager, "READY")[-1]
        assert "the old configuration stays" in kept["STATUS"]
        service.tell(signal.SIGTERM)
        stopping = until(manager, "STOPPING")[-1]
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 20_000_000
        assert until(manager, "STATUS")[-1]["STATUS"].startswith("stopped")
        assert service.process.wait(PATIENCE) == 0


def test_the_watchdog_is_not_fed_while_a_loop_is_dead(
    manager: socket.socket, tmp_path: Path
) -> None:
    told = ServiceManager(str(tmp_path / "notify"))
    told.take(Beat())
    told.take(Beat(dead=("mirror:m",)))
    assert message(manager) == {"WATCHDOG": "1"}
    assert message(manager) == {"STATUS": "dead: mirror:m"}


def test_a_manager_that_reads_nothing_does_not_hold_the_service_up(
    manager: socket.socket, tmp_path: Path
) -> None:
    told = ServiceManager(str(tmp_path / "notify"))
    waiting = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    for _ in range(waiting + 2):
        told.take(Beat())
    assert message(manager) == {"WATCHDOG": "1"}


def test_an_abstract_socket_is_reached_and_none_is_no_matter(tmp_path: Path) -> None:
    del tmp_path
    name = f"mlarchived-test-{id(object())}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(PATIENCE)
        manager = ServiceManager.of({"NOTIFY_SOCKET": f"@{name}"})
        assert manager
        manager.take(Beat())
        assert message(listening) == {"WATCHDOG": "1"}
    assert ServiceManager.of({}) is None
    assert ServiceManager.of({"NOTIFY_SOCKET": "vsock:2:1234"}) is None
