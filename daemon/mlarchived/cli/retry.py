"""`mlarchived retry`: give objects that are set aside another chance."""

import argparse
from collections.abc import Mapping

from msgspec import Struct

from mlarchive.errors import NotFoundError
from mlarchived.cli.directing import add_mirror, add_object, hurry, ledger_of_each
from mlarchived.cli.screen import Screen, plural
from mlarchived.configfile import read_config
from mlarchived.resolving import resolve

SUMMARY = "give objects that are set aside another chance"
DESCRIPTION = """\
Forgets failures and what targets passed over, of all objects or of those that a pattern names. A
running service tries them at once, else the next `mlarchived once` does. What lies in a drop
folder's quarantine is none of them: mend it and drop it again."""
EPILOG = """\
example:
  mlarchived retry models --object 'lab#models/wine/*'

exit status: 0 done; 2 no such mirror; 10 the configuration is wrong; 11 nothing that waits fits
`--object`"""


class Forgiven(Struct, frozen=True, kw_only=True, tag_field="event", tag="forgiven"):
    """Objects get another chance, for a program.

    Attributes:
        mirror: The mirror's name.
        objects: How many.
    """

    mirror: str
    objects: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    add_mirror(parser)
    add_object(parser, "only")


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Forgive them."""
    del environment
    setting = resolve(read_config(options.config))
    tried = 0
    for ledger, mirror in ledger_of_each(setting, options.mirror):
        count = ledger.forgive(mirror, options.object)
        tried += count
        screen.tell(Forgiven(mirror=mirror, objects=count))
        screen.say(f"{mirror}: {plural(count, 'object')} may be tried again")
    if options.object and not tried:
        raise NotFoundError(
            f"nothing that failed or was passed over fits {options.object!r}",
            hint="`mlarchived status` names what is set aside; * and ? stand for any letters",
        )
    hurry(setting, options.mirror)
    return 0
