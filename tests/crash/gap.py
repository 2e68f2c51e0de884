"""The long form of the gap's test: `python -m tests.crash.gap --rounds 50 --seeds 20`.

Prints for each seed what was sent, and what was carried of it; ends at the first thing that is not
as it should be.
"""

import argparse
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from tests.support.gap import Gap, run


def main() -> int:
    """Run every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    wanted = parser.parse_args()
    for seed in range(wanted.first, wanted.first + wanted.seeds):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder, closing(Gap(Path(folder), seed)) as gap:
            run(gap, wanted.rounds)
            sent = gap.outbox.sent
            graves = sum(one.package is None for one in sent)
        sys.stdout.write(
            f"seed {seed}: {len(sent)} shipments, {graves} tombstones, equal at the end,"
            f" {time.monotonic() - began:.0f} s\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
