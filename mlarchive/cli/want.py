"""`mlarchive want`: what a thin package lacks, before anything is written."""

import argparse
from pathlib import Path

from mlarchive.cli.bases import add_bases, lenders
from mlarchive.cli.commandline import place
from mlarchive.cli.console import Console
from mlarchive.cli.objects import package_path
from mlarchive.cli.wants import tell_want

SUMMARY = "say what a thin package lacks"
DESCRIPTION = """\
Say which chunks a package leaves to others, which of them are in none of the bases that are named,
and which files need them. Nothing is written, no chunk is read.

exit status: 0 nothing is missing, 17 something is; others as in mlarchive -h
"""
EXAMPLES = """\
examples:
  mlarchive want wine-4-thin.mlpkg
  mlarchive want wine-4-thin.mlpkg --base vault:vault
  mlarchive want wine-4-thin.mlpkg --have clinic.have --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("package", metavar="PACKAGE", help="FILE.mlpkg")
    add_bases(parser)
    parser.add_argument(
        "--have", type=place, metavar="FILE", help="what another side holds, by `mlarchive have`"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Say what is missing."""
    from mlarchive.transfer.havelist import read_have
    from mlarchive.transfer.wants import want

    held = read_have(Path(arguments.have), console.trust).chunks if arguments.have else frozenset()
    path = package_path(arguments.package)
    with lenders(arguments.base, console) as others, others.open(path) as package:
        return tell_want(want(package, str(path), held), console)
