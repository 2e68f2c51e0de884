"""`mlarchive rotate`: a change of the keys that policies trust, signed by the keys they trust."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.secrets import add_keys, add_passphrase, private_keys
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from mlarchive.trust.rotation import Added, Change

SUMMARY = "add and revoke the keys of policies, signed by the keys that they have"
DESCRIPTION = """\
Write a rotation: a file that adds keys to the policies that name it, or revokes some. It counts
if as many of a policy's present keys signed it as its threshold says. With neither --add nor
--revoke, a rotation that is there gets a further signature.
"""
EXAMPLES = """\
examples:
  mlarchive rotate rotation-1.json --key lab-2026.key --add lab-2027.pub --revoke lab-2025.pub
  mlarchive rotate rotation-1.json --key bob.key              sign it too
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("file", metavar="FILE", type=place, help="the rotation")
    add_keys(parser)
    parser.add_argument(
        "--add", action="append", default=[], type=place, metavar="PUB", help="a new public key"
    )
    parser.add_argument(
        "--not-after",
        metavar="TIME",
        help="when the new keys cease to count, such as 2028-01-01; never if not given",
    )
    parser.add_argument(
        "--revoke",
        action="append",
        default=[],
        type=place,
        metavar="PUB",
        help="a public key, or a key id",
    )
    parser.add_argument(
        "--number", type=int, default=1, help="its place among the rotations of a policy; 1 first"
    )
    add_passphrase(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write it."""
    from mlarchive import fsops
    from mlarchive.trust.rotation import countersigned, encode_rotation, read_rotation

    path = new_place(arguments.file)
    keys = private_keys(arguments.key, arguments)
    fresh = bool(arguments.add or arguments.revoke)
    if arguments.number < 1:
        raise UsageError("rotations are numbered from 1")
    if fresh:
        text = encode_rotation(_change(arguments), keys)
    else:
        text = fsops.read_small(path)
        text = countersigned(read_rotation(text, str(path)), keys)
    with fsops.atomic_file(path, replace=not fresh) as file:
        file.write(text + b"\n")
    rotation = read_rotation(text, str(path))
    signers = [signature.keyid for signature in rotation.envelope.signatures]
    console.document({"path": str(path), "number": rotation.change.number, "key_ids": signers})
    console.say(f"{path}: rotation {rotation.change.number}, signed by {', '.join(signers)}")
    return 0


def _change(arguments: argparse.Namespace) -> "Change":
    from mlarchive.trust.rotation import Change

    return Change(
        add=tuple(_added(name, arguments.not_after) for name in arguments.add),
        number=arguments.number,
        revoke=tuple(sorted(map(_key_id, arguments.revoke))),
    )


def _added(name: str, not_after: str | None) -> "Added":
    from mlarchive.fsops import read_small
    from mlarchive.trust.keys import public_key, public_pem
    from mlarchive.trust.rotation import Added

    text = read_small(Path(name)).decode("utf-8", "replace")
    return Added(
        name=Path(name).stem,
        not_after=_end(not_after) if not_after else 0,
        not_before=0,
        public=public_pem(public_key(text, name)),
    )


def _key_id(name: str) -> str:
    import re

    from mlarchive.fsops import read_small
    from mlarchive.trust.keys import key_id, public_key

    if re.fullmatch("[0-9a-f]{64}", name):
        return name
    text = read_small(Path(name)).decode("utf-8", "replace")
    return key_id(public_key(text, name))


def _end(text: str) -> int:
    """When a key ceases to count; 0 would be never."""
    from mlarchive.trust.policy import moment

    when = moment(text)
    if when <= 0:
        raise UsageError(f"{text} is before 1970-01-02, and nothing was signed then")
    return when
