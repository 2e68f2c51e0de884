"""`mlarchive ls`: what a registry, a vault or a package holds."""

import argparse
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import add_archived, locators, moment
from mlarchive.cli.console import Console
from mlarchive.cli.documents import complete, known
from mlarchive.cli.ending import Ending
from mlarchive.cli.filters import add_filters, wanted
from mlarchive.cli.objects import opened, require_whole, tell_unlisted
from mlarchive.errors import DamageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlarchive.registries.base import Listing, Source
    from mlarchive.registries.locator import Locator

SUMMARY = "list what a registry, a vault or a package holds"
DESCRIPTION = """\
List objects, one in a line: what to write after the # to name it, its size, and what else is
known. A package lists its records. With --files, the files of each object too. Of all that is meant
those are listed that fit all that is asked; a vault is searched by the last values of metrics too.
"""
EXAMPLES = """\
examples:
  mlarchive ls mlflow+http://127.0.0.1:5000
  mlarchive ls 'mlflow+http://127.0.0.1:5000#models/w*'
  mlarchive ls 'mlflow+http://127.0.0.1:5000#models' --stage Production --stage None --json
  mlarchive ls 'mlflow+http://127.0.0.1:5000#runs' --experiment wine --since 2026-01-01
  mlarchive ls vault:vault --json
  mlarchive ls 'vault:vault#models/w*' --metric 'auc>0.9' --tag team=cellar --since 2026-01-01
  mlarchive ls wine-3.mlpkg --files
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "locators", nargs="+", metavar="LOCATOR", help="a locator; see mlarchive -h"
    )
    parser.add_argument("--files", action="store_true", help="list the files of each object too")
    add_archived(parser)
    add_filters(parser, of_vaults=True)
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="KEY[=VALUE]",
        help="only objects with this tag; of a vault: of which a record has it; repeatable",
    )
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="CONDITION",
        help="of a vault: objects with a metric whose last value is so, such as 'auc>0.9' "
        "(< <= > >= = !=); repeatable",
    )
    for name, says in (("since", "at this time or later"), ("until", "before this time")):
        parser.add_argument(
            f"--{name}",
            type=moment,
            default=0,
            metavar="TIME",
            help=f"only what was made, or a run that was started, {says}; 2026-03-05 (UTC)",
        )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """List everything that the locators name."""
    end = Ending()
    for locator in locators(arguments.locators, archived=arguments.archived):
        require_whole(locator)
        with opened(locator, console) as source:
            end.owe(source, locator, console)
            listings = list(_found(source, locator, arguments))
            lags = end.lag(source, console)
            if arguments.files:
                _list_files(source, listings, locator, console)
            else:
                _list_objects(listings, console, is_all=not lags)
            _tell_damaged(listings, end, console)
            chosen = wanted(arguments, locator, labelling=False)
            tell_unlisted(source, console, wanted=chosen)
    return end.status


def _found(
    source: "Source", locator: "Locator", arguments: argparse.Namespace
) -> "Iterable[Listing]":
    from mlarchive.registries.filtering import Chooser

    chooser = Chooser(wanted(arguments, locator, labelling=False), locator.origin)
    found = chooser(_searched(source, locator, arguments))
    chooser.check()
    return found


def _searched(
    source: "Source", locator: "Locator", arguments: argparse.Namespace
) -> "Iterable[Listing]":
    """What a locator means; of a vault, what its catalogue finds of that."""
    if not any((arguments.tag, arguments.metric, arguments.since, arguments.until)):
        return source.ls(locator.selector)
    from mlarchive.registries.vaultregistry import VaultRegistry
    from mlarchive.vault import MetricCondition, Search

    if not isinstance(source, VaultRegistry):
        if arguments.metric:
            raise UsageError(
                f"{locator.text} is no vault, and only vaults are searched by metrics",
                hint="name vault:DIR, or leave --metric out",
            )
        return source.ls(locator.selector)
    search = Search(
        # Patterns are for the filter; the catalogue knows whole values.
        tags={key: value for key, value in map(_tag, arguments.tag) if not {*"*?"} & {*value}},
        metrics=tuple(MetricCondition.parse(text) for text in arguments.metric),
        since=arguments.since,
        until=arguments.until,
    )
    return source.search(locator.selector, search)


def _tell_damaged(listings: "list[Listing]", end: Ending, console: Console) -> None:
    """Tell once of each object that is there and cannot be read why that is, and what it costs."""
    named = [(one.address, why) for one in listings if (why := one.facts.get("damaged"))]
    for address, why in dict.fromkeys(named):
        with end.outlasting(address, console):
            raise DamageError(why)


def _tag(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _list_objects(listings: "list[Listing]", console: Console, *, is_all: bool) -> None:
    rows = []
    for listing in listings:
        console.document({"object": _inside(listing), **_document(listing)})
        # Aliases that the title tells are not told again.
        told = {"aliases"} if listing.title.startswith("@") else set()
        facts = "  ".join(
            f"{name} {text}" for name, text in listing.facts.items() if name not in told
        )
        rows.append((_inside(listing), wording.size(listing.size), listing.title, facts))
    for line in wording.table(rows, right=frozenset({1})):
        console.say(line)
    if not listings and is_all:
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


def _document(listing: "Listing") -> "dict[str, object]":
    """A listing with what its object may be chosen by, flat."""
    plain = complete(listing)
    traits = plain.pop("traits")
    return {
        **plain,
        **traits,
        "aliases": traits["aliases"] or [],
        "tags": traits["tags"] or {},
        "experiments": traits["experiments"] or [],
    }


def _inside(listing: "Listing") -> str:
    """What names the object after the `#`."""
    return str(listing.address).rpartition("#")[2]
