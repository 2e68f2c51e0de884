"""`mlarchived pause`: let the service leave a mirror alone."""

import argparse
from collections.abc import Mapping

from msgspec import Struct

from mlarchived.cli.directing import add_mirror, ledger_of_each
from mlarchived.cli.screen import Screen
from mlarchived.configfile import read_config
from mlarchived.resolving import resolve

SUMMARY = "let the service leave a mirror alone"
DESCRIPTION = """\
Nothing is done for the mirror by `mlarchived run` until `mlarchived resume`, also after a
restart; a step at hand ends first. What is dropped is still taken into its vault. `mlarchived
once` works on it all the same. Works whether a service runs or not."""
EPILOG = """\
example:
  mlarchived pause models --why "the clinic moves its server"
  mlarchived resume models

exit status: 0 done; 2 no such mirror; 10 the configuration is wrong"""


class Paused(Struct, frozen=True, kw_only=True, tag_field="event", tag="paused"):
    """A mirror is paused, for a program.

    Attributes:
        mirror: Its name.
        why: Why; "" if it works again.
    """

    mirror: str
    why: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    add_mirror(parser)
    parser.add_argument(
        "--why", default="paused by a person", help="for others to read in `status`"
    )


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Pause it."""
    del environment
    setting = resolve(read_config(options.config))
    for ledger, mirror in ledger_of_each(setting, options.mirror):
        ledger.pause(mirror, options.why)
        screen.tell(Paused(mirror=mirror, why=options.why))
        screen.say(f"{mirror}: paused")
    return 0
