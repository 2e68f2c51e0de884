"""Signatures of what goes beside packages: notes, have-lists, receipts (spec/trust.md, 5).

An envelope lies beside the file that it is over, and names it by its digest.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mlarchive import fsops
from mlarchive.errors import BadSignatureError, UnsignedError, UntrustedError
from mlarchive.trust.envelope import (
    Envelope,
    decode_envelope,
    encode_envelope,
    envelope_of,
    signed_by,
)
from mlarchive.trust.keys import PrivateKey
from mlarchive.trust.opening import Trust
from mlarchive.trust.statement import PAYLOAD_TYPE, encode_file_statement

SUFFIX = ".dsse.json"

SIZE_MAX = 1 << 20
"""Bytes of an envelope that is read."""


def envelope_path(path: Path) -> Path:
    """Where the signatures of a file are."""
    return path.with_name(f"{path.name}{SUFFIX}")


def read_envelope(path: Path) -> bytes:
    """The text of the envelope beside a file; empty if there is none.

    Raises:
        MlarchiveError: It cannot be read.
    """
    place = envelope_path(path)
    with fsops.explaining(place, "read"):
        if place.is_symlink() or not place.is_file():
            # A link on a medium would lead to what is not on it.
            return b""
        with place.open("rb") as file:
            return file.read(SIZE_MAX + 1)


def is_envelope(text: bytes) -> bool:
    """Whether a text can be read as an envelope, whoever signed it."""
    try:
        decode_envelope(text)
    except ValueError:
        return False
    return True


def write_envelope(path: Path, text: bytes) -> None:
    """Put an envelope beside a file; an empty text removes the one that is there.

    Raises:
        MlarchiveError: As the file system says.
    """
    place = envelope_path(path)
    if text:
        with fsops.atomic_file(place) as file:
            file.write(text)
    elif place.exists():
        fsops.remove(place)


def signed_text(raw: bytes, form: str, keys: Sequence[PrivateKey], before: bytes = b"") -> bytes:
    """The envelope of a file.

    Args:
        raw: The file's bytes.
        form: The format that they say they are in, such as `mlarchive-receipt-1`.
        keys: Each adds a signature.
        before: The envelope that it had; signatures over the same bytes stay.
    """
    envelope = envelope_of(_statement(raw, form), PAYLOAD_TYPE)
    try:
        there = decode_envelope(before)
    except ValueError:
        there = envelope
    if there.payload == envelope.payload:
        envelope = there
    for key in keys:
        envelope = signed_by(envelope, key)
    return encode_envelope(envelope)


def sign_file(path: Path, form: str, keys: Sequence[PrivateKey]) -> None:
    """Add signatures beside a file; without keys nothing changes.

    Args:
        path: The file.
        form: The format that it says it is in.
        keys: Each adds a signature.

    Raises:
        MlarchiveError: As the file system says.
    """
    if not keys:
        return
    with fsops.explaining(path, "read"):
        raw = path.read_bytes()
    before = read_envelope(path)
    text = signed_text(raw, form, keys, before)
    if text != before:
        write_envelope(path, text)


def require_signed(path: Path, raw: bytes, form: str, text: bytes, trust: Trust) -> None:
    """Refuse a file that is not signed by those whom a policy trusts.

    Args:
        path: What a person calls it.
        raw: Its bytes.
        form: The format that they say they are in.
        text: Of its envelope; empty if it has none.
        trust: The reader's.

    Raises:
        UntrustedError: It is not trusted; the class says why.
    """
    from mlarchive.trust.judging import judge_envelopes

    policy = trust.policy
    if not text:
        raise UnsignedError(
            f"{path} has no signature beside it, and {policy.path} wants {policy.threshold}",
            hint=f"it is signed with --sign KEY where it is made; carry {path.name}{SUFFIX} too",
        )
    statement = _statement(raw, form)

    def fits(envelope: Envelope) -> bool:
        return envelope.payload_type == PAYLOAD_TYPE and envelope.raw == statement

    try:
        envelopes = [decode_envelope(text)]
        judge_envelopes(envelopes, fits, policy, trust.when, other="another file")
    except ValueError as error:
        raise BadSignatureError(f"{path}{SUFFIX} cannot be read: {error}") from error
    except UntrustedError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error


def _statement(raw: bytes, form: str) -> bytes:
    return encode_file_statement(hashlib.sha256(raw).hexdigest(), form)
