"""`mlarchive extract`: the files of a package into a new folder."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.bases import add_bases
from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.documents import known
from mlarchive.cli.ending import WITH_LOSSES
from mlarchive.cli.objects import one_object
from mlarchive.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from mlarchive.registries.locator import Locator

SUMMARY = "write the files of a package into a new folder"
DESCRIPTION = """\
Write files into a new folder, which appears when all of them are there and verified. Nothing is
ever written outside of it. The files of a folder, and of an object named after the #, stand at
its top; else each record has a folder of its own, and metric histories are CSV files.
"""
EXAMPLES = """\
examples:
  mlarchive extract resnet50.mlpkg                      into ./resnet50
  mlarchive extract wine-3.mlpkg -C /tmp/wine
  mlarchive extract 'wine-3.mlpkg#models/wine/3' -C model   the model's own files
  mlarchive extract wine-3.mlpkg -C plots run-1/files/plots
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("package", metavar="PACKAGE", help="FILE.mlpkg, or any other locator")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders; all if none")
    parser.add_argument(
        "-C",
        "--directory",
        type=place,
        metavar="DIR",
        help="the new folder; named as the package by default",
    )
    add_bases(parser)
    parser.add_argument("--dry-run", action="store_true", help="list the files, write nothing")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Extract."""
    from mlarchive.inspect import chosen, leaves
    from mlarchive.package import extract

    opened = one_object(arguments.package, console, arguments.base, files=True)
    with opened as (locator, snapshot, _):
        folder = _folder(arguments.directory, locator)
        paths = arguments.paths or [path for path in (locator.selector.path,) if path]
        found = chosen(leaves(snapshot, alone=bool(locator.selector.name)), paths)
        if arguments.dry_run:
            for leaf in found:
                console.document({"path": leaf.path, "size": known(leaf.size)})
                console.say(f"would write {folder / leaf.path} ({wording.size(leaf.size)})")
            return 0
        _make_way(folder)
        with console.progress("extracting", sum(leaf.size for leaf in found)) as progress:
            streams = (leaf.as_file() for leaf in found)
            total = extract(streams, folder, progress=progress)
    lost = snapshot.losses
    console.document(
        {"path": str(folder), "files": len(found), "bytes": total, "read_losses": lost}
    )
    console.say(f"{folder}: {wording.count(len(found), 'file')}, {wording.size(total)}")
    console.losses(lost)
    return WITH_LOSSES if lost else 0


def _folder(given: str | None, locator: "Locator") -> Path:
    if given:
        return new_place(given)
    if locator.scheme != "package":
        raise UsageError("which folder?", hint="name a new one with -C")
    return Path(Path(locator.registry).stem)


def _make_way(folder: Path) -> None:
    """See that the folder can be made, and sweep what a killed command left beside it."""
    from mlarchive import fsops
    from mlarchive.registries.directory import refuse_working_folder

    with fsops.explaining(folder, "read"):
        taken = folder.is_symlink() or (
            folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        )
    if taken:
        raise ConflictError(
            f"{folder} exists already", hint="name a new folder with -C, or remove this one"
        )
    refuse_working_folder(folder)
    fsops.remove_stale_temporaries(folder.parent, deep=False)
