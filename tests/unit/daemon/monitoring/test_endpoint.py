"""The service is seen from outside: metrics, health, readiness, and a page; all of it true."""

import json
import re
import signal
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from mlarchived.configfile import read_config
from mlarchived.events import Ended
from mlarchived.monitoring import Board, Endpoint
from mlarchived.monitoring.exposition import Family, exposed
from mlarchived.monitoring.measures import families
from mlarchived.resolving import resolve
from mlarchived.service.happenings import Beat, RoundBegan, RoundEnded, Staged, TicksMissed
from mlarchived.tending import PackageTended, VaultTended
from tests.support.mirroring import Workbench
from tests.support.service import running_service

LISTEN = '[monitoring]\nlisten = "127.0.0.1:0"\n'
SPEC = Path(__file__).parents[4] / "spec" / "monitoring.md"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure(mirror=f'vault = "vault"\n{LISTEN}')
    bench.put("ale", "ale 1")
    bench.run("once")
    bench.run("tend")
    return bench


@pytest.fixture
def board(bench: Workbench) -> Board:
    """A service that is up, has moved one object and failed at another."""
    board = Board()
    board.configured(resolve(read_config(bench.folder / "mirror.toml")))
    vault = str(bench.folder / "vault")
    for happening in (
        Staged(stage="ready"),
        Beat(),
        RoundBegan(worker="mirror:m", mirror="m"),
        Ended(
            mirror="m",
            object="o",
            target="dr",
            outcome="copied",
            reason="new",
            bytes=7,
            seconds=2.0,
        ),
        Ended(mirror="m", object="p", target="dr", outcome="failed", reason="down"),
        RoundEnded(worker="mirror:m", mirror="m", failed=1, again_in=10.0),
        TicksMissed(worker="mirror:m", count=3, why="down"),
        PackageTended(vault=vault, path="p", object="o", outcome="mended", reason="rot"),
        VaultTended(vault=vault, work="scrub", packages=1, bytes=99),
    ):
        board.take(happening)
    board.undelivered["webhook"] += 1
    return board


