"""`mlarchive ls`: what a registry, a vault or a package holds."""

import argparse
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import locators
from mlarchive.cli.console import Console
from mlarchive.cli.documents import complete, known
from mlarchive.cli.objects import opened

if TYPE_CHECKING:
    from mlarchive.registries.base import Listing, Source
    from mlarchive.registries.locator import Locator

SUMMARY = "list what a registry, a vault or a package holds"
DESCRIPTION = """\
List objects, one in a line: what to write after the # to name it, its size, and what else is
known. A package lists its records. With --files, the files of each object too.
"""
EXAMPLES = """\
examples:
  mlarchive ls mlflow+http://127.0.0.1:5000
  mlarchive ls 'mlflow+http://127.0.0.1:5000#models/w*'
  mlarchive ls vault:vault --json
  mlarchive ls wine-3.mlpkg --files
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "locators", nargs="+", metavar="LOCATOR", help="a locator; see mlarchive -h"
    )
    parser.add_argument("--files", action="store_true", help="list the files of each object too")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """List everything that the locators name."""
    for locator in locators(arguments.locators):
        with opened(locator, console) as source:
            listings = list(source.ls(locator.selector))
            if arguments.files:
                _list_files(source, listings, locator, console)
            else:
                _list_objects(listings, console)
    return 0


def _list_objects(listings: "list[Listing]", console: Console) -> None:
    rows = []
    for listing in listings:
        console.document({"object": _inside(listing), **complete(listing)})
        facts = "  ".join(f"{name} {text}" for name, text in listing.facts.items())
        rows.append((_inside(listing), wording.size(listing.size), listing.title, facts))
    for line in wording.table(rows, right=frozenset({1})):
        console.say(line)
    if not listings:
        console.note("nothing there")


def _list_files(
    source: "Source", listings: "list[Listing]", locator: "Locator", console: Console
) -> None:
    from mlarchive.inspect import leaves

    if locator.scheme == "package" and not locator.selector.name:
        # All records hang on the first, the package's subject.
        listings = listings[:1]
    for listing in listings:
        console.say(_inside(listing))
        found = leaves(source.read(listing.address), alone=False)
        rows = []
        for leaf in found:
            size = known(leaf.size)
            console.document({"object": _inside(listing), "path": leaf.path, "size": size})
            rows.append((wording.size(leaf.size), leaf.path))
        for line in wording.table(rows, right=frozenset({0})):
            console.say(f"  {line}")


def _inside(listing: "Listing") -> str:
    """What names the object after the `#`."""
    return str(listing.address).rpartition("#")[2]
