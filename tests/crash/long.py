"""The long form of the crash test: `python -m tests.crash.long --kills 200`.

Starts two MLflow servers of its own, kills mirrors of one model after the other, and prints where
the kills landed. Ends at the first thing that is not as it should be.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.killing import Tally, Trial
from tests.support.mlflow_server import QUIET, running_server

KILLS_A_TRIAL = 4


def main() -> int:
    """Run trials until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    os.environ.update(QUIET)
    print(f"seed {options.seed}", flush=True)  # noqa: T201  (a command)
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), options.kills, random.Random(options.seed))  # noqa: S311  (reproducible)
    return 0


def _run(folder: Path, kills: int, rng: random.Random) -> None:
    tally = Tally()
    with running_server(folder / "source") as source, running_server(folder / "target") as target:
        number = 0
        while sum(tally.landed.values()) < kills:
            number += 1
            trial = Trial(
                source=source,
                target=target,
                folder=folder / f"trial-{number}",
                model=f"model-{number}",
                vault=rng.random() < 0.5,
                rng=rng,
                tally=tally,
            )
            trial.prepare()
            if number == 1:
                trial.calibrate()
            else:
                # Later kills find less left to do; aimed further, they would come too late.
                trial.kill_and_check([rng.randrange(6), *_aims(KILLS_A_TRIAL - 1, rng)])
            trial.relabel("changed")
            trial.kill_and_check(_aims(rng.randrange(1, KILLS_A_TRIAL), rng))
            trial.check_idle()
            print(f"{number} models, {sum(tally.landed.values())} kills: {tally}", flush=True)  # noqa: T201


def _aims(kills: int, rng: random.Random) -> list[int]:
    return [rng.randrange(2) for _ in range(kills)]


if __name__ == "__main__":
    sys.exit(main())
