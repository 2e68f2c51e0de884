"""Commands of the gap that are killed leave what is whole, and are finished by running them again.

More kills: `python -m tests.crash.gapkilled --kills 50`.
"""

import random
from pathlib import Path

from tests.crash.gapkilled import jobs

SEED = 7

TRIALS = 20
"""After which a job that no kill has hit counts as one that cannot be hit."""


def test_what_is_killed_is_whole_and_finished_by_the_same_command(tmp_path: Path) -> None:
    rng = random.Random(SEED)  # noqa: S311  (reproducible)
    for job in jobs(tmp_path):
        for _ in range(TRIALS):
            job.trial(rng, 3)
            if job.hits:
                break
        assert job.hits, f"seed {SEED}: {job.name} was never hit"
