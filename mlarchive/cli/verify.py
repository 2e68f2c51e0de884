"""`mlarchive verify`: is every byte as it was stored?"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.bases import add_bases, lenders
from mlarchive.cli.commandline import locators
from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE, Ending
from mlarchive.errors import MENDING, MENDING_OTHERWISE, NO_PACKAGE, NotFoundError, UsageError

if TYPE_CHECKING:
    from mlarchive.checking import Checked
    from mlarchive.package import Lenders
    from mlarchive.registries.locator import Locator

SUMMARY = "check that packages are as they were stored, to the last byte"
DESCRIPTION = """\
Read packages whole and compare every chunk with its hash, every file and document with its
digest. Damage anywhere makes the exit status 4. Chunks that a thin package leaves to another
are counted; in a vault, or if --base names the other, they are checked too. From a pipe (- is
standard input) every chunk and document is checked as it goes by, but files are not put together.
"""
EXAMPLES = """\
examples:
  mlarchive verify wine-3.mlpkg resnet50.mlpkg
  mlarchive verify vault:vault --json
  mlarchive verify wine-3.mlpkg --trust policy.toml
  mlarchive verify disc/wine-3.00007.mlvol                 one volume, without the others
  ssh lab cat wine-3.mlpkg | tee wine-3.mlpkg | mlarchive verify -
"""

STANDARD_INPUT = "-"

_NOTES = {
    "full": "",
    "quick": "  stored bytes only: chunks were not decoded, files not compared",
    "forward": "  as it went by: files were not put together",
    "volume": "  one volume alone",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="FILE.mlpkg, vault:DIR or -")
    add_bases(parser)
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
    named = [word for word in words if word != STANDARD_INPUT and not Path(word).exists()]
    places = {word: locators([word])[0] for word in named}
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
    if STANDARD_INPUT in words and console.trust:
        from mlarchive.checking import not_from_a_pipe

        raise not_from_a_pipe()
    from mlarchive.package.volumes.reading import holds_volumes

    end = Ending()
    with lenders(arguments.base, console) as others:
        for word in words:
            with end.outlasting(word, console):
                if word == STANDARD_INPUT:
                    end.take(_verify_standard_input(console))
                elif holds_volumes(Path(word)):
                    end.take(_verify_volumes(Path(word), others, console, quick=arguments.quick))
                elif word not in places or places[word].scheme == "package":
                    path = Path(places[word].registry if word in places else word)
                    end.take(_verify_file(path, others, console, quick=arguments.quick))
                else:
                    end.take(_verify_vault(places[word], end, console, quick=arguments.quick))
    return end.status


def _verify_standard_input(console: Console) -> int:
    from mlarchive.checking import verify_stream

    with console.progress("verifying") as progress:
        checked = verify_stream(sys.stdin.buffer, "standard input", progress)
    return _tell(checked, console)


def _verify_file(path: Path, others: "Lenders", console: Console, *, quick: bool) -> int:
    from mlarchive.checking import verify_file

    with console.progress(f"verifying {path.name}") as progress:
        checked = verify_file(path, progress, quick=quick, lenders=others, trust=console.trust)
    return _tell(checked, console)


def _verify_volumes(path: Path, others: "Lenders", console: Console, *, quick: bool) -> int:
    """Verify one volume alone, or all of a folder and then what they are parts of."""
    from mlarchive.checking import verify_one_volume
    from mlarchive.package.volumes.reading import find_set

    alone = path.is_file()
    if alone and console.trust:
        raise UsageError(
            f"{path} is one volume, and signatures are of the whole package",
            hint="verify the folder that all volumes are in; or leave the policy out, to check the"
            " bytes of this one alone",
        )
    status = 0
    places = [path] if alone else [volume.path for volume in find_set(path)]
    with console.progress(f"verifying {path.name}") as progress:
        for place in places:
            checked = verify_one_volume(place, progress)
            if alone or not checked.ok:
                status = max(status, _tell(checked, console))
    if alone or status:
        return status
    return _verify_file(path, others, console, quick=quick)


def _verify_vault(locator: "Locator", end: Ending, console: Console, *, quick: bool) -> int:
    from mlarchive.checking import verify_vault
    from mlarchive.vault import Vault

    path = Path(locator.registry)
    if not path.is_dir():
        raise NotFoundError(f"{path} is not a folder", hint="check the path after vault:")
    status, seen = 0, False
    with (
        Vault.open(path, trust=console.trust) as vault,
        console.progress("verifying") as progress,
    ):
        for refusal in vault.refused:
            with end.outlasting(path, console):
                seen = True
                raise refusal
        for checked in verify_vault(vault, progress, quick=quick, trust=console.trust):
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
        if checked.how == "volume":
            console.note(f"hint: {MENDING_OTHERWISE}")
        elif checked.how != "forward":
            no_package = (checked.damage or "").startswith("E001:")
            console.note(f"hint: {NO_PACKAGE if no_package else MENDING}")
        return DAMAGE
    absent = wording.count(checked.missing, "chunk")
    thin = f"  thin, {absent} elsewhere not checked" if checked.missing else ""
    deltas = wording.count(checked.not_decoded, "chunk")
    undecoded = f", {deltas} not decoded" if checked.not_decoded else ""
    note = _NOTES[checked.how] + undecoded
    signed = f"  signed by {', '.join(checked.signed_by)}" if checked.signed_by else ""
    number = f"  volume {checked.volume}" if checked.volume else ""
    console.say(f"ok  {checked.path}{number}  {wording.size(checked.size)}{thin}{signed}{note}")
    return 0
