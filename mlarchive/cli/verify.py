"""`mlarchive verify`: is every byte as it was stored?"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import locators
from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE, Ending
from mlarchive.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from mlarchive.inspect import Checked
    from mlarchive.registries.locator import Locator

SUMMARY = "check that packages are as they were stored, to the last byte"
DESCRIPTION = """\
Read packages whole and compare every chunk, file and document with its digest. Damage anywhere
makes the exit status 4. Chunks that a thin package leaves to another are counted; in a vault
they are checked too.
"""
EXAMPLES = """\
examples:
  mlarchive verify wine-3.mlpkg resnet50.mlpkg
  mlarchive verify vault:vault --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="FILE.mlpkg or vault:DIR")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Verify everything."""
    places = locators(arguments.packages)
    for locator in places:
        if locator.scheme not in {"package", "vault"}:
            raise UsageError(
                f"{locator.text} is no package and no vault", hint="name FILE.mlpkg or vault:DIR"
            )
    end = Ending()
    for locator in places:
        with end.outlasting(locator.text, console):
            end.take(_verify(locator, console))
    return end.status


def _verify(locator: "Locator", console: Console) -> int:
    from mlarchive.inspect import verify_file, verify_vault
    from mlarchive.vault import Vault

    path = Path(locator.registry)
    if locator.scheme == "package":
        with console.progress(f"verifying {path.name}") as progress:
            checked = verify_file(path, progress)
        return _tell(checked, console)
    if not path.is_dir():
        raise NotFoundError(f"{path} is not a folder", hint="check the path after vault:")
    status, seen = 0, False
    with Vault.open(path) as vault, console.progress("verifying") as progress:
        for checked in verify_vault(vault, progress):
            status = max(status, _tell(checked, console))
            seen = True
    if not seen:
        console.note(f"{locator.origin} holds no packages")
    return status


def _tell(checked: "Checked", console: Console) -> int:
    console.document(checked)
    if not checked.ok:
        console.say(f"DAMAGED  {checked.path}: {checked.damage}")
        return DAMAGE
    absent = wording.count(checked.missing, "chunk")
    thin = f"  thin, {absent} elsewhere not checked" if checked.missing else ""
    console.say(f"ok  {checked.path}  {wording.size(checked.size)}{thin}")
    return 0
