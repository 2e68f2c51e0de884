"""`mlarchive encrypt`: a file becomes one that only some can read."""

import argparse
from pathlib import Path

from mlarchive.cli import wording
from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.secrets import add_passphrase, add_recipients, recipients
from mlarchive.cli.streams import opened_input

SUMMARY = "encrypt a package, or any file, with age"
DESCRIPTION = """\
Encrypt a file for those who may read it, in the format of age. It is read and written as a
stream, in constant memory. Sign a package before: age says nothing of who made it.
"""
EXAMPLES = """\
examples:
  mlarchive encrypt wine-3.mlpkg --to clinic.age-pub -o wine-3.mlpkg.age
  mlarchive encrypt wine-3.mlpkg --to passphrase -o wine-3.mlpkg.age
  mlarchive pack models:/wine/3 -o - | mlarchive encrypt - --to age1… -o wine-3.mlpkg.age
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("file", metavar="FILE", type=place, help="any file; - is standard input")
    add_recipients(parser, required=True)
    parser.add_argument("-o", "--output", required=True, type=place, metavar="OUT", help="new file")
    add_passphrase(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Encrypt it."""
    from mlarchive.secrecy.files import encrypt_file

    out = new_place(arguments.output)
    who = recipients(arguments)
    with (
        opened_input(arguments.file) as (source, name, size),
        console.progress(f"encrypting {Path(name).name}", size) as progress,
    ):
        total = encrypt_file(source, out, who, progress)
    console.document({"path": str(out), "bytes": total, "recipients": len(who)})
    console.say(f"{out}: {wording.size(total)}, for {wording.count(len(who), 'recipient')}")
    return 0
