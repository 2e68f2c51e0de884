"""`mlarchive keygen`: a pair of keys to sign with."""

import argparse
from pathlib import Path

from mlarchive.cli.commandline import new_place, place
from mlarchive.cli.console import Console
from mlarchive.cli.secrets import add_passphrase, new_passphrase, private_keys
from mlarchive.errors import UsageError

SUMMARY = "make keys to sign packages with, or to decrypt them"
DESCRIPTION = """\
Write NAME.key, the private Ed25519 key, and NAME.pub, which goes into the policies of those who
read. Both are PEM files that OpenSSL takes. With --age write NAME.age-key, the identity of who is
to decrypt, and NAME.age-pub, its recipient, as age-keygen does. Nothing is replaced.
"""
EXAMPLES = """\
examples:
  mlarchive keygen lab-2026
  mlarchive keygen lab-2026 --encrypted
  mlarchive keygen clinic --age
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("name", metavar="NAME", type=place, help="of the files, without suffix")
    parser.add_argument(
        "--age", action="store_true", help="keys to encrypt to, and to decrypt with"
    )
    parser.add_argument(
        "--encrypted",
        action="store_true",
        help="keep the private key under a passphrase, which is asked for",
    )
    add_passphrase(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Make them."""
    from mlarchive.trust.keys import generate, key_id, private_pem, public_pem

    if arguments.age:
        return _age(arguments, console)
    private = new_place(f"{arguments.name}.key")
    public = Path(f"{arguments.name}.pub")
    if private.exists() and not public.exists():
        # A command that was stopped between the two.
        (key,) = private_keys([str(private)], arguments)
    else:
        secret = arguments.encrypted or arguments.passphrase_file
        passphrase = new_passphrase(arguments) if secret else b""
        key = generate()
        _write(private, private_pem(key, passphrase), mode=0o600)
    _write(public, public_pem(key.public_key()).encode(), mode=0o644)
    found = key_id(key.public_key())
    console.document({"private": str(private), "public": str(public), "key_id": found})
    console.say(f"{private}: keep it to yourself")
    console.say(f"{public}: give it to those who read; key id {found}")
    return 0


def _age(arguments: argparse.Namespace, console: Console) -> int:
    from mlarchive.secrecy.agekeys import identities, new_identity

    if arguments.encrypted or arguments.passphrase_file:
        raise UsageError("an identity of age is kept as it is", hint="leave the passphrase out")
    private = new_place(f"{arguments.name}.age-key")
    public = Path(f"{arguments.name}.age-pub")
    if private.exists() and not public.exists():
        (identity, *_) = identities(private.read_text(encoding="utf-8"), str(private))
    else:
        identity = new_identity()
        text = f"# public key: {identity.recipient}\n{identity}\n"
        _write(private, text.encode(), mode=0o600)
    _write(public, f"{identity.recipient}\n".encode(), mode=0o644)
    found = str(identity.recipient)
    console.document({"private": str(private), "public": str(public), "key_id": found})
    console.say(f"{private}: keep it to yourself")
    console.say(f"{public}: give it to those who encrypt; {found}")
    return 0


def _write(path: Path, text: bytes, *, mode: int) -> None:
    from mlarchive import fsops

    with fsops.atomic_file(path, replace=False, mode=mode) as file:
        file.write(text)
