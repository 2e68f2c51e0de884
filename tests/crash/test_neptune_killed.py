"""A migration that is killed and run again is complete, and has nothing twice."""

import random
from pathlib import Path

from tests.crash.neptune import Trial, server


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)  # noqa: S311 (printed)
    print(f"seed {seed}")  # noqa: T201
    with server(2, 24 << 20) as found:
        trial = Trial(found, tmp_path, random.Random(seed))  # noqa: S311
        for _ in range(2):
            trial.kill()
        trial.finish()
    assert trial.landed
