"""`mlarchived sync-now`: let the running service bring mirrors up to date at once."""

import argparse
import contextlib
from collections.abc import Mapping

from msgspec import Struct

from mlarchive.errors import ConfigError, UnavailableError
from mlarchived.cli.directing import add_mirror
from mlarchived.cli.screen import Screen
from mlarchived.configfile import likely_state, read_config
from mlarchived.control import Request, ask
from mlarchived.ledger import Ledger
from mlarchived.mirrors import chosen
from mlarchived.resolving import resolve

SUMMARY = "let the running service bring mirrors up to date at once"
DESCRIPTION = """\
As if their time had come; what is at work on them does one more round when it has ended. Does not
wait. Only the user that the service runs as may tell it so, by the socket in its state folder."""
EPILOG = """\
example:
  mlarchived sync-now models

exit status: 0 it was told; 2 no such mirror; 10 the configuration is wrong; 12 no service runs, or
it is being stopped or does not answer"""


class Told(Struct, frozen=True, kw_only=True, tag_field="event", tag="told"):
    """The service was told to work on a mirror, for a program.

    Attributes:
        mirror: The mirror's name.
        paused: Why it does nothing for it all the same; "" if it does.
    """

    mirror: str
    paused: str = ""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    add_mirror(parser)


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Tell it."""
    del environment
    request = Request(verb="sync-now", mirror=options.mirror)
    try:
        setting = resolve(read_config(options.config))
    except ConfigError:
        # A service that runs has an older configuration, and can be told all the same.
        with contextlib.suppress(UnavailableError):
            ask(likely_state(options.config), request)
            screen.say("told; the service has the configuration that was right last")
        raise
    jobs = chosen(setting, options.mirror)
    ask(setting.state, request)
    with Ledger.look(setting.state) as ledger:
        for job in jobs:
            paused = ledger.paused(job.name)
            screen.tell(Told(mirror=job.name, paused=paused))
            waits = f", but it is paused: {paused}; `mlarchived resume` ends that" if paused else ""
            screen.say(f"{job.name}: told{waits}")
    return 0
