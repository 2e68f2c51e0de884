"""Two services that fill one vault and contradict each other come to rest, and each says it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlarchive.vault import Vault
from mlarchived.execute import Executor
from tests.support.mirroring import Workbench

TARGET = '"vault:target"'
VAULT = 'vault = "vault"\n'


@pytest.fixture
def services(tmp_path: Path) -> Callable[..., tuple[Workbench, Workbench]]:
    """Two services with sources of their own and one vault as their target."""

    def made(mirror: str = VAULT) -> tuple[Workbench, Workbench]:
        benches = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            bench = Workbench(tmp_path / name)
            bench.configure((TARGET, '"vault:../shared"'), mirror=mirror)
            benches.append(bench)
        return benches[0], benches[1]

    return made


def packages(bench: Workbench) -> int:
    return len(list((bench.folder / "../shared").rglob("*.mlpkg")))


@pytest.mark.parametrize("mirror", ["", VAULT])
def test_other_content_that_another_service_put_there_is_not_written_over(
    services: Callable[..., tuple[Workbench, Workbench]], mirror: str
) -> None:
    one, two = services(mirror)
    one.put("ale", "one")
    two.put("ale", "two")
    assert one.run("once").status == 0
    for _ in range(2):
        answer = two.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: the target has other content under that name" in answer.out
        assert one.run("once").status == 0
    assert "behind by 1 of 1 object" in two.run("status").out
    assert one.held("../shared") == one.held("source")
    assert packages(one) == 1


def test_what_is_put_there_by_policy_is_put_there_once(
    services: Callable[..., tuple[Workbench, Workbench]],
) -> None:
    one, two = services(f'conflict = "new-version"\n{VAULT}')
    one.put("ale", "one")
    two.put("ale", "two")
    assert one.run("once").status == two.run("once").status == 0
    for _ in range(2):
        answer = one.run("once")
        assert answer.status == 23
        assert (
            "/ale/1 -> dr: the target was given this, and since then something else" in answer.out
        )
        assert two.run("once").status == 0
    assert packages(one) == 2
    assert one.run("once", "--retry").status == 0
    assert two.run("once").status == 23
    two.put("ale", "two, and more")
    assert two.run("once").status == 0
    assert one.run("once").status == 23


def test_labels_that_contradict_each_other_are_written_once(
    services: Callable[..., tuple[Workbench, Workbench]],
) -> None:
    one, two = services()
    one.put("ale", "ale", description="one")
    two.put("ale", "ale", description="two")
    assert one.run("once").status == two.run("once").status == 0
    for _ in range(2):
        assert one.run("once").status == 23
        assert two.run("once").status == 0
    assert packages(one) == 2


def test_what_another_service_writes_between_plan_and_delivery_is_not_written_over(
    services: Callable[..., tuple[Workbench, Workbench]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = services()
    one.put("ale", "one")
    two.put("ale", "two")
    package, others = Executor._package, iter([one])  # noqa: SLF001  (the moment between plan and write)

    def overtaken(executor: Executor, *given: Any) -> Any:  # noqa: ANN401
        for other in others:
            assert other.run("once").status == 0
        return package(executor, *given)

    monkeypatch.setattr(Executor, "_package", overtaken)
    answer = two.run("once")
    assert "/ale/1 -> dr: another mirror has brought it there meanwhile" in answer.out
    assert one.held("../shared") == one.held("source")
    assert two.run("once").status == 23


def test_a_target_that_was_set_back_to_what_this_mirror_brought_before_gets_its_news_again(
    services: Callable[..., tuple[Workbench, Workbench]],
) -> None:
    one, _ = services()
    for content in ("first", "then"):
        one.put("ale", content)
        assert one.run("once").status == 0
    newest = one.held("source")
    with Vault.open(one.folder / "../shared") as vault:
        (last,) = vault.counting()
    last.path.unlink()
    assert one.held("../shared") != newest
    assert one.run("once").status == 0
    assert one.held("../shared") == newest
