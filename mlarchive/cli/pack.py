"""`mlarchive pack`: objects become packages."""

import argparse
import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.bases import add_bases, leaving_out
from mlarchive.cli.commandline import add_archived, add_dry_run, locators, new_place, place
from mlarchive.cli.console import Console, writing
from mlarchive.cli.documents import complete, known
from mlarchive.cli.ending import WITH_LOSSES, Ending
from mlarchive.cli.filters import add_filters, wanted
from mlarchive.cli.labelling import add_labels, read_labelled
from mlarchive.cli.leftbehind import LeftBehind
from mlarchive.cli.notebooks import add_notebooks, one_to_attach
from mlarchive.cli.objects import addresses, opened, require_listed, tell_unlisted
from mlarchive.cli.secrets import add_recipients, add_signing, private_keys, recipients
from mlarchive.cli.sources import add_source_options, tell_sources
from mlarchive.cli.split import add_volume_size
from mlarchive.cli.travelling import add_wheels, travelling
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlarchive.pack import Packed, Signatures
    from mlarchive.records import Address
    from mlarchive.registries.base import Readable
    from mlarchive.registries.locator import Locator
    from mlarchive.snapshot import Snapshot
    from mlarchive.trust.keys import PrivateKey
    from mlarchive.vault import Vault

ENCRYPTED = ".age"

SUMMARY = "make packages of objects of a registry, or of a folder"
DESCRIPTION = """\
Make a package of an object with all that hangs on it: a model version with its run, metrics,
files and environment; a folder with its files. One object goes to a file, several to a vault,
which is a folder of packages. A package gets its name only when it is complete and verified.
Of files, names and bytes are kept; owners, modes and times are not. With --base or --have a package
is thin: it leaves out what the other side has, and is read together with it.
"""
EXAMPLES = """\
examples:
  mlarchive pack mlflow+http://127.0.0.1:5000#models/wine/3 -o wine-3.mlpkg
  mlarchive pack 'mlflow+http://127.0.0.1:5000#models/*' -o vault/
  mlarchive pack dir:resnet50 -o resnet50.mlpkg --name resnet50 --version 2 --tag task=vision
  mlarchive pack models:/wine/4 -o wine-4-thin.mlpkg --base wine-3.mlpkg
  mlarchive pack models:/wine/4 -o wine-4-thin.mlpkg --base vault:vault --have clinic.have
  mlarchive pack models:/wine/3 -o wine-3.mlpkg --sign lab-2026.key
  mlarchive pack models:/wine/3 -o wine-3.mlpkg.age --encrypt clinic.age-pub
  mlarchive pack models:/wine/3 -o wine-3.mlpkg --volume-size dvd
  mlarchive pack models:/wine/3 -o wine-3.mlpkg --with-wheels --wheels-for linux_x86_64:3.11
  mlarchive pack models:/wine/3 -o wine-3.mlpkg --notebook train.ipynb
  mlarchive pack models:/wine@champion -o - | ssh backup 'cat > wine.mlpkg'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a locator; see mlarchive -h")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=_output,
        metavar="OUT",
        help="FILE.mlpkg for one object, a folder (a vault) for any number, - for standard output",
    )
    add_archived(parser)
    add_filters(parser)
    add_labels(parser)
    add_bases(
        parser,
        "FILE.mlpkg or vault:DIR that the other side has: what is there is left out, what is close"
        " to it is packed as differences; may be repeated",
    )
    parser.add_argument(
        "--have",
        type=place,
        metavar="FILE",
        help="what the other side has, by `mlarchive have`; only of this is anything left out",
    )
    add_signing(parser, "each package")
    add_recipients(parser.add_argument_group("to keep it from others (spec/secrecy.md)"))
    add_volume_size(parser.add_argument_group("to cut it (spec/volumes.md); OUT is a new folder"))
    add_wheels(parser)
    add_notebooks(parser)
    add_dry_run(parser)
    add_source_options(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Pack everything that the locators name."""
    tell_sources(arguments, console)
    sources = locators(arguments.sources, archived=arguments.archived)
    if (arguments.base or arguments.have) and not _is_one(arguments.output):
        raise UsageError(
            "--base and --have are for one package; a vault leaves out by itself what it holds",
            hint="name a FILE.mlpkg with -o, or leave them out",
        )
    if arguments.output != "-":
        _refuse_output_within(sources, new_place(arguments.output))
    if bool(arguments.recipients) != arguments.output.endswith(ENCRYPTED):
        raise UsageError(
            f"what is encrypted goes into a FILE{ENCRYPTED}, and nothing else does",
            hint=f"give both --encrypt and -o FILE.mlpkg{ENCRYPTED}, or neither",
        )
    if arguments.volume_size and (arguments.output == "-" or not _is_one(arguments.output)):
        raise UsageError(
            "volumes are of one package, and go into a new folder",
            hint="name it with -o, such as wine-3.mlpkg",
        )
    if arguments.dry_run:
        return _plan(sources, arguments, console)
    if _is_one(arguments.output):
        return _to_one(sources, arguments, console)
    return _to_vault(sources, arguments, console)


