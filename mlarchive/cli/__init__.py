"""The `mlarchive` command, a module per verb; nothing else reads the environment or prints."""

from mlarchive.cli.main import main

__all__ = ["main"]
