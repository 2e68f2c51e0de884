"""`mlarchive join`: volumes become the file that they were cut from."""

import argparse
from pathlib import Path

from mlarchive.cli import wording
from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console

SUMMARY = "put volumes together"
DESCRIPTION = """\
Put the volumes of a set together into the file that they were cut from. Each is compared with its
digest; one that is missing, damaged, there twice or of another set is named. What reads packages
takes volumes as they are, without this: name the folder, if it ends in .mlpkg, or one volume.
"""
EXAMPLES = """\
examples:
  mlarchive join discs -o wine-3.mlpkg
  mlarchive join discs/wine-3.00001.mlvol -o wine-3.mlpkg
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "volumes",
        metavar="VOLUMES",
        type=place,
        help="a folder, or one volume in it",
    )
    parser.add_argument("-o", "--output", required=True, type=place, metavar="OUT", help="new file")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Join them."""
    from mlarchive.volumes import join_files

    out = new_place(arguments.output)
    with console.progress("joining") as progress:
        total = join_files(Path(arguments.volumes), out, progress)
    console.document({"path": str(out), "bytes": total})
    console.say(f"{out}: {wording.size(total)}")
    return 0
