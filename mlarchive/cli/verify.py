"""`mlarchive verify`: is every byte as it was stored?"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import locators
from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE, Ending
from mlarchive.errors import MENDING, NotFoundError, UsageError

if TYPE_CHECKING:
    from mlarchive.checking import Checked
    from mlarchive.registries.locator import Locator

SUMMARY = "check that packages are as they were stored, to the last byte"
DESCRIPTION = """\
Read packages whole and compare every chunk with its hash, every file and document with its
digest. Damage anywhere makes the exit status 4. Chunks that a thin package leaves to another
are counted; in a vault they are checked too. From a pipe (- is standard input) every chunk and
document is checked as it goes by, but files are not put together.
"""
EXAMPLES = """\
examples:
  mlarchive verify wine-3.mlpkg resnet50.mlpkg
  mlarchive verify vault:vault --json
  ssh lab cat wine-3.mlpkg | tee wine-3.mlpkg | mlarchive verify -
"""

STANDARD_INPUT = "-"

_NOTES = {
    "full": "",
    "quick": "  stored bytes only: chunks were not decoded, files not compared",
    "forward": "  as it went by: files were not put together",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="FILE.mlpkg, vault:DIR or -")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="compare stored bytes alone: whether the file is the one that was written",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Verify everything."""
    words: list[str] = arguments.packages
    if words.count(STANDARD_INPUT) > 1:
        raise UsageError("standard input can be read once", hint="name - once")
    # A file that was carried may have lost its suffix, or have another while it comes.
    others = [word for word in words if word != STANDARD_INPUT and not Path(word).is_file()]
    places = {word: locators([word])[0] for word in others}
    for locator in places.values():
        if locator.scheme not in {"package", "vault"}:
            raise UsageError(
                f"{locator.text} is no package and no vault", hint="name FILE.mlpkg or vault:DIR"
            )
    if STANDARD_INPUT in words and (sys.stdin.isatty() or arguments.quick):
        raise UsageError(
            "from standard input a package is verified as it goes by",
            hint="send it through a pipe, and leave --quick out",
        )
    end = Ending()
    for word in words:
        with end.outlasting(word, console):
            if word == STANDARD_INPUT:
                end.take(_verify_standard_input(console))
            elif word not in places:
                end.take(_verify_file(Path(word), console, quick=arguments.quick))
            else:
                end.take(_verify(places[word], console, quick=arguments.quick))
    return end.status


def _verify_standard_input(console: Console) -> int:
    from mlarchive.checking import verify_stream

    with console.progress("verifying") as progress:
        checked = verify_stream(sys.stdin.buffer, "standard input", progress)
    return _tell(checked, console)


def _verify_file(path: Path, console: Console, *, quick: bool) -> int:
    from mlarchive.checking import verify_file

    with console.progress(f"verifying {path.name}") as progress:
        checked = verify_file(path, progress, quick=quick)
    return _tell(checked, console)


def _verify(locator: "Locator", console: Console, *, quick: bool) -> int:
    from mlarchive.checking import verify_vault
    from mlarchive.vault import Vault

    path = Path(locator.registry)
    if locator.scheme == "package":
        return _verify_file(path, console, quick=quick)
    if not path.is_dir():
        raise NotFoundError(f"{path} is not a folder", hint="check the path after vault:")
    status, seen = 0, False
    with Vault.open(path) as vault, console.progress("verifying") as progress:
        for checked in verify_vault(vault, progress, quick=quick):
            status = max(status, _tell(checked, console))
            seen = True
    if not seen:
        raise NotFoundError(
            f"{locator.origin} holds no packages",
            hint="check the path, and that the disk it is on is mounted",
        )
    return status


def _tell(checked: "Checked", console: Console) -> int:
    console.document(checked)
    for warning in checked.warnings:
        console.note(f"warning: {checked.path}: {warning}")
    if not checked.ok:
        console.say(f"DAMAGED  {checked.path}: {checked.damage}")
        if checked.how != "forward":
            console.note(f"hint: {MENDING}")
        return DAMAGE
    absent = wording.count(checked.missing, "chunk")
    thin = f"  thin, {absent} elsewhere not checked" if checked.missing else ""
    deltas = wording.count(checked.not_decoded, "chunk")
    undecoded = f", {deltas} not decoded" if checked.not_decoded else ""
    note = _NOTES[checked.how] + undecoded
    console.say(f"ok  {checked.path}  {wording.size(checked.size)}{thin}{note}")
    return 0
