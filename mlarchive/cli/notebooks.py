"""Options about the notebooks of runs (`spec/notebooks.md`)."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import place
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from mlarchive.records import Address
    from mlarchive.snapshot import Snapshot


def add_notebooks(parser: argparse.ArgumentParser) -> None:
    """Which notebooks travel with the runs that they made."""
    group = parser.add_argument_group("notebooks of runs (spec/notebooks.md)")
    group.add_argument(
        "--notebook",
        action="append",
        type=place,
        default=[],
        metavar="FILE",
        help="attach this notebook to the one run or model version that is named; may be repeated",
    )


def one_to_attach(arguments: argparse.Namespace, found: "list[Address]") -> "list[Address]":
    """What was found; to several objects no notebook is attached.

    Raises:
        UsageError: It is asked for.
    """
    if arguments.notebook and (len(found) > 1 or len(arguments.sources) > 1):
        raise UsageError(
            "--notebook attaches a file to one object, and several are named",
            hint="name one run or one model version",
        )
    return found


def refuse_notebooks(arguments: argparse.Namespace, option: str) -> None:
    """Refuse to attach a notebook to what is not read here.

    Args:
        arguments: As the command line says.
        option: What asks for something else.

    Raises:
        UsageError: It is asked for.
    """
    if arguments.notebook:
        raise UsageError(
            f"--notebook and {option} do not go together: objects are not changed on that way",
            hint="pack the object with its notebook first",
        )


def with_notebooks(snapshot: "Snapshot", arguments: argparse.Namespace) -> "Snapshot":
    """The object with the notebooks that the command line attaches.

    Raises:
        MlarchiveError: As `attached`.
    """
    if not arguments.notebook:
        return snapshot
    from mlarchive.registries.notebooks.attaching import attached

    return attached(snapshot, [Path(name) for name in arguments.notebook])
