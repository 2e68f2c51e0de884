"""`mlarchive unpack`: a package becomes an object of a registry."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.bases import add_bases, lenders
from mlarchive.cli.commandline import (
    add_dry_run,
    add_policy,
    locators,
    refuse_renaming,
    target_policy,
)
from mlarchive.cli.console import Console
from mlarchive.cli.receipts import tell_plan, tell_receipt
from mlarchive.cli.restoring import add_restore, refuse_strays, restore
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlarchive.registries.locator import Locator

SUMMARY = "write a package into a registry, a vault or a folder"
DESCRIPTION = """\
Write what a package holds into a target. Doing it again changes nothing, and a target that
stopped half-way is finished by the same command. What the target cannot hold is listed.
"""
EXAMPLES = """\
examples:
  mlarchive unpack wine-3.mlpkg mlflow+http://127.0.0.1:5001
  mlarchive unpack wine-3.mlpkg mlflow+http://127.0.0.1:5001 --dry-run
  mlarchive unpack resnet50.mlpkg dir:resnet50
  mlarchive unpack wine-1.mlpkg wine-3.mlpkg mlflow+sqlite:///new.db --restore --artifacts files
  mlarchive unpack vault:vault mlflow+sqlite:///new.db --restore --artifacts files
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "packages",
        nargs="+",
        metavar="PACKAGE",
        help="FILE.mlpkg; with --restore several, or vault:DIR",
    )
    targets = "mlflow+http://…, azureml://…, vault:DIR, mlflow-export:DIR, innereye:DIR or dir:DIR"
    parser.add_argument("target", metavar="TARGET", help=targets)
    add_bases(parser)
    add_policy(parser)
    add_restore(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Unpack one package, or restore many."""
    *packages, target = locators([*arguments.packages, arguments.target])
    refuse_strays(arguments)
    if arguments.restore and arguments.base:
        raise UsageError(
            "--restore takes full packages, and --base is for thin ones",
            hint="make them full with `mlarchive fold`, or name the vault",
        )
    if not arguments.restore:
        return _unpack(packages, target, arguments, console)
    for package in packages:
        if package.scheme not in {"package", "vault"}:
            raise _no_package(package, target)
    return restore(packages, target, arguments, console)


def _unpack(
    packages: "Sequence[Locator]",
    target_locator: "Locator",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    from mlarchive.copy import Read
    from mlarchive.registries.opening import open_target
    from mlarchive.unpack import plan_unpack, unpack

    if len(packages) > 1:
        raise UsageError(
            f"unpack takes one package, and {len(packages)} are named",
            hint="`mlarchive copy SOURCE... TARGET` takes several; so does --restore",
        )
    (locator,) = packages
    if locator.scheme != "package":
        raise _no_package(locator, target_locator)
    if str(locator) != locator.origin:
        raise UsageError(
            f"{locator.text} names a part of a package, and unpack takes the whole",
            hint="`mlarchive copy SOURCE TARGET` takes a part",
        )
    wanted = target_policy(arguments, target_locator)
    with (
        lenders(arguments.base, console) as others,
        others.open(Path(locator.registry)) as package,
        open_target(
            target_locator,
            environment=console.environment,
            interactive=console.interactive,
        ) as target,
    ):
        refuse_renaming(package.meaning.address.kind, arguments)
        said = package.meaning
        read = Read(losses=said.losses, transformations=said.transformations)
        if arguments.dry_run:
            plan = plan_unpack(package, target, wanted)
            return tell_plan(said.address, plan, console, read)
        return tell_receipt(unpack(package, target, wanted), console, read)


def _no_package(locator: "Locator", target: "Locator") -> UsageError:
    words = shlex.join(("mlarchive", "copy", locator.text, target.text))
    return UsageError(
        f"{locator.text} is not a package file",
        hint=f"`{words}` takes all that it holds; copy takes any source",
    )
