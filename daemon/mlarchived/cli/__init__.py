"""The `mlarchived` command: one module per verb.

The only room that reads the environment, prints, or decides how the process ends.
"""

import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and say how it ended."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if "run" in words:
        # Before all that takes time: to reload is no reason to end, and nothing is read yet.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from mlarchived.cli.command import run

    return run(words)
