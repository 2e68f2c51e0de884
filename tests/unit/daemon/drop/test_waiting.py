"""A dropped package that leans on another waits for it, and is told as long as it does."""

import shutil

from tests.support.dropping import DropBench


def test_a_thin_package_waits_for_the_one_that_it_leans_on(bench: DropBench) -> None:
    full = bench.package("big", b"x" * 100_000)
    shutil.copy(bench.thin("a", full), bench.inbox)
    first = bench.run("once").out
    assert first.count("leans on a package that has not come yet") == 1
    assert "1 waiting" in first
    assert bench.vaulted() == []
    assert "a.mlpkg waits for another package" in bench.standing()["trouble"]
    assert "wait      a.mlpkg -> vault: a.mlpkg leans on a package that" in bench.run("plan").out
    (bench.inbox / "a.mlpkg.done").write_text("")
    assert bench.run("once").status == 0
    shutil.copy(full, bench.inbox)
    assert bench.run("once").status == 0
    assert bench.lying() == ["a.mlpkg.done"]
    assert bench.standing()["trouble"] == ""
    assert bench.run("once").status == 0
    assert bench.lying() == []
    assert len(list((bench.folder / "vault").rglob("*.mlpkg"))) == 2
    assert bench.noted() == {"taken": ["a.mlpkg", "big.mlpkg"]}


def test_nothing_is_said_to_wait_for_what_comes_in_the_same_look(bench: DropBench) -> None:
    full = bench.package("big", b"x" * 100_000)
    shutil.copy(bench.thin("a", full), bench.inbox)
    shutil.copy(full, bench.inbox)
    answer = bench.run("once")
    assert "2 taken" in answer.out
    assert "waiting" not in answer.out


def test_what_waits_in_a_folder_that_was_the_drop_folder_is_told_until_it_is_dropped_again(
    bench: DropBench,
) -> None:
    thin = bench.thin("a", bench.package("big", b"x" * 100_000))
    shutil.copy(thin, bench.inbox)
    bench.run("once")
    (bench.folder / "inbox2").mkdir()
    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace('"inbox"', '"inbox2"'))
    for _ in range(2):
        assert "a.mlpkg -> vault: waits for another package in a folder" in bench.run("once").out
        assert "a.mlpkg waits for another package in a folder" in bench.standing()["trouble"]
    assert "wait      a.mlpkg -> vault: it waits" in bench.run("plan").out
    shutil.copy(thin, bench.folder / "inbox2")
    bench.run("once")
    assert "leans on a package that has not come yet" in bench.standing()["trouble"]
    assert bench.noted() == {"waiting": ["a.mlpkg"]}
    shutil.rmtree(bench.folder / "inbox2" / ".mlarchived")
    bench.run("once")
    assert bench.run("forget", "--object", "a.mlpkg").status == 0
    bench.run("once")
    assert bench.standing()["trouble"] == ""
