"""`mlarchive sign`: a package, or what goes beside packages, gets a signature."""

import argparse
from pathlib import Path

from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.secrets import add_keys, add_passphrase, private_keys
from mlarchive.errors import UsageError

SUMMARY = "sign a package, a note, a receipt or a have-list"
DESCRIPTION = """\
Verify a package's stored bytes and sign its content_id, state_id and package_id. Nothing else of
it changes, its ids neither; several keys may sign, at once or one after another. The package
appears signed, whole, in place of the one before. The signatures of a shipment's note, a receipt or
a have-list are put beside it, into FILE.dsse.json, to be carried with it.
"""
EXAMPLES = """\
examples:
  mlarchive sign wine-3.mlpkg --key lab-2026.key
  mlarchive sign wine-3.mlpkg --key alice.key --key bob.key -o signed/wine-3.mlpkg
  mlarchive sign clinic.have --key clinic.key
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "package", metavar="PACKAGE", type=place, help="FILE.mlpkg, or another FILE"
    )
    add_keys(parser)
    parser.add_argument("-o", "--output", type=place, metavar="OUT", help="write it there instead")
    add_passphrase(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Sign it."""
    from mlarchive.trust import beside
    from mlarchive.trust.keys import key_id
    from mlarchive.trust.signing import sign_file

    keys = private_keys(arguments.key, arguments)
    output = new_place(arguments.output) if arguments.output else None
    path = Path(arguments.package)
    key_ids = [key_id(key.public_key()) for key in keys]
    if form := _form(path):
        if output:
            raise UsageError("its signatures go beside it", hint="leave -o out")
        beside.sign_file(path, form, keys)
        path = beside.envelope_path(path)
        console.document({"path": str(path), "format": form, "key_ids": key_ids})
        for found in key_ids:
            console.say(f"{path}: signed by the key {found}")
        return 0
    ids = sign_file(path, keys, output)
    path = output or path
    console.document(
        {
            "path": str(path),
            "content_id": ids.content,
            "state_id": ids.state,
            "package_id": ids.package,
            "key_ids": key_ids,
        }
    )
    for found in key_ids:
        console.say(f"{path}: signed by the key {found}")
    return 0


def _form(path: Path) -> str:
    """The format of what goes beside packages, which is read and checked; "" for a package.

    Raises:
        HaveListError: It is neither.
        MlarchiveError: It cannot be read.
    """
    from mlarchive.fsops import explaining
    from mlarchive.transfer import havelist, receipt, shipment

    with explaining(path, "read"), path.open("rb") as file:
        if file.read(1) != b"{":
            return ""
    if path.name.endswith(shipment.SUFFIX):
        shipment.read_shipment(path)
        return shipment.FORMAT
    if path.name.endswith(receipt.SUFFIX):
        receipt.read_receipt(path)
        return receipt.FORMAT
    havelist.read_have(path)
    return havelist.FORMAT
