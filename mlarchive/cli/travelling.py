"""`--with-wheels`: the environment of what is packed travels with it."""

import argparse
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlarchive.cli.console import Console
from mlarchive.cli.objects import scratch_home
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlarchive.snapshot import Snapshot


def add_wheels(parser: argparse.ArgumentParser) -> None:
    """Whether the environment travels, and for which machines."""
    group = parser.add_argument_group("to install it where there is no network (spec/wheels.md)")
    group.add_argument(
        "--with-wheels",
        action="store_true",
        help="pack the wheels that its requirements ask for; pip finds them",
    )
    group.add_argument(
        "--wheels-for",
        action="append",
        default=[],
        metavar="PLATFORM:PYTHON",
        help="for such a machine, as linux_x86_64:3.11; may be repeated; this one by default",
    )


@contextmanager
def travelling(
    snapshot: "Snapshot", arguments: argparse.Namespace, console: Console
) -> "Iterator[Snapshot]":
    """The snapshot, with its wheels if they are wanted; they are there within the block.

    Raises:
        UsageError: A machine is named, and no wheels are wanted; or what is named is none.
        MlarchiveError: As `with_wheels`.
    """
    if arguments.wheels_for and not arguments.with_wheels:
        raise UsageError("--wheels-for goes with --with-wheels")
    if not arguments.with_wheels:
        yield snapshot
        return
    from mlarchive.wheels import machine, with_wheels

    machines = [machine(text) for text in arguments.wheels_for]
    with with_wheels(snapshot, machines, scratch_home(console)) as whole:
        yield whole
