"""`mlarchive fold`: a thin package and those that it leans on become a full one."""

import argparse

from mlarchive.cli.bases import add_bases, lenders
from mlarchive.cli.commandline import add_dry_run, new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.objects import package_path
from mlarchive.cli.pack import report
from mlarchive.cli.wants import tell_want

SUMMARY = "make a full package of a thin one and what it leans on"
DESCRIPTION = """\
Write a package that holds all of its bytes itself, with the same content_id and state_id. What is
signed stays so, for these two ids, and not for the new package_id. The thin one and those that it
leans on stay as they are.
"""
EXAMPLES = """\
examples:
  mlarchive fold wine-4-thin.mlpkg --base wine-3.mlpkg -o wine-4.mlpkg
  mlarchive fold wine-4-thin.mlpkg --base vault:vault -o wine-4.mlpkg
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("package", metavar="PACKAGE", help="FILE.mlpkg")
    add_bases(parser)
    parser.add_argument(
        "-o", "--output", required=True, type=place, metavar="OUT", help="the new FILE.mlpkg"
    )
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Fold."""
    from mlarchive.fold import fold
    from mlarchive.transfer.wants import want

    path, out = package_path(arguments.package), new_place(arguments.output)
    with lenders(arguments.base, console) as others, others.open(path) as package:
        if arguments.dry_run:
            return tell_want(want(package, str(path)), console)
        with console.progress("folding", package.raw_size) as progress:
            packed = fold(package, out, progress=progress)
        report(packed, package.meaning.address, console)
        if package.signatures() and packed.package_id != package.package_id:
            console.note(
                "its signatures hold for content and state alone: where a policy wants the package"
                " signed, `mlarchive sign` it again"
            )
    return 0
