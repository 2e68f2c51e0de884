"""What a copy says of the runs and models of others that made traces and assessments."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.command import Done, within
from tests.support.mirroring import Workbench
from tests.support.mlflow_makers import Made, lab_at, made_by

pytestmark = pytest.mark.mlflow


def test_those_that_come_in_the_same_command_are_named(
    empty_database: Path, tmp_path: Path
) -> None:
    source, target = (
        f"sqlite:///{shutil.copy(empty_database, tmp_path / name)}" for name in ("a.db", "b.db")
    )
    lab_at(source, tmp_path)
    sides = ("mlflow+sqlite:///a.db", "mlflow+sqlite:///b.db", "--json")
    copied = within("copy", *sides, cwd=tmp_path)
    losses = [loss["field"] for one in copied.receipts for loss in one["losses"]]
    assert set(losses) <= {"links", "all of them"}, copied.out
    assert _named(target) == _named(source)
    again = within("copy", *sides, cwd=tmp_path)
    verbs = {action["verb"] for one in again.receipts for action in one["actions"]}
    assert verbs == {"keep", "skip"}, "other objects are always left out"


def test_those_that_do_not_come_are_lost_and_told_once(
    empty_database: Path, tmp_path: Path
) -> None:
    source = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'a.db')}"
    target = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'b.db')}"
    lab_at(source, tmp_path)
    wanted = (
        "mlflow+sqlite:///a.db#experiments/lab",
        "mlflow+sqlite:///a.db#experiments/elsewhere",
    )
    for _ in range(2):
        done = within("copy", *wanted, "mlflow+sqlite:///b.db", "--json", cwd=tmp_path)
        assert done.status == 3, done.err
        assert _awaited(done) == ["logged model", "run"]
        assert done.err.count("which run made some of them or of their assessments") == 1
    whole = ("mlflow+sqlite:///a.db", "mlflow+sqlite:///b.db", "--json")
    planned = within("copy", *whole, "--dry-run", cwd=tmp_path)
    assert "made some of them" not in planned.err
    assert _awaited(within("copy", *whole, cwd=tmp_path)) == []
    assert _named(target) == _named(source)


MIRROR = """\
[registries.lab]
locator = "mlflow+sqlite:///a.db"
[registries.clinic]
locator = "mlflow+sqlite:///b.db"
[[mirror]]
name = "m"
source = "lab"
targets = ["clinic"]
"""


@pytest.mark.parametrize("more", ["", 'vault = "vault"\n'])
def test_a_mirror_names_those_that_come_later(
    empty_database: Path, tmp_path: Path, more: str
) -> None:
    source = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'a.db')}"
    target = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'b.db')}"
    client = lab_at(source, tmp_path)
    bench = Workbench(tmp_path)
    (tmp_path / "mirror.toml").write_text(MIRROR + more)
    first = bench.run("once", "--json")
    assert first.status == 3, first.out
    assert "the target does not have m-" in first.out
    second = bench.run("once", "--json")
    assert "got others since, which it may name" in second.out
    assert _named(target) == _named(source)
    client.set_terminated(client.create_run("1", run_name="another").info.run_id)
    third = bench.run("once", "--json")
    assert third.status == 0, third.out
    brought = [one for one in third.events if one.get("outcome") in {"copied", "relabelled"}]
    assert [one["object"].partition("#")[2].partition("/")[0] for one in brought] == ["runs"]


def _awaited(done: Done) -> list[str]:
    """Of what the target does not have the makers of traces, as losses say."""
    lost = {(loss["field"], loss["why"]) for one in done.receipts for loss in one["losses"]}
    return sorted(
        field.removeprefix("which ").partition(" made some")[0]
        for field, why in lost
        if why.startswith("the target does not have ")
    )


def _named(uri: str) -> Made:
    """By trace what is told of who made it, with names in place of ids."""
    client = MlflowClient(uri, uri)
    every = [one.experiment_id for one in client.search_experiments()]
    names = {run.info.run_id: str(run.info.run_name) for run in client.search_runs(every)}
    names |= {str(one.model_id): one.name for one in client.search_logged_models(every)}

    def named(texts: dict[str, str] | None) -> dict[str, str]:
        return {key: names.get(text, text) for key, text in (texts or {}).items()}

    return {
        trace: (named(metadata), [named(one) for one in assessments])
        for trace, (metadata, assessments) in made_by(uri).items()
    }
