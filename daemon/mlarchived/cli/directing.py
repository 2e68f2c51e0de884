"""What the verbs have in common that direct a running service."""

import argparse
import contextlib

from mlarchive.errors import UnavailableError
from mlarchived.control import Request, ask
from mlarchived.mirrors import Setting


def add_mirror(parser: argparse.ArgumentParser) -> None:
    """Add the mirrors that are meant."""
    parser.add_argument(
        "mirror", nargs="?", default="", metavar="MIRROR", help="only this mirror (default: all)"
    )


def hurry(setting: Setting, mirror: str) -> None:
    """Let a service work on a mirror now, if one runs.

    Raises:
        MlarchiveError: One runs, and refuses.
    """
    with contextlib.suppress(UnavailableError):
        ask(setting.state, Request(verb="sync-now", mirror=mirror))
