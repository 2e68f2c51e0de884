"""`mlarchived once`, killed at arbitrary moments and run again, finishes the job exactly once."""

import random
from pathlib import Path

import pytest

from tests.crash.killing import TOO_LATE, Tally, Trial
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

SEED = 20261120


@pytest.fixture
def trial(source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path) -> Trial:
    return Trial(
        source=source_server,
        target=target_server,
        folder=tmp_path,
        model=f"killed-{tmp_path.name}",
        vault=True,
        rng=random.Random(SEED),  # noqa: S311  (a reproducible test)
        tally=Tally(seconds={"reading": 0.15, "writing": 0.3}),
    )


def test_a_mirror_that_is_killed_ends_equal_to_its_source(trial: Trial) -> None:
    trial.prepare()
    trial.kill_and_check([1, 0, 1, 0, 1])
    trial.relabel("changed")
    trial.kill_and_check([1, 1])
    trial.check_idle()
    print(f"seed {SEED}, kills landed: {trial.tally}")  # noqa: T201  (pytest shows it with -rP)
    assert trial.tally.landed.keys() >= {"reading", "writing"}


def test_so_does_one_without_a_vault(trial: Trial) -> None:
    trial.vault = False
    trial.prepare()
    trial.kill_and_check([1, 0, 2])
    trial.check_idle()
    print(f"seed {SEED}, kills landed: {trial.tally}")  # noqa: T201  (pytest shows it with -rP)
    assert trial.tally.landed.keys() - {TOO_LATE}
