"""`mlarchived resume`: let the service work on a mirror again."""

import argparse
from collections.abc import Mapping

from mlarchived.cli.directing import add_mirror, hurry, ledger_of_each
from mlarchived.cli.pause import Paused
from mlarchived.cli.screen import Screen
from mlarchived.configfile import read_config
from mlarchived.resolving import resolve

SUMMARY = "let the service work on a paused mirror again"
DESCRIPTION = "Ends what `mlarchived pause` began; a running service works on the mirror at once."
EPILOG = """\
example:
  mlarchived resume models

exit status: 0 done; 2 no such mirror; 10 the configuration is wrong"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    add_mirror(parser)


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Resume it."""
    del environment
    setting = resolve(read_config(options.config))
    for ledger, mirror in ledger_of_each(setting, options.mirror):
        ledger.resume(mirror)
        screen.tell(Paused(mirror=mirror, why=""))
        screen.say(f"{mirror}: works again")
    hurry(setting, options.mirror)
    return 0
