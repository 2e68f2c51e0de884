"""Of two mirrors that bring contradicting objects to one target the first has its way."""

from pathlib import Path
from typing import Any

import pytest

from mlarchived.execute import Executor
from tests.support.mirroring import Workbench, stocked


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return stocked(tmp_path)


def contradict(bench: Workbench) -> None:
    """Let a second mirror bring another beer, and what the first one has not."""
    (bench.folder / "source").rename(bench.folder / "other")
    for name in ("ale", "beer"):
        bench.put(name, f"{name} 1" if name == "ale" else "another beer")
    config = bench.folder / "mirror.toml"
    more = '[[mirror]]\nname = "second"\nsource = "more#folders/*"\ntargets = ["dr"]\n'
    text = config.read_text() + more + '[registries.more]\nlocator = "vault:other"\n'
    config.write_text(text)


def test_a_mirror_that_planned_before_another_wrote_does_not_write_over_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    contradict(bench)
    package, others = Executor._package, iter(["m"])  # noqa: SLF001  (the moment between plan and write)

    def overtaken(executor: Executor, *given: Any) -> Any:  # noqa: ANN401
        for mirror in others:
            assert bench.run("once", "--mirror", mirror).status == 0
        return package(executor, *given)

    monkeypatch.setattr(Executor, "_package", overtaken)
    answer = bench.run("once", "--mirror", "second")
    assert "beer/1 -> dr: another mirror has brought it there meanwhile" in answer.out
    assert {k: v for k, v in bench.held().items() if k.name != "cider"} == bench.held("source")


def test_of_two_mirrors_that_contradict_each_other_the_first_has_its_way_at_once(
    bench: Workbench,
) -> None:
    contradict(bench)
    answer = bench.run("once")
    assert answer.status == 23
    assert "/beer/1 -> dr: the mirror 'm', which comes first" in answer.out
    assert {k: v for k, v in bench.held().items() if k.name != "cider"} == bench.held("source")
    assert "cider" in {address.name for address in bench.held()}
    assert bench.run("once").status == 23
