"""Keys, policies and signed packages for tests; and how often anything was decompressed."""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from mlarchive.package.layout import PREAMBLE_SIZE, TRAILER_SIZE, Trailer, decode_trailer
from mlarchive.package.signaturearea import signature_area
from mlarchive.trust import Trust
from mlarchive.trust.envelope import encode_text, envelope_of, signed_by
from mlarchive.trust.keys import PrivateKey, generate, public_pem
from mlarchive.trust.policy import read_policy
from mlarchive.trust.statement import PAYLOAD_TYPE, Ids, encode_statement

LAB = generate()
SECOND = generate()
STRANGER = generate()

NOW = 1_800_000_000_000
"""A time of judging: 2027-01-15."""


def policy_text(*keys: str, **settings: object) -> str:
    """A policy of `[[key]]` tables."""
    head = "".join(f"{name} = {value}\n" for name, value in settings.items())
    return head + "".join(f"[[key]]\n{key}\n" for key in keys)


def key_table(key: PrivateKey, name: str, **settings: object) -> str:
    """A `[[key]]` table's lines."""
    more = "".join(f"\n{setting} = {value}" for setting, value in settings.items())
    return f"name = '{name}'\npublic = '''{public_pem(key.public_key())}'''{more}"


def trust(folder: Path, *keys: str, when: int = NOW, **settings: object) -> Trust:
    """Trust in a policy that is written to a folder."""
    path = folder / "policy.toml"
    path.write_text(policy_text(*keys, **settings), encoding="utf-8")
    return Trust(policy=read_policy(path), when=when)


def lab_trust(folder: Path, *, require: str = '["package"]') -> Trust:
    """Trust in the key `LAB` alone, called `lab`."""
    return trust(folder, key_table(LAB, "lab"), require=require)


def trailer_of(data: bytes) -> tuple[Trailer, Ids]:
    """The trailer of a package, and what is signed of it; nothing else of it is read."""
    trailer, _ = decode_trailer(data[-TRAILER_SIZE:], size=len(data))
    package_id = trailer.package_id(data[:PREAMBLE_SIZE])
    ids = Ids(
        content=trailer.content_id.hex(), package=package_id.hex(), state=trailer.state_id.hex()
    )
    return trailer, ids


def signed(data: bytes, *keys: PrivateKey, ids: Ids | None = None) -> bytes:
    """A package with these signatures and no others, whether or not it is sound.

    Args:
        data: The package.
        keys: Sign it, in whatever order.
        ids: What they sign; the package's own by default.
    """
    _, own = trailer_of(data)
    envelope = envelope_of(encode_statement(ids or own), PAYLOAD_TYPE)
    for key in keys:
        envelope = signed_by(envelope, key)
    return with_text(data, encode_text([envelope]) if keys else b"")


def with_text(data: bytes, text: bytes) -> bytes:
    """A package with another text in its signature area."""
    trailer, _ = trailer_of(data)
    length = trailer.signature_length
    area = signature_area(text, length) if text else bytes(length)
    assert area is not None
    end = len(data) - TRAILER_SIZE
    return data[: end - length] + area + data[end:]


def named(data: bytes, name: str = "x.mlpkg") -> io.BytesIO:
    """A package in memory, as a file of that name."""
    file = io.BytesIO(data)
    file.name = name
    return file


@contextlib.contextmanager
def decompressions() -> Iterator[list[str]]:
    """The built-in functions that decompress and are called in the block, by any thread."""
    calls: list[str] = []

    def watch(frame: FrameType, event: str, called: Any) -> None:  # noqa: ANN401  (sys.setprofile)
        del frame
        name = getattr(called, "__qualname__", "")
        if event == "c_call" and "ecompress" in name and "Decompressor" in name:
            calls.append(name)

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def keys_written(folder: Path, keys: Sequence[tuple[str, PrivateKey]]) -> None:
    """Write the public halves of keys."""
    for name, key in keys:
        (folder / f"{name}.pub").write_text(public_pem(key.public_key()), encoding="ascii")
