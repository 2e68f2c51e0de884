"""Have-lists: what one side holds, for the other to leave out (`spec/transfer.md`, 1).

A list is a file that is carried by hand: it may be damaged, made up, or huge. Whoever takes chunks
for granted because of a wrong list makes a package that says what it lacks, never a wrong one.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from mlarchive import fsops
from mlarchive.errors import HaveListError
from mlarchive.package import Package, canonical
from mlarchive.package.record import HASH_SIZE
from mlarchive.trust import Trust, beside

if TYPE_CHECKING:
    from mlarchive.trust.keys import PrivateKey

FORMAT = "mlarchive-have-1"

SIZE_MAX = 1 << 30
"""Bytes of a list that is read: some 25 million chunks, 100 TB."""

Id = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Held(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, order=True):
    """A package that one side has whole.

    Attributes:
        address: What its object is called there.
        content_id: What it is.
        state_id: How it is labelled.
        package_id: These very bytes.
    """

    address: str
    content_id: Id
    state_id: Id
    package_id: Id


class _Written(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    chunks: str
    format: str
    made_at: Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
    packages: tuple[Held, ...]


class HaveList(Struct, frozen=True, kw_only=True):
    """What one side holds.

    Attributes:
        chunks: Raw hashes.
        packages: Sorted.
        made_at: ms since 1970 UTC.
    """

    chunks: frozenset[bytes]
    packages: tuple[Held, ...]
    made_at: int


def have(packages: Iterable[Package], *, made_at: int) -> HaveList:
    """What packages hold; of those that lack something, the chunks alone.

    Args:
        packages: Each opened with those that it leans on; taken one after another.
        made_at: ms since 1970 UTC.
    """
    chunks: set[bytes] = set()
    held = set()
    for package in packages:
        chunks.update(package.storage.readable_chunks())
        if not package.missing():
            held.add(
                Held(
                    address=str(package.meaning.address),
                    content_id=package.content_id,
                    state_id=package.state_id,
                    package_id=package.package_id,
                )
            )
    return HaveList(chunks=frozenset(chunks), packages=tuple(sorted(held)), made_at=made_at)


def encode_have(held: HaveList) -> bytes:
    """The bytes of a list: canonical JSON, so that equal lists are equal files."""
    return canonical.encode(
        _Written(
            chunks=base64.b64encode(b"".join(sorted(held.chunks))).decode(),
            format=FORMAT,
            made_at=held.made_at,
            packages=held.packages,
        )
    )


def decode_have(raw: bytes, name: str) -> HaveList:
    """Read a list.

    Args:
        raw: Its bytes.
        name: What a person calls the file.

    Raises:
        HaveListError: It is none, or not as one is written.
    """
    try:
        written = msgspec.json.decode(raw, type=_Written)
        hashes = base64.b64decode(written.chunks, validate=True)
    except (msgspec.DecodeError, UnicodeError, RecursionError, binascii.Error, ValueError) as error:
        raise _refused(name, f"it cannot be read: {error}") from error
    if written.format != FORMAT:
        raise _refused(name, f"its format is {written.format!r}")
    if len(hashes) % HASH_SIZE:
        raise _refused(name, "its chunks are no whole number of hashes")
    held = HaveList(
        chunks=frozenset(_cut(hashes)), packages=written.packages, made_at=written.made_at
    )
    if encode_have(held) != raw or tuple(sorted(set(held.packages))) != held.packages:
        raise _refused(name, "it is not in canonical form")
    return held


def read_have(path: Path, trust: Trust | None = None) -> HaveList:
    """Read a list from a file.

    Args:
        path: The file.
        trust: Whom to believe; everybody if None, or if the policy does not ask for lists.

    Raises:
        UntrustedError: It is not signed as the policy wants.
        HaveListError: It is none, or not as one is written.
        MlarchiveError: The file cannot be read.
    """
    with fsops.explaining(path, "read"), path.open("rb") as file:
        raw = file.read(SIZE_MAX + 1)
    if len(raw) > SIZE_MAX:
        raise _refused(str(path), f"it is longer than {SIZE_MAX} bytes")
    if trust is not None and trust.policy.notes:
        beside.require_signed(path, raw, FORMAT, beside.read_envelope(path), trust)
    return decode_have(raw, str(path))


def write_have(held: HaveList, path: Path, keys: Sequence["PrivateKey"] = ()) -> None:
    """Write a list, in place of an older one.

    Args:
        held: What it says.
        path: The file.
        keys: Sign it, beside it.

    Raises:
        MlarchiveError: As the file system says.
    """
    beside.write_envelope(path, b"")
    with fsops.atomic_file(path) as file:
        file.write(encode_have(held))
    beside.sign_file(path, FORMAT, keys)


def _cut(hashes: bytes) -> Iterator[bytes]:
    return (hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))


def _refused(name: str, why: str) -> HaveListError:
    return HaveListError(
        f"{name} is not a have-list: {why}",
        hint="make it again on the other side with `mlarchive have LOCATOR -o FILE`",
    )
