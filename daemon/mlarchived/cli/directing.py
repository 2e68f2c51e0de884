"""What the verbs have in common that direct a running service."""

import argparse
import contextlib
from collections.abc import Iterator

from mlarchive.errors import UnavailableError
from mlarchived.control import Request, ask
from mlarchived.ledger import Ledger
from mlarchived.mirrors import Setting, chosen


def add_mirror(parser: argparse.ArgumentParser) -> None:
    """Add the mirrors that are meant."""
    parser.add_argument(
        "mirror", nargs="?", default="", metavar="MIRROR", help="only this mirror (default: all)"
    )


def add_object(parser: argparse.ArgumentParser, which: str) -> None:
    """Add the objects that are meant."""
    parser.add_argument(
        "--object", default="", metavar="PATTERN", help=f"{which} objects with such an address"
    )


def ledger_of_each(setting: Setting, mirror: str) -> Iterator[tuple[Ledger, str]]:
    """The ledger, with the name of each mirror that is meant.

    Raises:
        UsageError: There is no such mirror.
        MlarchiveError: The ledger cannot be used.
    """
    with Ledger.open(setting.state) as ledger:
        for job in chosen(setting, mirror):
            yield ledger, job.name


def hurry(setting: Setting, mirror: str) -> None:
    """Let a service work on a mirror now, if one runs.

    Raises:
        MlarchiveError: One runs, and refuses.
    """
    with contextlib.suppress(UnavailableError):
        ask(setting.state, Request(verb="sync-now", mirror=mirror))
