"""What `--json` prints is what `spec/json.md` says, event by event."""

from pathlib import Path
from typing import Any

from mlarchived.cli import VERBS
from tests.support.json_document import differences, shapes
from tests.support.mirroring import Workbench


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
    assert [wrong for line in lines for wrong in differences(line, f"event {line['event']}")] == []
    told = {f"event {line['event']}" for line in lines}
    assert told == {shape for shape in shapes() if shape.startswith("event ")}


def test_a_configuration_is_told_as_its_schema_says(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.configure()
    (config,) = bench.run("config", "--json").events
    assert config["mirror"][0]["name"] == "m"
    assert {verb.NAME for verb in VERBS} == {"check", "plan", "once", "status", "config"}
