"""A package that cannot be opened is told until it is mended, and hides nothing that is whole."""

import shutil
from pathlib import Path
from typing import Any

from mlarchive.vault.catalog import NAME
from tests.support.dropping import DropBench
from tests.support.mirroring import Workbench, stocked


def test_what_cannot_be_opened_in_the_source_is_in_the_status_until_it_is_mended(
    tmp_path: Path,
) -> None:
    bench = stocked(tmp_path)
    (broken,) = (tmp_path / "source").rglob("ale/*.mlpkg")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-300])
    (tmp_path / "source" / NAME).unlink()
    for _ in range(2):
        assert bench.run("once").status == 4
        stood = _standing(bench, "dr")
        assert "cannot be opened" in stood["trouble"]
        assert str(broken) in stood["trouble"]
        assert stood["succeeded_at"] == 0
    plan = bench.run("plan")
    assert plan.status == 4
    assert f"failed    {broken}: it cannot be opened" in plan.out
    assert [e["code"] for e in bench.run("plan", "--json").events if e["event"] == "ended"]
    assert "up to date" not in bench.run("status").out
    broken.write_bytes(whole)
    assert bench.run("once").status == 0
    assert not _standing(bench, "dr")["trouble"]
    assert len(bench.held()) == 3


def test_what_is_dropped_anew_beside_its_broken_package_counts_and_is_delivered(
    tmp_path: Path,
) -> None:
    bench = DropBench(tmp_path)
    for name in ("ale", "beer"):
        shutil.copy(bench.package(name), bench.inbox)
    assert bench.run("once").status == 0
    (broken,) = (tmp_path / "vault").rglob("ale/*.mlpkg")
    broken.write_bytes(broken.read_bytes()[:-300])
    (tmp_path / "vault" / NAME).unlink()
    shutil.rmtree(tmp_path / "state")
    shutil.rmtree(tmp_path / "target")
    assert bench.run("once").status == 4
    assert "cannot be opened" in bench.standing()["trouble"]
    assert bench.vaulted("target") == ["beer"]
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 4
    assert bench.vaulted("target") == ["ale", "beer"]
    assert "cannot be opened" in bench.standing()["trouble"]
    assert bench.standing()["objects"] == 2
    broken.unlink()
    assert bench.run("once").status == 0
    assert not bench.standing()["trouble"]


def _standing(bench: Workbench, target: str) -> dict[str, Any]:
    events = bench.run("status", "--json").events
    (found,) = [e for e in events if e["event"] == "standing" and e["target"] == target]
    return found
