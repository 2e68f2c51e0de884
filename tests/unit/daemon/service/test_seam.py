"""Tasks run by the clock and observers see everything; neither can stop the service."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlarchive.errors import MlarchiveError, StorageError, UnavailableError
from mlarchived.configfile import read_config
from mlarchived.mirrors import Setting
from mlarchived.resolving import resolve
from mlarchived.schedules import Schedule
from mlarchived.service import Service, Task, observing
from mlarchived.service.happenings import Beat, Happening, Recovered, RoundEnded, Staged, Troubled
from mlarchived.service.tasks import TaskCircumstances
from tests.support.mirroring import Workbench


class Witness:
    """Sees everything, and stops the service when it has seen enough."""

    def __init__(self, enough: int) -> None:
        self.seen: list[Happening] = []
        self.settings: list[Setting] = []
        self.closed = False
        self.stop: Callable[[], None] = lambda: None
        self._enough = enough

    def configured(self, setting: Setting) -> None:
        self.settings.append(setting)

    def take(self, happening: Happening) -> None:
        self.seen.append(happening)
        ended = [h.worker for h in self.seen if isinstance(h, RoundEnded)]
        all_at_work = "mirror:m/dr" in ended and any(isinstance(h, Beat) for h in self.seen)
        if ended.count("task:t") >= self._enough and all_at_work:
            stop, self.stop = self.stop, lambda: None
            stop()

    def close(self) -> None:
        self.closed = True


class Careless(Witness):
    """Fails the first time that it is told something."""

    def take(self, happening: Happening) -> None:
        raise ValueError(f"I did not expect {happening}")


def serve(bench: Workbench, task: Task, witness: Witness, others: Sequence[Witness] = ()) -> None:
    service = Service(bench.folder / "mirror.toml", {}, [*others, witness], tasks=lambda _: (task,))
    witness.stop = lambda: service.tell("stop")
    watchdog = threading.Timer(60, lambda: service.tell("stop"))
    watchdog.start()
    service.run()
    watchdog.cancel()


def bench_at(folder: Path) -> Workbench:
    bench = Workbench(folder)
    bench.configure(mirror='[service]\nretry_first = "1s"\n')
    bench.put("ale", "ale 1")
    return bench


def test_a_task_runs_by_the_clock_with_the_configuration_in_force(tmp_path: Path) -> None:
    bench, witness = bench_at(tmp_path), Witness(2)
    given: list[TaskCircumstances] = []
    serve(bench, Task(name="t", schedule=Schedule(every=1), do=given.append), witness)
    assert len(given) >= 2
    assert given[0].setting.state == tmp_path / "state"
    assert [s.stage for s in witness.seen if isinstance(s, Staged)] == [
        "starting",
        "ready",
        "draining",
        "stopped",
    ]
    assert witness.closed
    assert all(beat.dead == () for beat in witness.seen if isinstance(beat, Beat))


def test_a_task_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    bench, witness = bench_at(tmp_path), Witness(2)

    def do(_: TaskCircumstances) -> None:
        raise UnavailableError("the shelf does not answer")

    serve(bench, Task(name="t", schedule=Schedule(every=86_400), do=do), witness)
    ended = [h for h in witness.seen if isinstance(h, RoundEnded) and h.worker == "task:t"]
    assert len(ended) >= 2
    assert {h.error for h in ended} == {"the shelf does not answer"}
    assert ended[0].again_in > 0
    assert bench.held() == bench.held("source")


class Ill(Witness):
    """Cannot do as the configuration says, the first two times."""

    def failures(self) -> dict[str, MlarchiveError]:
        if len(self.settings) > 2:
            return {}
        return {"monitoring.listen": StorageError("it is taken")}


def test_what_the_configuration_made_ill_is_given_it_again_and_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "AGAIN", 0.0)
    setting = resolve(read_config(bench_at(tmp_path).folder / "mirror.toml"))
    witness = Witness(9)
    observers = observing.Observers([Ill(9), witness])
    observers.configured(setting)
    for _ in range(3):
        observers.take(Beat())
    assert [h for h in witness.seen if not isinstance(h, Beat)] == [
        Troubled(part="monitoring.listen", reason="it is taken", code="storage"),
        Recovered(part="monitoring.listen"),
    ]


def test_an_observer_that_failed_is_asked_again_at_each_reload(tmp_path: Path) -> None:
    setting = resolve(read_config(bench_at(tmp_path).folder / "mirror.toml"))
    careless, witness = Careless(9), Witness(9)
    observers = observing.Observers([careless, witness])
    observers.configured(setting)
    observers.take(Beat())
    assert observers.ailments.keys() == {"observer"}
    observers.configured(setting)
    assert len(careless.settings) == 2
    assert isinstance(witness.seen[-1], Recovered)


def test_an_observer_that_fails_costs_itself_alone(tmp_path: Path) -> None:
    bench, witness = bench_at(tmp_path), Witness(1)
    task = Task(name="t", schedule=Schedule(every=86_400), do=lambda _: None)
    serve(bench, task, witness, [Careless(0)])
    (trouble,) = (h for h in witness.seen if isinstance(h, Troubled))
    assert trouble.part == "observer"
    assert trouble.reason.startswith("Careless is told nothing any more")
    assert bench.held() == bench.held("source")