def _output(text: str) -> str:
    """Where packages go: a file, a folder, or a vault as a locator names it."""
    from mlarchive.registries.locator import parse
    from mlarchive.registries.opening import SCHEMES

    scheme, colon, _ = place(text).partition(":")
    if not colon or scheme not in SCHEMES:
        return text
    if scheme == "vault":
        return parse(text).registry
    raise argparse.ArgumentTypeError(
        f"{text} is a registry; here goes a file or a vault, and `mlarchive copy` writes to others"
    )


def _is_one(output: str) -> bool:
    """Whether one package is written, and no vault."""
    return output == "-" or output.endswith((".mlpkg", ENCRYPTED))


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
    from msgspec.structs import replace

    from mlarchive.pack import pack, pack_file
    from mlarchive.package.volumes.sizes import volume_size
    from mlarchive.registries.opening import packing_time
    from mlarchive.trust.carrying import signature_losses

    if len(sources) > 1:
        raise _too_many(arguments.output, len(sources))
    if arguments.output == "-":
        _refuse_unfit_output(console)
    keys = private_keys(arguments.sign, arguments)
    who = recipients(arguments)
    with ExitStack() as stack:
        source = stack.enter_context(opened(sources[0], console))
        chosen = wanted(arguments, sources[0])
        found = one_to_attach(arguments, addresses(source, sources[0], chosen))
        tell_unlisted(source, console, wanted=chosen)
        require_listed(source)
        if len(found) > 1:
            raise _too_many(arguments.output, len(found))
        snapshot = stack.enter_context(
            travelling(read_labelled(source, found[0], arguments), arguments, console)
        )
        packed_at = packing_time(console.environment)
        signatures = _signatures(keys, snapshot)
        with (
            leaving_out(arguments, snapshot.address.name, console) as elsewhere,
            console.progress("packing", _raw_size(snapshot)) as progress,
        ):
            write = partial(
                pack,
                snapshot,
                packed_at=packed_at,
                elsewhere=elsewhere,
                progress=progress,
                signatures=signatures,
            )
            if arguments.output == "-":
                with writing():
                    packed = write(console.bytes_out)
            elif who or arguments.volume_size:
                from mlarchive.packoutward import pack_outward

                packed = pack_outward(
                    Path(arguments.output),
                    write,
                    recipients=who,
                    volume_size=volume_size(arguments.volume_size) if arguments.volume_size else 0,
                )
            else:
                packed = pack_file(
                    snapshot,
                    Path(arguments.output),
                    packed_at=packed_at,
                    elsewhere=elsewhere,
                    progress=progress,
                    signatures=signatures,
                )
    if keys and packed.path and not packed.fresh:
        # What was there already may not be signed, or by others.
        from mlarchive.trust.signing import sign_file

        sign_file(packed.path, keys)
    if not keys:
        lost = signature_losses(snapshot.signatures, packed.package_id, snapshot.subject)
        packed = replace(packed, losses=(*packed.losses, *lost))
    if arguments.output != "-":
        report(packed, snapshot.address, console, signed=bool(keys))
    console.losses(packed.losses)
    return WITH_LOSSES if packed.losses else 0


