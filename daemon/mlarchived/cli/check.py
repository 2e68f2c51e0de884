"""`mlarchived check`: is the configuration right, and can everything it names be reached?"""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlarchived.cli.ending import exit_status
from mlarchived.cli.screen import Screen, plural
from mlarchived.configfile import read_config
from mlarchived.resolving import resolve

if TYPE_CHECKING:
    from mlarchived.checking import Checked

SUMMARY = "validate the configuration and reach every registry"
DESCRIPTION = """\
Reads the configuration strictly, then tries once whether each registry answers and each folder
can be written, and whether `monitoring` can listen and knows its addresses. Always connects;
changes nothing."""
EPILOG = """\
example:
  mlarchived check
  mlarchived --config /etc/mlarchived/mirror.toml check --json

a configuration:
  [registries.prod]
  locator = "mlflow+http://127.0.0.1:5000"
  [registries.dr]
  locator = "mlflow+http://127.0.0.1:5001"
  [[mirror]]
  name = "wine"
  source = "prod#models/*"
  vault = "vault"
  targets = ["dr"]

exit status: 0 all can be used; 10 the configuration is wrong; 11 something is not there; 12 or 21
something does not answer; what is wrong has its own where all of it is alike, else 22"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing: this verb understands the common options alone."""
    del parser


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Try everything, and say of each whether it can be used."""
    from mlarchived.checking import check

    file = read_config(options.config)
    setting = resolve(file)
    screen.say(f"{options.config}: {plural(len(setting.jobs), 'mirror')}, every key understood")
    found = []
    for checked in check(file, setting, environment):
        screen.tell(checked)
        screen.say(_line(checked))
        if checked.hint:
            screen.say(f"          hint: {checked.hint}")
        found.append(checked)
    wrong = sum(1 for checked in found if checked.error)
    screen.say(f"{plural(wrong, 'thing')} cannot be used" if wrong else "all can be used")
    return exit_status(checked.exit_status for checked in found)


def _line(checked: "Checked") -> str:
    where = f" ({checked.where})" if checked.where else ""
    return f"  {checked.thing:<8} {checked.name}{where}: {checked.error or 'ok'}"
