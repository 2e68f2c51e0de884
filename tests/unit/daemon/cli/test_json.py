"""What `--json` prints is what `spec/json.md` says, event by event."""

import contextlib
import io
import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlarchive.errors import UnavailableError
from mlarchived.breakers import FAILURES, Breakers
from mlarchived.cli.command import VERBS
from mlarchived.cli.journal import Journal
from mlarchived.cli.screen import Screen
from mlarchived.ledger import Ledger
from mlarchived.service.happenings import Recovered, Waits
from tests.support.dropping import DropBench
from tests.support.json_document import differences, differences_of_run, shapes
from tests.support.mirroring import Workbench
from tests.support.service import running_service


def test_every_event_is_as_its_page_says(tmp_path: Path) -> None:
    """A mirror of two objects: the folder takes the first and refuses the second."""
    bench = Workbench(tmp_path)
    bench.configure(('targets = ["dr"]', 'targets = ["folder"]'))
    bench.put("ale", "ale 1", description="a loss in a folder")
    bench.put("beer", "beer 1")
    lines: list[dict[str, Any]] = []
    for verb in ("check", "plan", "once", "status"):
        lines += bench.run(verb, "--json").events
    lines += bench.run("once", "--mirror", "none", "--json").events
    lines += _of_a_vault(Workbench(tmp_path / "kept"))
    lines += _of_a_quarantine(tmp_path / "dropped")
    root = str(tmp_path / "root")
    words = ("install-units", "--root", root, "--program", "/opt/mlarchived", "--json")
    lines += bench.run(*words).events
    told, run = _of_a_service(bench)
    run += _of_a_target_that_is_down()
    run += _of_a_vault_that_is_held()
    lines += told
    assert [wrong for line in run for wrong in differences_of_run(line)] == []
    assert [wrong for line in lines for wrong in differences(line, f"event {line['event']}")] == []
    seen = {f"event {line['event']}" for line in (*lines, *run)}
    assert seen == {shape for shape in shapes() if shape.startswith("event ")}


def _of_a_vault(bench: Workbench) -> list[dict[str, Any]]:
    """A vault of which one package has rotted and the source has another copy."""
    bench.folder.mkdir()
    bench.configure(mirror='vault = "vault"\n')
    bench.put("ale", "ale 1")
    bench.run("once")
    (package,) = (bench.folder / "vault").rglob("*.mlpkg")
    raw = bytearray(package.read_bytes())
    raw[len(raw) // 2] ^= 1
    package.write_bytes(raw)
    return bench.run("tend", "--json").events


def _of_a_quarantine(folder: Path) -> list[dict[str, Any]]:
    """Something is dropped that is no package, and a folder with a link in it."""
    folder.mkdir()
    bench = DropBench(folder)
    (bench.inbox / "ale.mlpkg").write_text("hello")
    (bench.inbox / "wine").mkdir()
    (bench.inbox / "wine" / "mlarchive.toml").write_text('name = "wine"\nversion = "7"\n')
    (bench.inbox / "wine" / "link").symlink_to("nowhere")
    bench.run("once")
    return bench.run("status", "--json").events


def _of_a_service(bench: Workbench) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A service that finds itself late, and is told to take up a wrong configuration.

    Returns:
        What the verbs that talk to it said, and what it said itself.
    """
    with Ledger.open(bench.folder / "state") as ledger:
        ledger.tick("mirror:m", datetime(2026, 1, 1, tzinfo=UTC), busy=False)
    with running_service(bench.folder) as service:
        service.await_round("mirror:m/folder")
        told = [
            event
            for words in (
                ["pause", "--why", "moving"],
                ["status"],
                ["resume"],
                ["sync-now"],
                ["retry"],
                ["forget", "--object", "*"],
            )
            for event in bench.run(*words, "--json").events
        ]
        bench.configure(("targets", "target"))
        service.tell(signal.SIGHUP)
        service.wait_for(lambda event: event["event"] == "troubled")
        told += bench.run("status", "--json").events
        service.stop()
    return told, service.seen


def _of_a_target_that_is_down() -> list[dict[str, Any]]:
    """What a service prints of it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        breaker = Breakers(tell=Journal(Screen(as_json=True)).take).of("dr")
        for _ in range(FAILURES):
            breaker.erred(UnavailableError("it is down"))
        breaker.answered()
        Journal(Screen(as_json=True)).take(Recovered(part="monitoring.listen"))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def _of_a_vault_that_is_held() -> list[dict[str, Any]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        waits = Waits(worker="mirror:m/dr", reason="waiting for another process")
        Journal(Screen(as_json=True)).take(waits)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_configuration_is_told_as_its_schema_says(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.configure()
    (config,) = bench.run("config", "--json").events
    assert config["mirror"][0]["name"] == "m"
    assert set(VERBS) == {
        "check",
        "plan",
        "once",
        "run",
        "status",
        "config",
        "pause",
        "resume",
        "retry",
        "forget",
        "sync-now",
        "tend",
        "install-units",
    }
