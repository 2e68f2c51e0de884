"""`mlarchive copy`: objects of one registry become objects of another."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import (
    add_dry_run,
    add_policy,
    locators,
    place,
    policy,
    target_policy,
)
from mlarchive.cli.console import Console
from mlarchive.cli.ending import Ending
from mlarchive.cli.objects import addresses, opened, scratch_home
from mlarchive.cli.receipts import tell_plan, tell_receipt
from mlarchive.cli.restoring import add_restore, refuse_strays, restore

if TYPE_CHECKING:
    from mlarchive.records import Address
    from mlarchive.registries.base import Source, Target

SUMMARY = "copy objects from one registry into another"
DESCRIPTION = """\
Read objects from a source and write them into a target, by way of verified packages that are
gone at the end unless --keep names a vault for them. Doing it again changes nothing.
"""
EXAMPLES = """\
examples:
  mlarchive copy mlflow+http://127.0.0.1:5000#models/wine/3 mlflow+http://127.0.0.1:5001
  mlarchive copy 'mlflow+http://127.0.0.1:5000#models/*' mlflow+http://127.0.0.1:5001 --keep vault
  mlarchive copy vault:vault#models/wine mlflow+http://127.0.0.1:5001 --dry-run
  mlarchive copy mlflow-export:old-export mlflow+http://127.0.0.1:5001
  mlarchive copy vault:vault mlflow+postgresql://db/mlflow --restore --artifacts /srv/artifacts
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a locator; see mlarchive -h")
    targets = "mlflow+http://…, vault:DIR, mlflow-export:DIR or dir:DIR"
    parser.add_argument("target", metavar="TARGET", help=targets)
    parser.add_argument("--keep", type=place, metavar="DIR", help="keep the packages in this vault")
    add_policy(parser)
    add_restore(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Copy everything that the sources name."""
    from mlarchive.registries.opening import open_target

    *sources, target_locator = locators([*arguments.sources, arguments.target])
    refuse_strays(arguments)
    if arguments.restore:
        keep = None if arguments.dry_run else arguments.keep
        return restore(sources, target_locator, arguments, console, keep=keep)
    target_policy(arguments, target_locator)
    end = Ending()
    with open_target(target_locator, environment=console.environment) as target:
        for locator in sources:
            with opened(locator, console) as source:
                for address in addresses(source, locator):
                    with end.outlasting(address, console):
                        end.take(_copy(source, address, target, arguments, console))
    return end.status


def _copy(
    source: "Source",
    address: "Address",
    target: "Target",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    from mlarchive.copy import Way, copy, plan_copy
    from mlarchive.registries.opening import packing_time
    from mlarchive.vault import Vault

    snapshot = source.read(address)
    with ExitStack() as stack:
        keeps = arguments.keep and not arguments.dry_run
        way = Way(
            scratch=scratch_home(console),
            packed_at=packing_time(console.environment),
            keep=stack.enter_context(Vault.open(Path(arguments.keep))) if keeps else None,
            progress=stack.enter_context(console.progress(f"copying {address.name}")),
        )
        if arguments.dry_run:
            plan = plan_copy(snapshot, target, policy(arguments), way)
            return tell_plan(snapshot.address, plan, console, read_losses=snapshot.losses)
        copied = copy(snapshot, target, policy(arguments), way)
    return tell_receipt(copied.receipt, console, read_losses=copied.read_losses)
