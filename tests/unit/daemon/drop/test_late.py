"""A marker that comes late is removed when it was read; nothing else of such a name ever is."""

import json
import shutil
from pathlib import Path

import pytest

from mlarchived.drop import claims
from mlarchived.drop.candidates import Candidate
from tests.support.dropping import DropBench, marker, model_folder


@pytest.fixture
def bench(tmp_path: Path) -> DropBench:
    bench = DropBench(tmp_path)
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    return bench


def test_what_is_called_like_the_marker_of_something_taken_is_taken_or_refused(
    bench: DropBench,
) -> None:
    model_folder(bench.inbox / "ale.mlpkg.done", "precious")
    assert bench.run("once").status == 0
    assert bench.vaulted() == ["ale", "stout"]
    assert bench.noted()["taken"] == ["ale.mlpkg", "ale.mlpkg.done"]

    (bench.inbox / "ale.mlpkg.done").mkdir()
    (bench.inbox / "ale.mlpkg.done" / "weights.bin").write_text("precious")
    assert bench.run("once").status == 19
    assert (bench.inbox / "quarantine/ale.mlpkg.done/weights.bin").read_text() == "precious"


def test_a_package_that_is_called_like_a_marker_is_refused_and_kept(bench: DropBench) -> None:
    beer = bench.package("beer").read_bytes()
    (bench.inbox / "ale.mlpkg.done").write_bytes(beer)
    answer = bench.run("once")
    assert answer.status == 4, answer.out
    assert "longer than any marker" in bench.reason("ale.mlpkg.done")
    assert (bench.inbox / "quarantine/ale.mlpkg.done").read_bytes() == beer

    (bench.inbox / "ale.mlpkg.done").write_text("precious")
    assert bench.run("once").status == 4
    assert "neither empty nor as it should be" in bench.reason("ale.mlpkg.done~2")


def test_a_late_marker_that_tells_of_what_was_taken_is_removed(bench: DropBench) -> None:
    for text in ("", marker(bench.outside / "ale.mlpkg"), json.dumps({"size": _size(bench)})):
        (bench.inbox / "ale.mlpkg.done").write_text(text)
        assert bench.run("once").status == 0
        assert bench.lying() == []


def test_a_late_marker_that_tells_of_other_bytes_is_refused(bench: DropBench) -> None:
    (bench.inbox / "ale.mlpkg.done").write_text(json.dumps({"size": _size(bench) + 1}))
    assert bench.run("once").status == 19
    (bench.inbox / "ale.mlpkg.done").write_text(marker(bench.outside / "ale.mlpkg", sha256="00"))
    assert bench.run("once").status == 19
    assert "tells of nothing that was taken" in bench.reason("ale.mlpkg.done~2")


def test_a_marker_of_a_marker_is_no_late_marker(bench: DropBench) -> None:
    (bench.inbox / "ale.mlpkg.done").write_text("")
    model_folder(bench.inbox / "ale.mlpkg.done.done", "precious")
    assert bench.run("once").status == 19
    kept = bench.inbox / "quarantine/ale.mlpkg.done.done/weights.bin"
    assert kept.read_text() == "precious"


def test_a_marker_that_a_kill_left_claimed_without_what_it_marks_goes_back(
    bench: DropBench,
) -> None:
    path = bench.inbox / "beer.mlpkg"
    shutil.copy(bench.package("beer"), path)
    (bench.inbox / "beer.mlpkg.done").write_text(marker(path))
    claim = claims.claim(bench.inbox, Candidate(path=path, relative=path.name, kind="package"))
    assert claim
    claim.path.rename(path)
    assert not list(claims.claims(bench.inbox))
    assert bench.lying() == ["beer.mlpkg", "beer.mlpkg.done"]
    assert bench.run("once").status == 0

    (bench.inbox / "ale.mlpkg.done").write_text("")
    alone = bench.inbox / "ale.mlpkg.done"
    claim = claims.claim(bench.inbox, Candidate(path=alone, relative=alone.name, kind="marker"))
    assert claim
    (claim.folder / "path").unlink()
    assert [found.relative for found in claims.claims(bench.inbox)] == ["ale.mlpkg.done"]


def _size(bench: DropBench) -> int:
    return (bench.outside / "ale.mlpkg").stat().st_size
