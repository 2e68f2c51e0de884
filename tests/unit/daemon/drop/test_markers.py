"""Markers and folders in a drop folder: what says that something is whole, what is no version."""

import os
import shutil

import pytest

from tests.support.dropping import DropBench, marker, model_folder


def test_a_marker_is_believed_and_checked(bench: DropBench) -> None:
    for name in ("ale", "beer", "cider", "gin"):
        shutil.copy(bench.package(name), bench.inbox)
    (bench.inbox / "ale.mlpkg.done").write_text(marker(bench.inbox / "ale.mlpkg"))
    (bench.inbox / "beer.mlpkg.done").write_text(marker(bench.inbox / "beer.mlpkg", sha256="00"))
    (bench.inbox / "cider.mlpkg.done").write_text("")
    (bench.inbox / "gin.mlpkg.done").write_text("sha1 = what?")
    assert bench.run("once").status == 4
    assert bench.vaulted("target") == ["ale", "cider"]
    assert "not the one of its marker" in bench.reason("beer.mlpkg")
    assert "neither empty nor as it should be" in bench.reason("gin.mlpkg")
    assert [name for name in bench.lying() if name != "quarantine"] == []


def test_a_marker_beside_a_folder_is_empty_or_the_folder_is_refused(bench: DropBench) -> None:
    markers = {"empty": "", "none": "{}", "figures": '{"size": 3}', "garbage": "garbage{"}
    for name, text in markers.items():
        model_folder(bench.inbox / name, "first")
        (bench.inbox / f"{name}.done").write_text(text)
    assert bench.run("once").status == 22
    assert bench.noted() == {"quarantined": ["figures", "garbage"], "taken": ["empty", "none"]}
    assert "figures.done states a size or a digest, which a folder has not" in bench.reason(
        "figures"
    )
    assert "garbage.done is neither empty nor as it should be" in bench.reason("garbage")
    assert [name for name in bench.lying() if name != "quarantine"] == []


@pytest.mark.parametrize("pattern", ["{name}", "{name}/{version}"])
def test_an_empty_folder_is_no_version_until_something_is_in_it(
    bench: DropBench, pattern: str
) -> None:
    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace("settle", f'pattern = "{pattern}"\nsettle'))
    wine = bench.inbox / "wine" / "1"
    (wine / "weights").mkdir(parents=True)
    assert "nothing to do" in bench.run("once").out
    assert "wine" not in bench.run("plan").out
    (wine / "weights" / "first.bin").write_text("first")
    assert bench.run("once").status == 0
    assert bench.vaulted("target") == ["wine"]
    marked = bench.inbox / "ale" if pattern == "{name}" else bench.inbox / "ale" / "1"
    marked.mkdir(parents=True)
    marked.with_name(f"{marked.name}.done").touch()
    assert bench.run("once").status == 0
    assert bench.vaulted("target") == ["ale", "wine"]


def test_folders_above_models_go_when_they_were_emptied_and_are_empty_for_a_while(
    bench: DropBench,
) -> None:
    config = bench.folder / "mirror.toml"
    more = 'pattern = "{name}/{version}"\nsettle'
    config.write_text(config.read_text().replace("settle", more))
    for name in ("ale", "beer", "wine"):
        (bench.inbox / name / "1").mkdir(parents=True)
    for name in ("ale", "wine"):
        (bench.inbox / name / "1" / "weights.bin").write_text(name)
    (bench.inbox / "ale" / ".keep").touch()
    assert bench.run("once").status == 0
    (bench.inbox / "beer" / "1").rmdir()
    for name in bench.lying():
        os.utime(bench.inbox / name, (0, 0))
    bench.run("once")
    assert bench.lying() == ["ale", "beer"]


def test_a_marker_beside_nothing_is_refused_unless_what_it_marked_was_taken(
    bench: DropBench,
) -> None:
    (bench.inbox / "ale.mlpkg.done").write_text("")
    (bench.inbox / "beer.mlpkg.done").write_text("")
    (bench.inbox / "beer.mlpkg.part").write_text("still written")
    assert bench.run("once").status == 19
    assert "ale.mlpkg.done marks nothing" in bench.reason("ale.mlpkg.done")
    assert bench.lying() == ["beer.mlpkg.done", "beer.mlpkg.part", "quarantine"]

    shutil.copy(bench.package("cider"), bench.inbox)
    assert bench.run("once").status == 0
    (bench.inbox / "cider.mlpkg.done").write_text("")
    assert bench.run("once").status == 0
    assert bench.lying() == ["beer.mlpkg.done", "beer.mlpkg.part", "quarantine"]


def test_a_folder_around_a_model_folder_is_told_from_one(bench: DropBench) -> None:
    model_folder(bench.inbox / "around" / "stout", "first")
    assert bench.run("once").status == 19
    assert "has no mlarchive.toml itself, but stout in it has one" in bench.reason("around")
