"""`mlarchive split`: a file becomes volumes that fit discs."""

import argparse
from pathlib import Path

from mlarchive.cli import wording
from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.errors import UsageError

SUMMARY = "cut a package, or any file, into volumes"
DESCRIPTION = """\
Cut a file into volumes of a size, in a new folder. Each says itself which it is, of which set, and
has a digest; what the files are called does not matter. The same file, cut again, gives the same
volumes, so that a lost one can be made anew.
"""
EXAMPLES = """\
examples:
  mlarchive split wine-3.mlpkg --volume-size dvd -o discs
  mlarchive split wine-3.mlpkg --volume-size dvd -o again --only 7
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("file", metavar="FILE", type=place, help="any file")
    add_volume_size(parser, required=True)
    parser.add_argument(
        "-o", "--output", required=True, type=place, metavar="DIR", help="a new folder"
    )
    parser.add_argument("--only", type=int, default=0, metavar="N", help="write this volume alone")


def add_volume_size(parser: "argparse._ActionsContainer", *, required: bool = False) -> None:
    """How long a volume may be."""
    parser.add_argument(
        "--volume-size",
        required=required,
        metavar="SIZE",
        help="cd, dvd, bd, fat32, or such as 4GiB: the size of a volume at most",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Split it."""
    from mlarchive.package.volumes.sizes import volume_size
    from mlarchive.volumes import split_file

    size = volume_size(arguments.volume_size)
    folder = new_place(arguments.output)
    path = Path(arguments.file)
    if arguments.only < 0:
        raise UsageError("volumes are numbered from 1")
    with console.progress(f"splitting {path.name}") as progress:
        volumes = split_file(path, folder, size, only=arguments.only, progress=progress)
    total = sum(volume.length for volume in volumes)
    console.document(
        {
            "path": str(folder),
            "set": volumes[0].set_id.hex(),
            "bytes": total,
            "volumes": [
                {"name": volume.path.name, "number": volume.number, "sha256": volume.digest.hex()}
                for volume in volumes
            ],
        }
    )
    console.say(f"{folder}: {wording.count(len(volumes), 'volume')}, {wording.size(total)}")
    return 0
