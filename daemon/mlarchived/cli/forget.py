"""`mlarchived forget`: miss nothing in a vault or target of what its source shows no more."""

import argparse
from collections.abc import Mapping

from msgspec import Struct

from mlarchive.errors import NotFoundError, UsageError
from mlarchived.cli.directing import add_mirror, add_object, ledger_of_each
from mlarchived.cli.screen import Screen, plural
from mlarchived.configfile import read_config
from mlarchived.resolving import resolve

SUMMARY = "let nobody miss any longer what its source shows no more"
DESCRIPTION = """\
Of what its source shows no more, a mirror keeps count in its vault, and sets aside what is lost
from there, or from a target to which nobody can give it again, or never came to one. So it does of
what was dropped into a folder that it had, and waits there for another package. Objects that are
forgotten may be lost in silence. Nothing is removed anywhere; what is in the vault stays, and what
the source shows again counts again."""
EPILOG = """\
example:
  mlarchived forget models --object 'lab#models/wine/3'

exit status: 0 something is forgotten; 2 no such mirror, or no `--object`; 10 the configuration is
wrong; 11 nothing fits of which anybody keeps count"""


class Forgotten(Struct, frozen=True, kw_only=True, tag_field="event", tag="forgotten"):
    """A vault misses objects no longer, for a program.

    Attributes:
        mirror: The mirror's name.
        objects: How many.
    """

    mirror: str
    objects: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    add_mirror(parser)
    add_object(parser, "the")


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Forget them."""
    del environment
    setting = resolve(read_config(options.config))
    if not options.object:
        raise UsageError("say which objects are forgotten", hint="--object PATTERN; '*' for all")
    missed = 0
    for ledger, mirror in ledger_of_each(setting, options.mirror):
        count = ledger.forget(mirror, options.object)
        missed += count
        screen.tell(Forgotten(mirror=mirror, objects=count))
        screen.say(f"{mirror}: {plural(count, 'object')} forgotten")
    if not missed:
        raise NotFoundError(
            f"nothing of which somebody keeps count, and that its source shows no more, fits"
            f" {options.object!r}",
            hint="`mlarchived status` names what is missed; * and ? stand for any letters",
        )
    return 0
