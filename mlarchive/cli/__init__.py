"""The `mlarchive` command, a module per verb; nothing else reads the environment or prints."""

import gc
from collections.abc import Sequence

_NEW_OBJECTS = 100_000
"""So many are made before Python looks for cycles among them, of which a command makes few; to look
as often as by default takes a tenth of its time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. As `command.main`, which is imported only now."""
    if argv is None:  # this process is ours
        gc.set_threshold(_NEW_OBJECTS)
    try:
        from mlarchive.cli import command
    except KeyboardInterrupt:  # pragma: no cover  (before there is anything to tidy up)
        return 130
    return command.main(argv)
