"""Private keys and passphrases that a command needs; never from the command line itself."""

import argparse
import contextlib
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import place
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from mlarchive.cli.console import Console
    from mlarchive.package.encrypted import Decrypter
    from mlarchive.secrecy.agekeys import Identity, Recipient
    from mlarchive.trust.keys import PrivateKey

PASSPHRASE = "passphrase"  # noqa: S105  (the word for one, and none itself)
"""The recipient that stands for who knows a passphrase."""


def add_passphrase(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """Where a passphrase comes from."""
    parser.add_argument(
        "--passphrase-file",
        type=key_place,
        metavar="FILE",
        help="read the passphrase from this file's first line; else it is asked for",
    )


def add_recipients(
    parser: "argparse.ArgumentParser | argparse._ArgumentGroup", *, required: bool = False
) -> None:
    """Who may read what is encrypted."""
    parser.add_argument(
        "--encrypt" if not required else "--to",
        action="append",
        default=[],
        required=required,
        dest="recipients",
        metavar="RECIPIENT",
        help="age1…, a file with one of these a line, or the word passphrase; may be repeated",
    )


def recipients(arguments: argparse.Namespace) -> "list[Recipient]":
    """Who may read what is encrypted.

    Raises:
        ConfigError: What is named is no recipient.
        UsageError: A passphrase is wanted beside others, or nobody can be asked for it.
    """
    words: list[str] = arguments.recipients
    if not words:
        return []
    from mlarchive.secrecy.agekeys import Passphrase, recipient

    if PASSPHRASE in words:
        if len(words) > 1:
            raise UsageError(
                "a file is for a passphrase or for recipients, not for both",
                hint="encrypt it twice, into two files",
            )
        return [Passphrase(new_passphrase(arguments))]
    return [recipient(word, where) for name in words for word, where in _recipient_words(name)]


def _recipient_words(name: str) -> "list[tuple[str, str]]":
    """A recipient, or those of a file, and where each is from."""
    if is_key(name):
        raise UsageError(_A_KEY, hint=_SEEN)
    if name.startswith("age1") or not _is_file(name):
        return [(name, "what is given to encrypt for")]
    from mlarchive.fsops import read_small

    lines = read_small(Path(name)).decode("utf-8", "replace").splitlines()
    found = [
        (line.strip(), f"line {number} of {name}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not found:
        raise UsageError(f"{name} holds no recipient")
    return found


def _is_file(name: str) -> bool:
    """Whether it is one; what is too long for a name is none."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


_A_KEY = "a private key is given itself, where the name of a file is wanted"
_SEEN = "whoever can see this command line or environment knows it now; make a new one"


def is_key(text: str) -> bool:
    """Whether a text is a private key, and not the name of a file that holds one."""
    return "AGE-SECRET-KEY-" in text.upper() or "-----BEGIN" in text


def key_place(text: str) -> str:
    """An argument that names a file with keys or a passphrase; never what is in it."""
    if is_key(text):
        raise argparse.ArgumentTypeError(f"{_A_KEY}; {_SEEN}")
    return place(text)


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Who reads packages that are encrypted."""
    group = parser.add_argument_group("encrypted packages (spec/secrecy.md)")
    group.add_argument(
        "--identity",
        action="append",
        default=[],
        type=key_place,
        metavar="FILE",
        help="a file with private keys of age, which read what is encrypted; may be repeated",
    )
    with contextlib.suppress(argparse.ArgumentError):
        # Verbs that sign have it.
        add_passphrase(group)


def decrypt_as_told(arguments: argparse.Namespace, environment: "Mapping[str, str]") -> None:
    """Take in what `add_identity` took, if the verb has it, for all packages that are read."""
    from mlarchive.package import encrypted

    named = getattr(arguments, "identity", None)
    usual = environment.get("MLARCHIVE_IDENTITY", "")
    if is_key(usual):
        raise UsageError(f"MLARCHIVE_IDENTITY: {_A_KEY}", hint=_SEEN)
    if named == [] and usual:
        arguments.identity = named = [usual]
    given = named or (named is not None and arguments.passphrase_file)
    encrypted.decrypt_with(_decrypter(arguments) if given else None)


def _decrypter(arguments: argparse.Namespace) -> "Decrypter":
    """Reads the keys when the first encrypted file is met."""
    who = lru_cache(maxsize=1)(lambda: identities(arguments))

    def decrypter(file: "BinaryIO", name: str) -> "BinaryIO":
        from mlarchive.secrecy.agestream import opened_encrypted

        return opened_encrypted(file, who(), name)

    return decrypter


def identities(arguments: argparse.Namespace) -> "list[Identity]":
    """Who reads what is encrypted: the keys of `--identity` files, else a passphrase.

    Raises:
        ConfigError: A file holds something else.
        UsageError: A passphrase is wanted, and nobody can be asked.
    """
    from mlarchive.fsops import read_small
    from mlarchive.secrecy import agekeys

    if not arguments.identity:
        return [agekeys.Passphrase(passphrase(arguments, "passphrase: "))]
    found: list[Identity] = []
    for name in arguments.identity:
        text = read_small(Path(name)).decode("utf-8", "replace")
        found += agekeys.identities(text, name)
    return found


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Who signs."""
    parser.add_argument(
        "--key",
        action="append",
        required=True,
        type=key_place,
        metavar="FILE",
        help="a private key that signs it; may be repeated",
    )


def add_signing(parser: argparse.ArgumentParser, what: str) -> None:
    """Who signs what is written.

    Args:
        parser: Of the verb.
        what: Is signed.
    """
    group = parser.add_argument_group("to sign it (spec/trust.md)")
    group.add_argument(
        "--sign",
        action="append",
        default=[],
        type=key_place,
        metavar="KEY",
        help=f"sign {what} with this private key; may be repeated",
    )
    add_passphrase(group)


def signing_keys(arguments: argparse.Namespace, console: "Console") -> "list[PrivateKey]":
    """The keys that `add_signing` took, else that of MLARCHIVE_SIGN.

    Raises:
        MlarchiveError: As `private_keys`.
    """
    from mlarchive.registries import opening

    if arguments.sign:
        return private_keys(arguments.sign, arguments)
    return opening.signing_keys(console.environment)


def private_keys(files: "Sequence[str]", arguments: argparse.Namespace) -> "list[PrivateKey]":
    """The private keys in some files.

    Raises:
        ConfigError: One holds something else.
        AccessError: The passphrase is wrong.
        UsageError: A passphrase is wanted, and nobody can be asked.
    """
    if not files:
        return []
    from mlarchive.fsops import read_small
    from mlarchive.trust.keys import is_encrypted, private_key

    keys = []
    for name in files:
        pem = read_small(Path(name))
        secret = passphrase(arguments, f"passphrase of {name}: ") if is_encrypted(pem) else b""
        keys.append(private_key(pem, name, secret))
    return keys


def new_passphrase(arguments: argparse.Namespace) -> bytes:
    """A passphrase that is asked for twice, unless it stands in a file.

    Raises:
        UsageError: It is empty, or was not the same twice, or nobody can be asked.
    """
    first = passphrase(arguments, "new passphrase: ")
    if not arguments.passphrase_file and first != passphrase(arguments, "the same again: "):
        raise UsageError("the two passphrases differ")
    return first


def passphrase(arguments: argparse.Namespace, prompt: str) -> bytes:
    """A passphrase from its file, or from the terminal.

    Raises:
        UsageError: It is empty, or nobody can be asked.
    """
    from mlarchive.fsops import read_small

    if name := arguments.passphrase_file:
        lines = read_small(Path(name)).splitlines()
        found = lines[0] if lines else b""
    elif not sys.stdin.isatty():
        raise UsageError(
            "a passphrase is wanted, and there is no terminal to ask for it",
            hint="name a file that holds it with --passphrase-file",
        )
    else:
        import getpass

        found = getpass.getpass(prompt).encode()
    if not found:
        raise UsageError("the passphrase is empty")
    return found
