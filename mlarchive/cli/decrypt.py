"""`mlarchive decrypt`: an encrypted file becomes the one that it was made of."""

import argparse
from pathlib import Path

from mlarchive.cli import wording
from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.secrets import add_passphrase, identities, key_place
from mlarchive.cli.streams import opened_input

SUMMARY = "decrypt a file that was encrypted with age"
DESCRIPTION = """\
Decrypt a file that `mlarchive encrypt`, `pack --encrypt` or the program age made. The new file
appears when all of it was authenticated; of a file that was cut off or changed nothing is left.
"""
EXAMPLES = """\
examples:
  mlarchive decrypt wine-3.mlpkg.age --identity clinic.age-key -o wine-3.mlpkg
  mlarchive decrypt wine-3.mlpkg.age -o wine-3.mlpkg             asks for the passphrase
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("file", metavar="FILE", type=place, help="- is standard input")
    parser.add_argument(
        "--identity",
        action="append",
        default=[],
        type=key_place,
        metavar="FILE",
        help="a file with private keys of age; may be repeated; else a passphrase is asked for",
    )
    parser.add_argument("-o", "--output", required=True, type=place, metavar="OUT", help="new file")
    add_passphrase(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Decrypt it."""
    from mlarchive.secrecy.files import decrypt_file

    out = new_place(arguments.output)
    who = identities(arguments)
    with (
        opened_input(arguments.file) as (source, name, size),
        console.progress(f"decrypting {Path(name).name}", size) as progress,
    ):
        total = decrypt_file(source, name, out, who, progress=progress)
    console.document({"path": str(out), "bytes": total})
    console.say(f"{out}: {wording.size(total)}")
    return 0
