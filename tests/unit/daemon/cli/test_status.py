"""`mlarchived status` says from the ledger alone how the mirrors stand."""

import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlarchive.errors import DamageError
from mlarchive.records import Address
from mlarchived import gather
from mlarchived.ledger import Ledger
from tests.support.mirroring import Workbench
from tests.support.service import running_service


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure(('targets = ["dr"]', 'targets = ["folder", "dr"]'))
    for name in ("ale", "beer"):
        bench.put(name, f"{name} 1")
    return bench


def test_before_the_first_round_there_is_nothing_to_say(bench: Workbench) -> None:
    answer = bench.run("status")
    assert answer.status == 0
    assert answer.out.count("never looked at; run `mlarchived once`") == 2
    assert not (bench.folder / "state").exists()


def test_during_the_first_round_and_outside_of_its_windows_it_says_so(bench: Workbench) -> None:
    with Ledger.open(bench.folder / "state") as ledger, ledger.record("m"):
        assert bench.run("status").out.count("not known yet; its first round goes on") == 2
    assert bench.run("status").out.count("never looked at; run `mlarchived once`") == 2
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    bench.configure(mirror=f'windows = ["{day} 10:00-11:00"]\n')
    assert bench.run("once").status == 0
    assert "never looked at; outside its windows of time; the next one" in bench.run("status").out


def test_a_target_that_could_not_be_asked_has_had_no_success(bench: Workbench) -> None:
    bench.configure()
    shutil.rmtree(bench.folder / "source")
    (bench.folder / "source").mkdir()
    (bench.folder / "target").write_text("no folder")
    assert bench.run("once").status != 0
    (standing,) = [e for e in bench.run("status", "--json").events if e["event"] == "standing"]
    assert standing["trouble"]
    assert standing["succeeded_at"] == 0


def test_a_defect_in_the_first_round_is_the_mirrors_trouble(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of course")

    monkeypatch.setattr(gather, "shown", broken)
    assert bench.run("once").status == 1
    assert bench.run("status").out.count("unexpected ZeroDivisionError: of course") == 2


def test_it_says_by_how_many_objects_a_target_is_behind_and_why(bench: Workbench) -> None:
    bench.run("once")
    answer = bench.run("status", "--json")
    standings = {e["target"]: e for e in answer.events if e["event"] == "standing"}
    assert (standings["folder"]["behind"], standings["folder"]["succeeded_at"]) == (1, 0)
    assert (standings["dr"]["behind"], standings["dr"]["objects"]) == (0, 2)
    assert standings["dr"]["succeeded_at"] > 0
    (trouble,) = [e for e in answer.events if e["event"] == "trouble"]
    assert (trouble["object"], trouble["target"]) == ("lab#folders/beer/1", "folder")
    assert "holds something else" in trouble["sentence"]
    assert trouble["strikes"] == 1


def test_of_many_objects_with_one_trouble_the_first_are_named(bench: Workbench) -> None:
    bench.configure()
    for number in range(5):
        bench.put(f"ale-{number}", "ale")
    bench.run("once")
    with Ledger.open(bench.folder / "state") as ledger, ledger.record("m") as record:
        for number in range(5):
            ale = Address(origin="lab", kind="folders", name=f"ale-{number}", version="1")
            record.delivery_failed(ale, "dr", DamageError("no room"))
    assert bench.run("status").out.count("/1 -> dr: no room") == 3
    assert "2 more objects -> dr: no room" in bench.run("status").out
    assert len([e for e in bench.run("status", "--json").events if e["event"] == "trouble"]) == 5


def test_what_could_not_be_read_and_need_not_be_any_more_is_no_trouble(bench: Workbench) -> None:
    bench.configure()
    bench.run("once")
    ale = Address(origin="lab", kind="folders", name="ale", version="1")
    with Ledger.open(bench.folder / "state") as ledger, ledger.record("m") as record:
        record.read_failed(ale, DamageError("rotten"))
    assert "lab#folders/ale/1 (reading): rotten" in bench.run("status").out
    assert bench.run("once").status == 0
    assert "ale" not in bench.run("status").out


def test_what_is_not_wanted_any_more_is_no_trouble_any_more(bench: Workbench) -> None:
    assert bench.run("once").status == 14
    assert "lab#folders/beer/1 -> folder: " in bench.run("status").out
    bench.configure(('targets = ["dr"]', 'targets = ["folder", "dr"]\nexclude = ["beer"]'))
    assert bench.run("once").status == 0
    assert "folders/beer" not in bench.run("status").out


def test_the_trouble_of_a_target_that_the_mirror_has_no_more_is_not_told(bench: Workbench) -> None:
    assert bench.run("once").status == 14
    assert "lab#folders/beer/1 -> folder: " in bench.run("status").out
    bench.configure()
    assert "beer" not in bench.run("status").out


def test_it_asks_nobody(bench: Workbench) -> None:
    bench.run("once")
    expected = bench.run("status", "--json").out
    for folder in ("source", "target", "folder"):
        shutil.rmtree(bench.folder / folder)
    assert bench.run("status", "--json").out == expected


def test_a_service_is_asked_although_the_file_is_wrong_now(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.put("ale", "1")
    bench.configure()
    with running_service(bench.folder) as service:
        service.await_round("mirror:m/dr")
        bench.configure(("targets", "target"))
        status = bench.run("status")
        assert status.status == 10
        assert "mirror:m/dr: " in status.out
        assert "goes on with the configuration that was right last\n" in status.out
        assert "dr: up to date, 1 object; last success" in status.out
        assert "unknown key `target`" in status.err
        told = bench.run("sync-now")
        assert told.status == 10
        assert told.out.startswith("told; ")
        service.await_round("mirror:m/dr")


def test_an_older_configuration_that_is_in_force_is_named_until_one_is_taken_up(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    bench.configure()
    right = (tmp_path / "mirror.toml").read_text()
    with running_service(bench.folder) as service:
        service.await_stage("ready")
        bench.configure(("targets", "target"))
        service.tell(signal.SIGHUP)
        service.wait_for(lambda event: event.get("stale") is True)
        assert "was refused: mirror.toml, line " in bench.run("status").out
        (tmp_path / "mirror.toml").write_text(right)
        mended = bench.run("status")
        assert mended.status == 0
        assert "right last; the newer one was refused: mirror.toml, line " in mended.out
        assert "(SIGHUP lets it read the file again)" in mended.out
        service.tell(signal.SIGHUP)
        service.await_stage("ready")
        assert "refused" not in bench.run("status").out


def test_without_a_service_and_with_a_wrong_file_it_says_how_mirrors_stood(
    bench: Workbench,
) -> None:
    bench.run("once")
    bench.configure(("targets", "target"))
    answer = bench.run("status", "--json")
    assert answer.status == 10
    stood = {e["target"]: e["behind"] for e in answer.events if e["event"] == "standing"}
    assert stood == {"folder": 1, "dr": 0}


def test_where_there_is_no_configuration_nothing_is_said_of_a_service(tmp_path: Path) -> None:
    answer = Workbench(tmp_path).run("status")
    assert answer.status == 10
    assert not answer.out
    assert "/etc/mlarchived/mirror.toml" in answer.err
