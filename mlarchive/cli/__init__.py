"""The `mlarchive` command, a module per verb; nothing else reads the environment or prints."""

import sys

try:
    from mlarchive.cli.main import main
except KeyboardInterrupt:  # pragma: no cover  (before there is anything to tidy up)
    sys.exit(130)

__all__ = ["main"]
