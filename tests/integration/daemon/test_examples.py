"""The configurations in `examples/mirrors` do what they say, between real servers."""

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchived import windows
from mlarchived.ledger.ledger import FILE_NAME
from tests.support.command import within
from tests.support.mirroring import Answer, Workbench
from tests.support.mlflow_seed import Seeded, seed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

EXAMPLES = Path(__file__).parents[3] / "examples" / "mirrors"


class Place(Workbench):
    """A folder in which an example is used, with the servers and the model of a test."""

    def example(self, name: str, source: MlflowServer, target: MlflowServer, model: str) -> None:
        text = (EXAMPLES / f"{name}.toml").read_text()
        for old, new in (
            ("mlflow+http://127.0.0.1:5000", source.locator),
            ("mlflow+http://127.0.0.1:5001", target.locator),
            ("/var/lib/mlarchived", str(self.folder)),
            ("models/*", f"models/{model}"),
        ):
            text = text.replace(old, new)
        (self.folder / "mirror.toml").write_text(text)


@pytest.fixture
def model(source_server: MlflowServer, tmp_path: Path) -> Seeded:
    return seed(source_server.uri, f"example-{tmp_path.name}", tmp_path / "seed" / "files")


def done(answer: Answer) -> Answer:
    assert answer.status in {0, 3}, answer.out + answer.err
    return answer


def versions(server: MlflowServer, name: str) -> list[str]:
    client = MlflowClient(server.uri, server.uri)
    return sorted(v.version for v in client.search_model_versions(f"name='{name}'"))


def test_a_continuous_mirror_follows_and_marks_what_is_gone(
    source_server: MlflowServer, target_server: MlflowServer, model: Seeded, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    place.example("continuous", source_server, target_server, model.name)
    assert place.run("check").status == 0
    done(place.run("once"))
    assert versions(target_server, model.name) == ["1", "2", "3"]
    MlflowClient(source_server.uri, source_server.uri).delete_model_version(model.name, "1")
    done(place.run("once"))
    with sqlite3.connect(tmp_path / "state" / FILE_NAME) as ledger:
        ledger.execute("UPDATE object SET gone_for = gone_for + 86400000")
    done(place.run("once"))
    standby = MlflowClient(target_server.uri, target_server.uri)
    assert "mlarchive.gone" in standby.get_model_version(model.name, "1").tags
    assert place.run("once", "--json").events[-1]["outcomes"] == {"keep": 3}


def test_a_backup_works_at_night_and_is_cared_for(
    source_server: MlflowServer, target_server: MlflowServer, model: Seeded, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    place.example("backup", source_server, target_server, model.name)
    if windows.closed((windows.parse("20:00-06:00"),), datetime.now(UTC)):
        assert "outside its windows" in place.run("once").out
        text = (tmp_path / "mirror.toml").read_text()
        (tmp_path / "mirror.toml").write_text(text.replace("20:00-06:00", "06:00-20:00"))
    done(place.run("once"))
    assert sorted(a.version for a in place.held("vault")) == ["1", "2", "3"]
    assert place.run("tend").status == 0


def test_only_what_is_approved_crosses_the_gap_and_its_receipt_comes_back(
    source_server: MlflowServer, target_server: MlflowServer, model: Seeded, tmp_path: Path
) -> None:
    outside, inside = Place(tmp_path / "outside"), Place(tmp_path / "inside")
    for place, name in ((outside, "air-gap-outside"), (inside, "air-gap-inside")):
        place.folder.mkdir()
        place.example(name, source_server, target_server, model.name)
    client = MlflowClient(source_server.uri, source_server.uri)
    client.set_model_version_tag(model.name, "2", "approved", "yes")

    sent = done(outside.run("once", "--json"))
    waiting = [e for e in sent.events if e["event"] == "ended" and e["target"] == "clinic"]
    assert [(e["outcome"], "waits for its receipt" in e["reason"]) for e in waiting] == [
        ("wait", True)
    ]
    assert "behind by 1 of 1 object" in outside.run("status").out
    shutil.copytree(outside.folder / "outbox" / "carry", inside.folder / "inbox" / "incoming" / "a")
    done(inside.run("once"))
    assert versions(target_server, model.name) == ["2"]

    back = ("--from", str(inside.folder / "inbox" / "receipts"))
    arrived = within("receive", f"outbox:{outside.folder / 'outbox'}", *back, cwd=tmp_path)
    assert arrived.status == 0, arrived.err
    done(outside.run("once"))
    assert outside.run("once", "--json").events[-1]["outcomes"] == {"keep": 2, "leave": 4}
    assert inside.run("once", "--json").events[-1]["outcomes"] == {"keep": 1}
