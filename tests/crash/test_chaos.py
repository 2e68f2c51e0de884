"""A service between two servers, killed and thwarted while people work, ends with both equal.

The long form: `python -m tests.crash.chaos --kills 100 --deaths 20`.
"""

import random
from pathlib import Path

import pytest

from tests.crash.chaos import chaos, storm

pytestmark = pytest.mark.mlflow

SEED = 20261129


def test_whoever_is_killed_both_sides_end_equal_and_each_version_is_there_once(
    tmp_path: Path,
) -> None:
    rng = random.Random(SEED)  # noqa: S311  (reproducible)
    with chaos(tmp_path, rng, models=2, versions=2) as trial:
        storm(trial, kills=3, deaths=1, pause=0.3)
    assert sum(trial.kills.values()) == 3
    assert sum(server.deaths for server in trial.servers) == 1
