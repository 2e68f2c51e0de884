"""`mlarchive have`: the list of what one side holds, for the other to leave out."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.bases import base_paths
from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.secrets import add_signing, signing_keys
from mlarchive.errors import ConflictError, MlarchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlarchive.package import Package

SUMMARY = "list what packages hold, for the other side to leave out"
DESCRIPTION = """\
Write a have-list of packages, or of all packages of a vault: ids of what they are, and the hashes
of all chunks that can be had from them. Carried to the other side, `mlarchive pack --have` leaves
these chunks out of what it packs. A list says nothing of names of files or of what is in them.
"""
EXAMPLES = """\
examples:
  mlarchive have vault:vault -o clinic.have
  mlarchive have wine-3.mlpkg -o clinic.have
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="FILE.mlpkg or vault:DIR")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=place,
        metavar="OUT",
        help="the list; an older list of that name is replaced, nothing else is",
    )
    add_signing(parser, "the list, in a file beside it,")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the list."""
    from mlarchive.registries.opening import packing_time
    from mlarchive.transfer.havelist import have, write_have

    out = new_place(arguments.output)
    _refuse_others(out)
    paths = base_paths(arguments.packages, console.trust)
    held = have(_opened(paths, console), made_at=packing_time(console.environment))
    write_have(held, out, signing_keys(arguments, console))
    size = out.stat().st_size
    console.document(
        {
            "path": str(out),
            "packages": len(held.packages),
            "chunks": len(held.chunks),
            "size": size,
        }
    )
    packages = wording.count(len(held.packages), "package")
    chunks = wording.count(len(held.chunks), "chunk")
    console.say(f"{out}: {packages}, {chunks}, {wording.size(size)}")
    return 0


def _refuse_others(out: Path) -> None:
    """Refuse to replace what is no have-list.

    Raises:
        ConflictError: It is something else.
    """
    from mlarchive.fsops import explaining
    from mlarchive.transfer.havelist import read_have

    with explaining(out, "read"):
        there = out.is_symlink() or out.exists()
    if not there:
        return
    try:
        read_have(out)
    except MlarchiveError as error:
        raise ConflictError(
            f"{out} exists already, and is no have-list", hint="name a new file, or remove it"
        ) from error


def _opened(paths: list[Path], console: Console) -> "Iterator[Package]":
    """Each package with what it leans on, one after another."""
    from mlarchive.package import Lenders
    from mlarchive.trust import opener

    for path in paths:
        with Lenders(paths, opener=opener(console.trust)) as others, others.open(path) as package:
            yield package
