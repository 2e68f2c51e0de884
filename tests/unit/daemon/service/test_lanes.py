"""Each destination of a mirror has a lane of its own; what they share is read once."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchive.errors import Interrupted
from mlarchived.configfile import read_config
from mlarchived.lanes import Shared, lanes
from mlarchived.resolving import resolve
from mlarchived.sighting import Sighting
from mlarchived.stopping import Stopping
from tests.support.mirroring import Workbench
from tests.support.service import running_service

PATIENCE = 60.0


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    for name in ("ale", "beer", "cider"):
        bench.put(name, f"{name} 1")
    return bench


def test_a_target_that_hangs_delays_its_own_lane_alone(bench: Workbench) -> None:
    with silent_server() as uri:
        bench.configure(
            ("http://127.0.0.1:9", uri),
            ('targets = ["dr"]', 'targets = ["down", "dr"]\nvault = "vault"\nevery = "1s"'),
            mirror='[service]\ndrain = "1s"\n',
        )
        with running_service(bench.folder) as service:
            service.await_round("mirror:m/dr")
            service.await_round("mirror:m/vault:")
            assert bench.held() == bench.held("source")
            bench.put("gin", "gin 1")
            service.wait_for(lambda e: e.get("outcome") == "copied" and "gin" in e["object"])
            assert bench.held() == bench.held("source")
            ended = {e["worker"] for e in service.seen if e["event"] == "round-ended"}
            assert "mirror:m/down" not in ended
            assert service.stop() == 32
    assert bench.run("status").status == 0


def test_a_registry_called_vault_has_a_lane_beside_that_of_the_vault(bench: Workbench) -> None:
    bench.configure(
        ("[registries.dr]", "[registries.vault]"),
        ('targets = ["dr"]', 'targets = ["vault"]\nvault = "vault"'),
    )
    (job,) = resolve(read_config(bench.folder / "mirror.toml")).jobs
    found = lanes(job)
    assert [part.vault and [p.name for p in part.targets] for part in found.values()] == [
        [],
        ["vault"],
    ]
    assert {name: part.lane for name, part in found.items()} == {name: name for name in found}


@pytest.mark.parametrize("vault", ["", 'vault = "vault"\n'])
def test_what_several_targets_want_is_read_once(bench: Workbench, vault: str) -> None:
    text = '[registries.second]\nlocator = "vault:second"\n[[mirror]]'
    bench.configure(
        ("[[mirror]]", text),
        ('targets = ["dr"]', f'targets = ["dr", "second"]\n{vault}every = "1s"'),
    )
    with running_service(bench.folder) as service:
        for lane in ("dr", "second"):
            service.await_round(f"mirror:m/{lane}")
        assert service.stop() == 0
    assert bench.held() == bench.held("second") == bench.held("source")
    packed = [e["object"] for e in service.seen if e.get("outcome") == "packed"]
    assert sorted(packed) == sorted(map(str, bench.held("source")))
    assert list((bench.folder / "state").rglob("*.mlpkg")) == []


def test_a_lane_that_was_told_later_looks_again() -> None:
    shared, looks = Shared(["a", "b"]), []

    def look() -> Sighting:
        looks.append(1)
        return Sighting([])

    for _ in range(2):
        shared.see(0.0, look)
    assert len(looks) == 1
    shared.see(float("inf"), look)
    assert len(looks) == 2


def test_one_lane_at_a_time_reads_and_the_others_hear_a_stop() -> None:
    shared, stopping = Shared(["a", "b"]), Stopping()
    with shared.turn(stopping):
        stopping.ask()
        with pytest.raises(Interrupted), shared.turn(stopping):
            pass
    with shared.turn(Stopping()):
        pass


def test_a_target_that_is_down_is_left_alone_until_its_pause_is_over_or_somebody_asks(
    bench: Workbench,
) -> None:
    pauses = '[service]\nretry_first = "1h"\nretry_most = "6h"\n'
    bench.configure(('targets = ["dr"]', 'targets = ["down", "dr"]\nevery = "1s"'), mirror=pauses)
    with running_service(bench.folder, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0") as service:
        opened = service.wait_for(lambda event: event["event"] == "breaker")
        assert (opened["target"], opened["state"], opened["seconds"]) == ("down", "open", 3600)
        told = service.wait_for(lambda e: "down is left alone" in e.get("reason", ""))
        assert told["outcome"] == "failed"
        (down,) = (e for e in bench.run("status", "--json").events if e.get("left_alone"))
        assert down["worker"] == "mirror:m/down"
        assert 3000 < down["left_alone"] <= 3600
        assert "target left alone for" in bench.run("status").out
        assert bench.run("sync-now").status == 0
        again = service.wait_for(lambda event: event["event"] == "breaker")
        assert (again["state"], again["seconds"]) == ("open", 7200)
        assert service.stop() == 0
    assert bench.held() == bench.held("source")
