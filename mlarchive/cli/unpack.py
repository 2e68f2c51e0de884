"""`mlarchive unpack`: a package becomes an object of a registry."""

import argparse

from mlarchive.cli.commandline import add_dry_run, add_policy, locators, policy
from mlarchive.cli.console import Console
from mlarchive.cli.receipts import tell_plan, tell_receipt
from mlarchive.errors import UsageError

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
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("package", metavar="PACKAGE", help="FILE.mlpkg")
    targets = "mlflow+http://…, vault:DIR, mlflow-export:DIR or dir:DIR"
    parser.add_argument("target", metavar="TARGET", help=targets)
    add_policy(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Unpack one package."""
    from pathlib import Path

    from mlarchive.package import Package
    from mlarchive.registries.opening import open_target
    from mlarchive.unpack import plan_unpack, unpack

    package_locator, target_locator = locators([arguments.package, arguments.target])
    if package_locator.scheme != "package":
        raise UsageError(
            f"{arguments.package} is not a package file",
            hint="`mlarchive copy SOURCE TARGET` takes any source",
        )
    if str(package_locator) != package_locator.origin:
        raise UsageError(
            f"{arguments.package} names a part of a package, and unpack takes the whole",
            hint="`mlarchive copy SOURCE TARGET` takes a part",
        )
    with (
        Package.open(Path(package_locator.registry)) as package,
        open_target(target_locator, environment=console.environment) as target,
    ):
        if arguments.dry_run:
            plan = plan_unpack(package, target, policy(arguments))
            return tell_plan(package.meaning.address, plan, console)
        return tell_receipt(unpack(package, target, policy(arguments)), console)
