"""The `mlarchive` command, a module per verb; nothing else reads the environment or prints."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. As `command.main`, which is imported only now."""
    try:
        from mlarchive.cli import command
    except KeyboardInterrupt:  # pragma: no cover  (before there is anything to tidy up)
        return 130
    return command.main(argv)