def _signatures(keys: "Sequence[PrivateKey]", snapshot: "Snapshot") -> "Signatures":
    from mlarchive.package.tailwriter import no_signatures

    if not keys:
        return no_signatures
    from mlarchive.trust.signing import signatures_by

    return signatures_by(keys, snapshot.signatures)


def _to_vault(sources: "list[Locator]", arguments: argparse.Namespace, console: Console) -> int:
    from mlarchive.vault import Vault

    end = Ending()
    arguments.keys = private_keys(arguments.sign, arguments)
    with Vault.open(Path(arguments.output)) as vault:
        for locator in sources:
            with opened(locator, console) as source:
                end.owe(source, locator, console)
                chosen = wanted(arguments, locator)
                found = addresses(source, locator, chosen)
                tell_unlisted(source, console, wanted=chosen)
                end.lag(source, console)
                behind = LeftBehind(source, locator, found)
                for address in one_to_attach(arguments, found):
                    came = False
                    with end.outlasting(address, console):
                        end.take(_keep(source, address, vault, arguments, console))
                        came = True
                    if came:
                        continue
                    with end.outlasting(address, console):
                        for one in behind.by(address):
                            with end.outlasting(one, console):
                                end.take(_keep(behind, one, vault, arguments, console))
    return end.status


def _keep(
    source: "Readable",
    address: "Address",
    vault: "Vault",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    """Pack one object into a vault."""
    with travelling(read_labelled(source, address, arguments), arguments, console) as snapshot:
        return _keep_snapshot(snapshot, address, vault, arguments, console)


def _keep_snapshot(
    snapshot: "Snapshot",
    address: "Address",
    vault: "Vault",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    from mlarchive.registries.opening import packing_time
    from mlarchive.trust.carrying import signature_losses

    before = {kept.path for kept in vault.find(address=snapshot.address)}
    packed_at = packing_time(console.environment)
    with console.progress(f"packing {address.name}", _raw_size(snapshot)) as progress:
        kept = vault.add(snapshot, packed_at=packed_at, progress=progress)
    with vault.open_package(kept) as package:
        losses = tuple(dict.fromkeys((*snapshot.losses, *package.meaning.losses)))
    fresh = kept.path not in before
    if arguments.keys:
        from mlarchive.trust.signing import sign_file

        sign_file(kept.path, arguments.keys)
    if fresh and not arguments.keys:
        losses += signature_losses(snapshot.signatures, kept.package_id, snapshot.subject)
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
            "losses": losses,
        }
    )
    if not fresh:
        console.say(f"{kept.path}: {_held(signed=bool(arguments.keys))}")
    else:
        kind = " (thin: the rest is in other packages of the vault)" if kept.thin else ""
        console.say(f"{kept.path}: {wording.size(kept.size)}{kind}")
    console.losses(losses)
    return WITH_LOSSES if losses else 0


def _plan(sources: "list[Locator]", arguments: argparse.Namespace, console: Console) -> int:
    """Say what would be packed, from what the sources say without giving the bytes."""
    end = Ending()
    for locator in sources:
        with opened(locator, console) as source:
            chosen = wanted(arguments, locator)
            found = addresses(source, locator, chosen)
            tell_unlisted(source, console, wanted=chosen)
            end.lag(source, console)
            for address in one_to_attach(arguments, found):
                snapshot = read_labelled(source, address, arguments)
                raw = _raw_size(snapshot)
                end.take(WITH_LOSSES if snapshot.losses else 0)
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
    return end.status


def _held(*, signed: bool) -> str:
    if signed:
        return "it holds this already, and is signed now"
    return "nothing to do, it holds this already"


def report(packed: "Packed", address: "Address", console: Console, *, signed: bool = False) -> None:
    """Say what was packed, and whether what was there was signed."""
    console.document({"address": str(address), **complete(packed)})
    if not packed.fresh:
        console.say(f"{packed.path}: {_held(signed=signed)}")
        return
    share = wording.share(packed.size, packed.raw_bytes)
    console.say(
        f"{packed.path}: {wording.size(packed.size)} (raw {wording.size(packed.raw_bytes)}{share})"
        f"{', thin: the rest is in the bases' if packed.thin else ''}"
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
