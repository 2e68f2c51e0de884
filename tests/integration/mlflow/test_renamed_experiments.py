"""An experiment that got another name, and another one that got its name, stay two."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from tests.support.command import Done, within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow


class Lab:
    """A source whose experiments are renamed, and its target."""

    def __init__(self, source: MlflowServer, target: MlflowServer, desk: Path, name: str) -> None:
        self.source, self.target, self.desk, self.name = source, target, desk, name
        self.here = MlflowClient(source.uri, source.uri)
        self.there = MlflowClient(target.uri, target.uri)
        self.old = self.made(name, "old run")

    def made(self, name: str, run: str) -> str:
        """Make an experiment with a run at the source."""
        experiment: str = self.here.create_experiment(name, tags={"run": run})
        made = self.here.create_run(experiment, run_name=run)
        self.here.set_terminated(made.info.run_id)
        return experiment

    def swapped(self) -> str:
        """Rename the experiment at the source, and make another one of its name."""
        self.here.rename_experiment(self.old, f"{self.name} of 2025")
        return self.made(self.name, "new run")

    def run(self, experiment: str) -> str:
        """The only run of an experiment at the source."""
        (run,) = self.here.search_runs([experiment])
        return str(run.info.run_id)

    def copy(self, *objects: str, more: Sequence[str] = ()) -> Done:
        """Copy objects, all experiments and runs of this test unless others are named."""
        named = objects or (f"experiments/{self.name}*", *map(self._runs, self._experiments()))
        sources = [f"{self.source.locator}#{one}" for one in named]
        return within("copy", *sources, self.target.locator, "--json", *more, cwd=self.desk)

    def found(self) -> dict[str, tuple[str, list[str]]]:
        """What the target has: by the names of experiments their tag and their runs."""
        every = (e for e in self.there.search_experiments() if e.name.startswith(self.name))
        return {
            one.name: (
                one.tags.get("run", ""),
                [run.info.run_name for run in self.there.search_runs([one.experiment_id])],
            )
            for one in every
        }

    def _experiments(self) -> list[Experiment]:
        every = self.here.search_experiments(order_by=["creation_time DESC"])
        return [one for one in every if one.name.startswith(self.name)]

    def _runs(self, experiment: Experiment) -> str:
        return f"runs/{self.run(experiment.experiment_id)}"


@pytest.fixture
def lab(
    source_server: MlflowServer,
    target_server: MlflowServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Lab:
    return Lab(source_server, target_server, tmp_path, request.node.name)


def actions(done: Done) -> list[str]:
    """What was done, but for what was left as it is."""
    every = (action for one in done.receipts for action in one.get("actions", ()))
    return [one["what"] for one in every if one["verb"] not in {"keep", "skip"}]


def test_a_renamed_experiment_and_a_new_one_of_its_name_stay_two(lab: Lab) -> None:
    assert lab.copy().status == 0
    lab.swapped()

    done = lab.copy()
    assert done.status == 0, done.err
    both = {
        lab.name: ("new run", ["new run"]),
        f"{lab.name} of 2025": ("old run", ["old run"]),
    }
    assert lab.found() == both
    assert f"name of experiment '{lab.name} of 2025'" in actions(done)
    again = lab.copy()
    assert again.status == 0
    assert actions(again) == []
    assert lab.found() == both


def test_a_run_never_goes_into_the_copy_of_another_experiment_of_its_source(lab: Lab) -> None:
    assert lab.copy().status == 0
    new, meanwhile = lab.swapped(), f"{lab.name} (experiment {lab.old})"

    # What had the name gives it away, until it comes itself with the one that it has now.
    done = lab.copy(f"runs/{lab.run(new)}")
    assert done.status == 0, done.err
    assert f"name of experiment {meanwhile!r}" in actions(done)
    assert lab.found() == {
        lab.name: ("new run", ["new run"]),
        meanwhile: ("old run", ["old run"]),
    }
    assert actions(lab.copy(f"runs/{lab.run(new)}")) == []
    assert lab.copy(f"runs/{lab.run(lab.old)}").status == 0
    assert set(lab.found()) == {lab.name, f"{lab.name} of 2025"}


@pytest.mark.parametrize("order", [1, -1])
def test_experiments_that_give_each_other_their_names_do_so_at_the_target(
    lab: Lab, order: int
) -> None:
    names = [lab.name, f"{lab.name} b", f"{lab.name} c"]
    ids = [lab.old, *(lab.made(name, f"run {name}") for name in names[1:])]
    lab.here.delete_experiment(ids[2])
    assert lab.copy(f"experiments/{lab.name}*").status == 0

    lab.here.restore_experiment(ids[2])
    lab.here.rename_experiment(ids[0], f"{lab.name} meanwhile")
    for one, name in ((2, names[0]), (1, names[2]), (0, names[1])):
        lab.here.rename_experiment(ids[one], name)
    for given in ids[::order]:
        (named,) = (e.name for e in lab.here.search_experiments() if e.experiment_id == given)
        done = lab.copy(f"experiments/{named}")
        assert done.status == 0, done.err
    assert {name: run for name, (run, _) in lab.found().items()} == {
        names[1]: "old run",
        names[2]: f"run {names[1]}",
        names[0]: f"run {names[2]}",
    }
    assert actions(lab.copy(f"experiments/{lab.name}*")) == []


def test_one_that_is_gone_from_its_source_gives_its_name_to_a_new_one(lab: Lab) -> None:
    assert lab.copy(f"experiments/{lab.name}").status == 0
    store, run = SqlAlchemyStore(lab.source.database, "mlflow-artifacts:/"), lab.run(lab.old)
    lab.made(f"other {lab.name}", "beside")  # SQLite gives the last id again.
    lab.here.delete_experiment(lab.old)
    # As `mlflow gc` does.
    store._hard_delete_run(run)  # noqa: SLF001
    store._hard_delete_experiment(lab.old)  # noqa: SLF001
    lab.made(lab.name, "new run")
    assert lab.copy(f"experiments/{lab.name}").status == 0
    assert {name: run for name, (run, _) in lab.found().items()} == {
        lab.name: "new run",
        f"{lab.name} (experiment {lab.old})": "old run",
    }


def test_one_that_came_with_a_dataset_first_gives_its_name_away_too(lab: Lab) -> None:
    store = SqlAlchemyStore(lab.source.database, "mlflow-artifacts:/")
    store.create_dataset(lab.name, experiment_ids=[lab.old])
    assert lab.copy(f"evaluation-datasets/{lab.name}").status == 0
    assert lab.copy(f"experiments/{lab.name}").status == 0
    assert actions(lab.copy(f"experiments/{lab.name}")) == []
    new = lab.swapped()
    assert lab.copy(f"runs/{lab.run(new)}").status == 0
    assert set(lab.found()) == {lab.name, f"{lab.name} (experiment {lab.old})"}


def test_what_has_a_name_that_was_asked_for_gives_it_to_no_other(lab: Lab) -> None:
    prefixed = ("--to-experiment", "x-{name}")
    assert lab.copy(more=prefixed).status == 0
    new = lab.made(f"x-{lab.name}", "new run")
    done = lab.copy(f"runs/{lab.run(new)}")
    assert done.status == 14
    assert f"experiments/{lab.old}!x-{lab.name}" in done.err
    kept = lab.there.get_experiment_by_name(f"x-{lab.name}")
    assert kept is not None
    assert kept.tags["run"] == "old run"
    assert actions(lab.copy(more=prefixed)) == []


@pytest.mark.parametrize("side", ["source", "target"])
def test_what_went_into_an_experiment_that_was_there_stays_there(lab: Lab, side: str) -> None:
    theirs = lab.there.create_experiment(lab.name)
    assert lab.copy().status == 0
    assert lab.found() == {lab.name: ("old run", ["old run"])}
    if side == "source":
        lab.here.rename_experiment(lab.old, f"{lab.name} of 2025")
    else:
        lab.there.rename_experiment(theirs, f"{lab.name} of people")

    before = lab.found()
    for more in (["marks"], []):
        done = lab.copy()
        assert [what.partition(" of ")[0] for what in actions(done)] == more
        assert list(lab.found().values()) == list(before.values())
        assert "the target keeps it as" in str(done.receipts)

    if side == "source":
        # Nor is another one of the source mixed with it.
        new = lab.made(lab.name, "new run")
        refused = lab.copy(f"runs/{lab.run(new)}")
        assert refused.status == 14
        assert "was there before, and is that of" in refused.err
        lab.there.rename_experiment(theirs, f"{lab.name} of people")
    else:
        new = lab.old
    assert lab.copy(f"runs/{lab.run(new)}").status == 0


def test_a_name_that_something_else_has_or_that_people_gave_is_left(lab: Lab) -> None:
    assert lab.copy(f"experiments/{lab.name}").status == 0
    lab.there.create_experiment(f"{lab.name} taken")
    lab.here.rename_experiment(lab.old, f"{lab.name} taken")

    done = lab.copy(f"experiments/{lab.name} taken")
    assert done.status == 0, done.err
    assert actions(done)[:1] != [f"name of experiment '{lab.name} taken'"]
    (changed,) = done.receipts[0]["transformations"]
    assert "since another one is called" in changed["why"]
    assert set(lab.found()) == {lab.name, f"{lab.name} taken"}
    assert actions(lab.copy(f"experiments/{lab.name} taken")) == []

    # Free again, it is given; what people name the copy stays.
    lab.here.rename_experiment(lab.old, f"{lab.name} free")
    assert lab.copy(f"experiments/{lab.name} free").status == 0
    assert set(lab.found()) == {f"{lab.name} free", f"{lab.name} taken"}
    (mine,) = (e for e in lab.there.search_experiments() if e.name == f"{lab.name} free")
    lab.there.rename_experiment(mine.experiment_id, f"{lab.name} of people")
    lab.here.rename_experiment(lab.old, f"{lab.name} again")
    done = lab.copy(f"experiments/{lab.name} again")
    assert done.status == 0
    assert set(lab.found()) == {f"{lab.name} of people", f"{lab.name} taken"}
    assert actions(lab.copy(f"experiments/{lab.name} again")) == []


def test_an_older_package_does_not_take_a_newer_name_away(lab: Lab) -> None:
    run = f"runs/{lab.run(lab.old)}"
    before = (f"{lab.source.locator}#{run}", "-o", "before.mlpkg")
    assert within("pack", *before, cwd=lab.desk).status == 0
    lab.swapped()
    assert lab.copy().status == 0

    names = set(lab.found())
    for _ in range(2):
        done = within("unpack", "before.mlpkg", lab.target.locator, cwd=lab.desk)
        assert done.status == 0, done.err
        assert set(lab.found()) == names


def test_one_that_is_deleted_on_both_sides_is_renamed_and_keeps_no_name(lab: Lab) -> None:
    lab.here.delete_experiment(lab.old)
    assert lab.copy(f"experiments/{lab.name}").status == 0
    lab.here.restore_experiment(lab.old)
    lab.here.rename_experiment(lab.old, f"{lab.name} of 2025")
    lab.here.delete_experiment(lab.old)
    lab.made(lab.name, "new run")

    assert lab.copy(f"experiments/{lab.name}*").status == 0
    assert set(lab.found()) == {lab.name}
    renamed = lab.there.get_experiment_by_name(f"{lab.name} of 2025")
    assert renamed is not None
    assert renamed.lifecycle_stage == "deleted"
    assert actions(lab.copy(f"experiments/{lab.name}*")) == []


def test_a_vault_keeps_the_two_apart_in_any_order(lab: Lab) -> None:
    def packed() -> None:
        named = (f"experiments/{lab.name}*", f"runs/{lab.run(lab.old)}")
        sources = [f"{lab.source.locator}#{one}" for one in named]
        assert within("pack", *sources, "-o", "vault", cwd=lab.desk).status == 0

    packed()
    vault = ("copy", "vault:vault", lab.target.locator, "--json")
    assert within(*vault, cwd=lab.desk).status == 0
    new = lab.swapped()
    packed()
    run = f"{lab.source.locator}#runs/{lab.run(new)}"
    assert within("pack", run, "-o", "vault", cwd=lab.desk).status == 0

    assert within(*vault, cwd=lab.desk).status == 0
    assert lab.found() == {
        lab.name: ("new run", ["new run"]),
        f"{lab.name} of 2025": ("old run", ["old run"]),
    }
    again = within(*vault, cwd=lab.desk)
    assert again.status == 0
    assert actions(again) == []
