"""DSSE envelopes: a payload, its type, and signatures over both (spec/trust.md, 2.2 and 2.3)."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mlarchive.package import canonical
from mlarchive.trust.keys import PrivateKey, key_id

T = TypeVar("T")

_FORMAT = "mlpkg-signatures-1"


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """A signature.

    Attributes:
        keyid: Says which key to try; not proven.
        sig: In base64.
    """

    keyid: str
    sig: str

    @property
    def raw(self) -> bytes:
        """The bytes of the signature.

        Raises:
            ValueError: It is no base64.
        """
        return _decoded(self.sig)


class Envelope(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A payload with its signatures.

    Attributes:
        payload: In base64.
        payload_type: Its media type.
        signatures: In the order of their key ids.
    """

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]

    @property
    def raw(self) -> bytes:
        """The bytes of the payload.

        Raises:
            ValueError: It is no base64.
        """
        return _decoded(self.payload)

    @property
    def signed(self) -> bytes:
        """What is signed: the pre-authentication encoding of type and payload.

        Raises:
            ValueError: The payload is no base64.
        """
        kind, payload = self.payload_type.encode(), self.raw
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class _Text(Struct, frozen=True, forbid_unknown_fields=True):
    envelopes: tuple[Envelope, ...]
    format: str


def envelope_of(payload: bytes, payload_type: str) -> Envelope:
    """An envelope that nobody has signed yet."""
    return Envelope(base64.b64encode(payload).decode("ascii"), payload_type, ())


def signed_by(envelope: Envelope, key: PrivateKey) -> Envelope:
    """The envelope with one more signature, or with that key's anew."""
    keyid = key_id(key.public_key())
    sig = base64.b64encode(key.sign(envelope.signed)).decode("ascii")
    others = [signature for signature in envelope.signatures if signature.keyid != keyid]
    signatures = sorted([*others, Signature(keyid, sig)], key=lambda one: one.keyid)
    return replace(envelope, signatures=tuple(signatures))


def encode_envelope(envelope: Envelope) -> bytes:
    """An envelope as canonical JSON."""
    return canonical.encode(envelope)


def decode_envelope(text: bytes) -> Envelope:
    """An envelope from canonical JSON.

    Raises:
        ValueError: It is something else, or has a signature twice, or none.
    """
    found = decoded(text, Envelope)
    if canonical.encode(found) != text:
        raise ValueError("the envelope is not canonical")
    _check(found)
    return found


def encode_text(envelopes: Sequence[Envelope]) -> bytes:
    """The text of a signature area."""
    ordered = tuple(sorted(envelopes, key=lambda envelope: envelope.payload))
    return canonical.encode(_Text(ordered, _FORMAT))


def decode_text(text: bytes) -> tuple[Envelope, ...]:
    """The envelopes of a signature area; none for an empty text.

    Raises:
        ValueError: It is something else, or not in the form that is written.
    """
    if not text:
        return ()
    found = decoded(text, _Text)
    if found.format != _FORMAT or encode_text(found.envelopes) != text:
        raise ValueError("the signatures are not in their canonical form")
    payloads = [envelope.payload for envelope in found.envelopes]
    if not payloads or len(set(payloads)) < len(payloads):
        raise ValueError("a statement is there twice, or none is")
    for envelope in found.envelopes:
        _check(envelope)
    return found.envelopes


def key_ids(text: bytes) -> tuple[str, ...]:
    """The keys that signatures say to be by, in order; none of a text that cannot be read."""
    try:
        envelopes = decode_text(text)
    except ValueError:
        return ()
    found = {signature.keyid for envelope in envelopes for signature in envelope.signatures}
    return tuple(sorted(found))


def decoded(text: bytes, kind: type[T]) -> T:
    """What a JSON text says.

    Raises:
        ValueError: It is no such text.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def _check(envelope: Envelope) -> None:
    keyids = [signature.keyid for signature in envelope.signatures]
    if not keyids or keyids != sorted(set(keyids)):
        raise ValueError("signatures are not in the order of their keys, each once")
    _ = envelope.raw, [signature.raw for signature in envelope.signatures]


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("what should be base64 is not") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise ValueError("base64 has another spelling than the one that is written")
    return raw
