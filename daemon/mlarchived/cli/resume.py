"""`mlarchived resume`: let the service work on a mirror again."""

import argparse
from collections.abc import Mapping

from mlarchived.cli.directing import add_mirror, hurry
from mlarchived.cli.pause import Paused
from mlarchived.cli.screen import Screen
from mlarchived.configfile import read_config
from mlarchived.ledger import Ledger
from mlarchived.mirrors import chosen, resolve

SUMMARY = "let the service work on a paused mirror again"
DESCRIPTION = "Ends what `mlarchived pause` began; a running service works on the mirror at once."
EPILOG = """\
example:
  mlarchived resume models"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    add_mirror(parser)


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Resume it."""
    del environment
    setting = resolve(read_config(options.config))
    with Ledger.open(setting.state) as ledger:
        for job in chosen(setting, options.mirror):
            ledger.resume(job.name)
            screen.tell(Paused(mirror=job.name, why=""))
            screen.say(f"{job.name}: works again")
    hurry(setting, options.mirror)
    return 0
