"""`mlarchive pack`: objects become packages."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import add_dry_run, locators, new_place, place, tag
from mlarchive.cli.console import Console, writing
from mlarchive.cli.documents import complete, known
from mlarchive.cli.ending import WITH_LOSSES, Ending
from mlarchive.cli.objects import addresses, opened
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from mlarchive.pack import Packed
    from mlarchive.records import Address
    from mlarchive.registries.base import Source
    from mlarchive.registries.locator import Locator
    from mlarchive.snapshot import Snapshot
    from mlarchive.vault import Vault

SUMMARY = "make packages of objects of a registry, or of a folder"
DESCRIPTION = """\
Make a package of an object with all that hangs on it: a model version with its run, metrics,
files and environment; a folder with its files. One object goes to a file, several to a vault,
which is a folder of packages. A package gets its name only when it is complete and verified.
Of files, names and bytes are kept; owners, modes and times are not.
"""
EXAMPLES = """\
examples:
  mlarchive pack mlflow+http://127.0.0.1:5000#models/wine/3 -o wine-3.mlpkg
  mlarchive pack 'mlflow+http://127.0.0.1:5000#models/*' -o vault/
  mlarchive pack dir:resnet50 -o resnet50.mlpkg --name resnet50 --version 2 --tag task=vision
  mlarchive pack models:/wine@champion -o - | ssh backup 'cat > wine.mlpkg'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a locator; see mlarchive -h")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=place,
        metavar="OUT",
        help="FILE.mlpkg for one object, a folder (a vault) for any number, - for standard output",
    )
    folder = parser.add_argument_group("for dir: sources")
    folder.add_argument("--name", default="", help="its name; the folder's own by default")
    folder.add_argument("--version", default="", help="its version")
    folder.add_argument("--description", default="", help="free text")
    folder.add_argument(
        "--tag", action="append", type=tag, default=[], metavar="KEY=VALUE", help="may be repeated"
    )
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Pack everything that the locators name."""
    sources = locators(arguments.sources)
    if arguments.output != "-":
        _refuse_output_within(sources, new_place(arguments.output))
    if arguments.dry_run:
        return _plan(sources, arguments, console)
    if arguments.output == "-" or arguments.output.endswith(".mlpkg"):
        return _to_one(sources, arguments, console)
    return _to_vault(sources, arguments, console)


def _refuse_output_within(sources: "list[Locator]", output: Path) -> None:
    """Refuse a place in the folder that is packed: packing again would pack the package too.

    Raises:
        UsageError: It is there.
    """
    place = os.path.realpath(output)
    for locator in sources:
        folder = os.path.realpath(locator.registry)
        if locator.scheme == "dir" and os.path.commonpath((place, folder)) == folder:
            raise UsageError(
                f"{output} lies in the folder that is packed, {locator.registry}",
                hint="name a place outside of it with -o",
            )


def _to_one(sources: "list[Locator]", arguments: argparse.Namespace, console: Console) -> int:
    from mlarchive.pack import pack, pack_file
    from mlarchive.registries.opening import packing_time

    if len(sources) > 1:
        raise _too_many(arguments.output, len(sources))
    if arguments.output == "-":
        _refuse_unfit_output(console)
    with opened(sources[0], console) as source:
        found = addresses(source, sources[0])
        if len(found) > 1:
            raise _too_many(arguments.output, len(found))
        snapshot = _read(source, found[0], arguments)
        packed_at = packing_time(console.environment)
        with console.progress("packing", _raw_size(snapshot)) as progress:
            if arguments.output == "-":
                with writing():
                    packed = pack(
                        snapshot, console.bytes_out, packed_at=packed_at, progress=progress
                    )
            else:
                packed = pack_file(
                    snapshot, Path(arguments.output), packed_at=packed_at, progress=progress
                )
    if arguments.output != "-":
        _report(packed, snapshot.address, console)
    console.losses(packed.losses)
    return WITH_LOSSES if packed.losses else 0


def _to_vault(sources: "list[Locator]", arguments: argparse.Namespace, console: Console) -> int:
    from mlarchive.vault import Vault

    end = Ending()
    with Vault.open(Path(arguments.output)) as vault:
        for locator in sources:
            with opened(locator, console) as source:
                for address in addresses(source, locator):
                    with end.outlasting(address, console):
                        end.take(_keep(source, address, vault, arguments, console))
    return end.status


def _keep(
    source: "Source",
    address: "Address",
    vault: "Vault",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    """Pack one object into a vault."""
    from mlarchive.registries.opening import packing_time

    snapshot = _read(source, address, arguments)
    before = {kept.path for kept in vault.find(address=snapshot.address)}
    packed_at = packing_time(console.environment)
    with console.progress(f"packing {address.name}", _raw_size(snapshot)) as progress:
        kept = vault.add(snapshot, packed_at=packed_at, progress=progress)
    fresh = kept.path not in before
    console.document(
        {
            "address": str(kept.address),
            "path": str(kept.path),
            "content_id": kept.content_id,
            "state_id": kept.state_id,
            "package_id": kept.package_id,
            "size": kept.size,
            "raw_bytes": None,
            "thin": kept.thin,
            "fresh": fresh,
            "losses": snapshot.losses,
        }
    )
    if not fresh:
        console.say(f"{kept.path}: nothing to do, it holds this already")
    else:
        kind = " (labels only)" if kept.thin else ""
        console.say(f"{kept.path}: {wording.size(kept.size)}{kind}")
    console.losses(snapshot.losses)
    return WITH_LOSSES if snapshot.losses else 0


def _plan(sources: "list[Locator]", arguments: argparse.Namespace, console: Console) -> int:
    """Say what would be packed, from what the sources say without giving the bytes."""
    losses = 0
    for locator in sources:
        with opened(locator, console) as source:
            for address in addresses(source, locator):
                snapshot = _read(source, address, arguments)
                raw = _raw_size(snapshot)
                losses += len(snapshot.losses)
                console.document(
                    {
                        "address": str(snapshot.address),
                        "output": arguments.output,
                        "raw_bytes": known(raw),
                        "streams": len(snapshot.streams),
                        "losses": snapshot.losses,
                    }
                )
                console.say(
                    f"would pack {snapshot.address}: "
                    f"{wording.count(len(snapshot.streams), 'file')} and series, "
                    f"{wording.size(raw)} raw"
                )
                console.losses(snapshot.losses)
    return WITH_LOSSES if losses else 0


def _read(source: "Source", address: "Address", arguments: argparse.Namespace) -> "Snapshot":
    """The object, with the labels of the command line if it is a folder."""
    snapshot = source.read(address)
    given = (arguments.name, arguments.version, arguments.description, arguments.tag)
    if not any(given):
        return snapshot
    from mlarchive.registries.directory import labelled

    return labelled(
        snapshot,
        name=arguments.name,
        version=arguments.version,
        description=arguments.description,
        tags=_tags(arguments.tag),
    )


def _report(packed: "Packed", address: "Address", console: Console) -> None:
    console.document({"address": str(address), **complete(packed)})
    if not packed.fresh:
        console.say(f"{packed.path}: nothing to do, it holds this already")
        return
    share = f", {100 * packed.size / packed.raw_bytes:.1f} %" if packed.raw_bytes else ""
    console.say(
        f"{packed.path}: {wording.size(packed.size)} (raw {wording.size(packed.raw_bytes)}{share})"
    )
    console.say(f"content {packed.content_id}")
    console.say(f"state   {packed.state_id}")


def _raw_size(snapshot: "Snapshot") -> int:
    """Bytes of all files, as far as the source says; -1 if it does not."""
    from mlarchive.records import File

    sizes = [s.entry.size for s in snapshot.streams if isinstance(s.entry, File)]
    return -1 if -1 in sizes else sum(sizes)


def _too_many(output: str, number: int) -> UsageError:
    return UsageError(
        f"{number} objects do not go into {'one stream' if output == '-' else output}",
        hint="name a folder with -o: it becomes a vault with a package for each",
    )


def _refuse_unfit_output(console: Console) -> None:
    if console.json:
        raise UsageError(
            "-o - and --json both want standard output", hint="write the package to a file"
        )
    if console.bytes_out.isatty():
        raise UsageError(
            "a package is not for a terminal", hint="send standard output to a file or a pipe"
        )


def _tags(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The tags that were given.

    Raises:
        UsageError: One was given twice.
    """
    tags = dict(pairs)
    if len(tags) < len(pairs):
        twice = next(key for key in tags if [name for name, _ in pairs].count(key) > 1)
        raise UsageError(f"the tag {twice!r} was given twice", hint="give each tag once")
    return tags
