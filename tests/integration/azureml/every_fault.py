"""Every fault at every request of a copy: `python -m tests.integration.azureml.every_fault`.

Prints for each kind of target how many copies finished at once, and how the others failed before
their rerun finished. Ends at the first thing that is not as it should be.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.integration.azureml.faulty import Ends, trial
from tests.support.azureml import FAULTS, Fault, Place
from tests.support.azureml.authority import Authority
from tests.support.azureml.azurite import running_azurite
from tests.support.azureml.emulator import running_emulator


def main() -> int:
    """Run all trials, or every n-th."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th request only")
    parser.add_argument("--kind", choices=["workspace", "registry"], action="append")
    parser.add_argument("--fault", choices=FAULTS, action="append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        with (
            running_azurite(Path(folder), authority) as azurite,
            running_emulator(azurite, authority) as emulator,
        ):
            os.environ.update(emulator.variables)
            lab = emulator.workspace(emulator.tenant(), "lab")
            for kind in options.kind or ["workspace", "registry"]:
                clinic: Place = getattr(emulator, kind)(emulator.tenant(), "clinic")
                with Ends(emulator, lab, clinic) as ends:
                    _all(ends, options.every, options.fault or FAULTS)
    return 0


def _all(ends: Ends, every: int, faults: Sequence[Fault]) -> None:
    kind = ends.target.kind
    trial(ends, f"first-{kind}")
    whole = trial(ends, f"whole-{kind}").requests
    print(f"into {kind}: {whole} requests", flush=True)  # noqa: T201  (a command)
    for fault in faults:
        began, outcomes = time.monotonic(), Counter[str]()
        for at in range(1, whole + 1, every):
            outcome = trial(ends, f"{kind}-{fault}-{at}", fault, at)
            outcomes[outcome.error.partition(":")[0] or "finished"] += 1
        seconds = time.monotonic() - began
        print(f"  {fault}: {dict(outcomes)}, {seconds:.0f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
