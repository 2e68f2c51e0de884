"""A target that nobody touched ends labelled as its source, wherever writes to it are cut off.

The long form: `python -m tests.crash.labels --storms 100`.
"""

from pathlib import Path

import pytest

from tests.crash.labels import seeded, storm

pytestmark = pytest.mark.mlflow


def test_a_target_that_nobody_touched_ends_labelled_as_its_source(tmp_path: Path) -> None:
    databases = seeded(tmp_path)
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        storm(databases, folder, seed)