@pytest.fixture
def address(board: Board) -> Iterator[str]:
    endpoint = Endpoint(board)
    assert board.setting
    endpoint.configured(board.setting)
    yield endpoint.address
    endpoint.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  (our own address)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> dict[str, float]:
    """Every sample of an exposition, which is checked line by line on the way."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP \w+ .+|TYPE \w+ (counter|gauge))", line), line
            continue
        matched = re.fullmatch(r'(\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})?) (-?[0-9.e+-]+)', line)
        assert matched, line
        found[matched[1]] = float(matched[2])
    return found


def test_metrics_say_what_happened_and_how_mirrors_stand(address: str) -> None:
    status, text = get(f"{address}/metrics")
    found = samples(text)
    assert status == 200
    assert found["mlarchived_ready"] == 1
    assert found['mlarchived_steps_total{mirror="m",target="dr",outcome="copied"}'] == 1
    assert found['mlarchived_bytes_total{mirror="m",target="dr"}'] == 7
    assert found['mlarchived_worker_failing{worker="mirror:m"}'] == 1
    assert found['mlarchived_retries_total{worker="mirror:m"}'] == 1
    assert found['mlarchived_ticks_missed_total{worker="mirror:m",why="down"}'] == 3
    assert found['mlarchived_objects{mirror="m",target="dr"}'] == 1
    assert found['mlarchived_backlog_objects{mirror="m",target="dr"}'] == 0
    assert found['mlarchived_backlog_seconds{mirror="m",target="dr"}'] == 0
    assert found['mlarchived_last_success_timestamp_seconds{mirror="m",target="vault:"}'] > 1e9
    (checked,) = (v for k, v in found.items() if "oldest_check" in k)
    assert checked > 1e9


def test_a_target_that_the_mirror_has_no_more_is_not_measured(
    bench: Workbench, board: Board, address: str
) -> None:
    bench.configure(('targets = ["dr"]\n', ""), mirror=f'vault = "vault"\n{LISTEN}')
    board.configured(resolve(read_config(bench.folder / "mirror.toml")))
    found = samples(get(f"{address}/metrics")[1])
    assert 'mlarchived_backlog_objects{mirror="m",target="vault:"}' in found
    assert 'mlarchived_backlog_objects{mirror="m",target="dr"}' not in found
    assert "<td>dr<" not in get(f"{address}/")[1]


def test_every_metric_is_on_the_page_and_alerts_ask_for_no_other(board: Board) -> None:
    names = {family.name for family in families(board)}
    described = set(
        re.findall(
            r"`([a-z_]+)`", SPEC.read_text().partition("## Metrics")[2].partition("## Messages")[0]
        )
    )
    assert names <= described
    rules = resources.files("mlarchived.monitoring").joinpath("alerts.yml").read_text()
    assert {
        name.removeprefix("mlarchived_") for name in re.findall(r"mlarchived_\w+", rules)
    } <= names


def test_one_step_that_failed_is_told_as_one() -> None:
    assert RoundEnded(worker="mirror:m", failed=1).trouble == "1 step failed"
    assert RoundEnded(worker="mirror:m", failed=2).trouble == "2 steps failed"


def test_alerts_do_not_contradict_the_examples() -> None:
    rules = resources.files("mlarchived.monitoring").joinpath("alerts.yml").read_text()
    (days,) = re.findall(r"oldest_check_timestamp_seconds > (\d+) \* 86400", rules)
    examples = (SPEC.parents[1] / "examples" / "mirrors").glob("*.toml")
    read_again = re.findall(r'scrub_every = "(\d+)d"', "".join(p.read_text() for p in examples))
    assert int(days) >= 1.5 * max(int(every) for every in read_again)
    behind = rules.partition("MlarchivedMirrorBehind")[2].partition("alert:")[0]
    assert "mlarchived_backlog_objects > 0" in behind
    assert "once --retry" not in rules


def test_health_and_readiness_say_why_not(board: Board, address: str) -> None:
    assert get(f"{address}/health") == (200, '{"ok":true,"ailments":[]}\n')
    assert get(f"{address}/ready")[0] == 200
    board.take(Beat(dead=("mirror:m",)))
    status, text = get(f"{address}/health")
    assert (status, json.loads(text)["ailments"]) == (503, ["mirror:m does not run any more"])
    board.take(Beat())
    board.take(Staged(stage="draining"))
    assert get(f"{address}/ready")[0] == 503
    assert get(f"{address}/health")[0] == 200


def test_the_page_shows_mirrors_and_runs_nothing_that_a_name_says(
    board: Board, address: str
) -> None:
    board.take(RoundEnded(worker="mirror:m", error="<script>alert(1)</script>"))
    status, text = get(f"{address}/")
    assert status == 200
    assert "<td>dr</td>" in text
    assert "<script>" not in text
    assert get(f"{address}/../etc/passwd")[0] == 404


def test_labels_are_escaped() -> None:
    family = Family(name="x", kind="gauge", help="a\nb", labels=("n",), samples={('a"\\\n',): 1.5})
    assert exposed([family], prefix="p") == (
        '# HELP p_x a\\nb\n# TYPE p_x gauge\np_x{n="a\\"\\\\\\n"} 1.5\n'
    )


def test_who_hangs_up_before_the_answer_is_nobodys_trouble(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host, _, port = address.removeprefix("http://").partition(":")
    before = {*threading.enumerate()}
    for _ in range(20):
        with socket.create_connection((host, int(port))) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
    assert get(f"{address}/health")[0] == 200
    for thread in {*threading.enumerate()} - before:
        thread.join(10)
    assert capsys.readouterr().err == ""


def test_a_ledger_that_cannot_be_read_is_an_answer_and_no_end(
    bench: Workbench, address: str
) -> None:
    (bench.folder / "state" / "ledger.sqlite3").write_bytes(b"no database" * 999)
    for suffix in ("-wal", "-shm"):
        (bench.folder / "state" / f"ledger.sqlite3{suffix}").unlink(missing_ok=True)
    status, text = get(f"{address}/metrics")
    assert status == 500
    assert "ledger" in json.loads(text)["error"]
    assert get(f"{address}/health")[0] == 200


def test_the_service_says_where_it_cannot_listen_until_it_can(bench: Workbench) -> None:
    with running_service(bench.folder) as service, socket.socket() as other:
        service.await_stage("ready")
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        hook = bench.folder / "hook"
        text = f'listen = "{listen}"\nwebhooks = ["file:{hook}"]\n'
        bench.configure(mirror=f'every = "1s"\n[monitoring]\n{text}')
        service.tell(signal.SIGHUP)
        troubles = [service.wait_for(lambda e: e["event"] == "troubled") for _ in range(2)]
        assert {trouble["part"] for trouble in troubles} == {
            "monitoring.listen",
            "monitoring.webhooks[1]",
        }
        assert not any("report it" in trouble["hint"] for trouble in troubles)
        assert (
            f"the service: monitoring.listen: cannot listen on {listen}" in bench.run("status").out
        )
        other.close()
        service.tell(signal.SIGHUP)
        assert service.wait_for(lambda e: e["event"] == "recovered")["part"] == "monitoring.listen"
        service.await_stage("ready")
        status, text = get(f"http://{listen}/health")
        assert status == 503
        (ailment,) = json.loads(text)["ailments"]
        assert ailment.startswith("monitoring.webhooks[1]: cannot read")
        metrics = get(f"http://{listen}/metrics")[1]
        assert 'mlarchived_monitoring_failing{part="monitoring.webhooks[1]"} 1' in metrics
        hook.write_text("http://127.0.0.1:9/x")
        service.tell(signal.SIGHUP)
        service.wait_for(lambda e: e["event"] == "recovered")
        service.await_stage("ready")
        assert get(f"http://{listen}/health")[0] == 200
        assert "the service:" not in bench.run("status").out
        assert service.stop() == 0
