"""`mlarchive repair`: what is left of a damaged package, and saving it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import add_dry_run, new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.ending import WITH_LOSSES
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from mlarchive.repair import Repair

SUMMARY = "say what is left of a damaged package, and save it"
DESCRIPTION = """\
Look through a package that is damaged or cut off and say which files are whole. The package itself
is never written to. With -o it is written again, with the same content_id and state_id: whole, or,
where chunks are lost, thin, so that another copy can complete it later. With -C the files that are
whole are written into a new folder, each with the digest that it must have; where the content
document is lost, checkpoints name files, and what is not certain about these is said.
"""
EXAMPLES = """\
examples:
  mlarchive repair wine-3.mlpkg                                what is whole, what is lost
  mlarchive repair wine-3.mlpkg -o wine-3-new.mlpkg --from /mnt/copy/wine-3.mlpkg
  mlarchive repair wine-3.mlpkg -C saved
  mlarchive repair wine-3.mlpkg -C saved --dry-run             what would be written

exit status: 0 nothing is lost, 3 done, with losses, 4 nothing could be saved that way
"""

_MOST = 20
_NOTES = {
    "elsewhere": ", in another package",
    "unproven": ", which may be another package's: a checkpoint behind damage names them",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("package", type=place, metavar="PACKAGE", help="FILE.mlpkg")
    parser.add_argument(
        "-o", "--output", type=place, metavar="FILE.mlpkg", help="write the package again"
    )
    parser.add_argument(
        "-C", "--directory", type=place, metavar="DIR", help="write whole files into a new folder"
    )
    parser.add_argument(
        "--from",
        dest="others",
        type=place,
        action="append",
        default=[],
        metavar="OTHER",
        help="another copy, damaged or not, or a package with the same chunks; repeatable",
    )
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Look through one package, and save what can be saved."""
    from msgspec.structs import replace

    from mlarchive.repair import (
        check_files,
        check_package,
        refuse_taken,
        report,
        salvaging,
        write_files,
        write_package,
    )

    if arguments.output and arguments.directory:
        raise UsageError("-o and -C are two different things", hint="choose one of them")
    if arguments.directory and console.environment.get("MLARCHIVE_TRUST"):
        raise UsageError(
            "a policy cannot judge the files of a damaged package one by one",
            hint="write it again with -o and extract that, or unset MLARCHIVE_TRUST",
        )
    output = new_place(arguments.output or arguments.directory or "")
    if arguments.output or arguments.directory:
        refuse_taken(output)
    path = Path(arguments.package)
    others = [Path(name) for name in arguments.others]
    with (
        console.progress(f"reading {path.name}") as progress,
        salvaging(path, others, progress=progress) as salvage,
    ):
        found = replace(report(salvage), dry_run=arguments.dry_run)
        if arguments.output:
            rebuilt = (
                check_package(salvage) if arguments.dry_run else write_package(salvage, output)
            )
            found = replace(
                found,
                output=str(output),
                package_id=rebuilt.ids.package_id,
                missing_chunks=rebuilt.missing,
                dropped=rebuilt.dropped,
            )
        elif arguments.directory:
            if arguments.dry_run:
                check_files(salvage)
            else:
                write_files(salvage, output, progress)
            found = replace(found, output=str(output))
        elif found.damage and not found.losses:
            found = replace(found, dropped=check_package(salvage).dropped)
    console.document(found)
    _tell(found, console)
    console.losses(found.losses)
    _note(found, console)
    return WITH_LOSSES if found.losses else 0


def _note(found: "Repair", console: Console) -> None:
    from mlarchive.repair import DOCUMENTS

    for stranger in found.strangers:
        console.note(f"note: {stranger} has no record of a package in it, and lends nothing")
    for refused in found.refused:
        console.note(f"note: {refused}; it lends nothing")
    if any(file.status == "lost" for file in found.files) or len(found.documents) < len(DOCUMENTS):
        console.note(
            "hint: another copy, damaged or not, may have what is lost: name it with --from"
        )


def _tell(found: "Repair", console: Console) -> None:
    state = ("damaged" if found.damage else "sound") + (", thin" if found.absent else "")
    console.say(f"{found.path}: {state}, {wording.size(found.size)}")
    for part in found.damage[:_MOST]:
        where = f"byte {part.offset}, {wording.size(part.length)}: " if part.offset >= 0 else ""
        console.say(f"  damaged  {where}{part.why}")
    if len(found.damage) > _MOST:
        console.say(f"  … and {len(found.damage) - _MOST} more (--json lists all)")
    _tell_files(found, console)
    if found.absent:
        chunks = f"{wording.count(found.absent, 'chunk')}, {wording.size(found.absent_bytes)}"
        console.say(f"  absent  {chunks}, in another package: name that with --from")
    if found.unnamed:
        chunks = wording.count(found.unnamed, "whole chunk")
        console.say(f"  unnamed  {chunks} of which nobody knows what they belong to")
    for lender in found.documents_from:
        console.say(f"  documents that were lost are those of {lender}, and so are name and labels")
    if "content" not in found.documents:
        console.say(
            "  the content document is lost: files have the names that checkpoints state, and that"
            " they are of one version is not proven"
        )
    if found.output:
        missing = wording.count(found.missing_chunks, "chunk")
        thin = f": thin, {missing} missing" if found.missing_chunks else ""
        console.say(f"{'would write' if found.dry_run else 'wrote'} {found.output}{thin}")


def _tell_files(found: "Repair", console: Console) -> None:
    for status in ("whole", "unproven", "lost", "elsewhere"):
        files = [file for file in found.files if file.status == status]
        if files:
            size = wording.size(sum(max(file.size, 0) for file in files))
            what = wording.count(len(files), "file or metric series")
            if len(files) != 1:
                what = f"{len(files)} files and metric series"
            console.say(f"  {status}  {what}, {size}{_NOTES.get(status, '')}")
    doubtful = [file for file in found.files if file.status == "whole" and file.why]
    for file in doubtful[:_MOST]:
        console.say(f"  ambiguous  {file.owner}: {file.name}: {file.why}")
    if len(doubtful) > _MOST:
        console.say(f"  … and {len(doubtful) - _MOST} more (--json lists all)")
