"""Changes of a policy's keys, signed by the keys that it had (spec/trust.md, 4)."""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import ConfigError, RotationError
from mlarchive.package import canonical
from mlarchive.trust.envelope import (
    Envelope,
    decode_envelope,
    decoded,
    encode_envelope,
    envelope_of,
    signed_by,
)
from mlarchive.trust.keys import PrivateKey, is_by, key_id, public_key
from mlarchive.trust.trustedkey import TrustedKey

PAYLOAD_TYPE = "application/vnd.mlpkg.rotation+json"

_FORMAT = "mlpkg-rotation-1"
_KEY_ID = re.compile("[0-9a-f]{64}")


class Added(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that a rotation adds.

    Attributes:
        name: What a person calls it.
        not_after: When it ceases to count, ms since 1970 UTC; 0 if it never does.
        not_before: When it begins to, likewise.
        public: In PEM.
    """

    name: str
    not_after: int
    not_before: int
    public: str


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rotation says.

    Attributes:
        add: New keys.
        number: Its place among a policy's rotations, from 1.
        revoke: Key ids.
    """

    add: tuple[Added, ...]
    format: str = _FORMAT
    number: int
    revoke: tuple[str, ...]


class Rotation(Struct, frozen=True, kw_only=True):
    """A rotation, decoded and not judged.

    Attributes:
        name: What a person calls the file.
        change: What it says.
        envelope: With its signatures.
    """

    name: str
    change: Change
    envelope: Envelope


def encode_rotation(change: Change, signers: Sequence[PrivateKey]) -> bytes:
    """A rotation file, signed."""
    envelope = envelope_of(canonical.encode(change), PAYLOAD_TYPE)
    for key in signers:
        envelope = signed_by(envelope, key)
    return encode_envelope(envelope)


def countersigned(rotation: Rotation, signers: Sequence[PrivateKey]) -> bytes:
    """A rotation file with more signatures."""
    envelope = rotation.envelope
    for key in signers:
        envelope = signed_by(envelope, key)
    return encode_envelope(envelope)


def read_rotation(text: bytes, name: str) -> Rotation:
    """Decode a rotation file.

    Raises:
        ConfigError: It is something else.
    """
    try:
        envelope = decode_envelope(text.rstrip(b"\n"))
        change = _change(envelope)
    except ValueError as error:
        raise ConfigError(
            f"{name} is no rotation of keys: {error}", hint="`mlarchive rotate` makes one"
        ) from error
    return Rotation(name=name, change=change, envelope=envelope)


def rotated(
    keys: Mapping[str, TrustedKey], rotation: Rotation, number: int, threshold: int
) -> Mapping[str, TrustedKey]:
    """The keys after a rotation.

    Args:
        keys: Those before it, by key id.
        rotation: Decoded.
        number: Its place among the rotations of the policy.
        threshold: How many of the keys must have signed it.

    Raises:
        RotationError: It is not theirs, or out of its order.
        ConfigError: A key that it adds is none.
    """
    name, change = rotation.name, rotation.change
    if change.number != number:
        raise RotationError(
            f"{name} is rotation {change.number}, and stands where {number} is wanted",
            hint="name all rotations in the policy, in their order",
        )
    signers = _signers(keys, rotation)
    if len(signers) < threshold:
        raise RotationError(
            f"{name} is signed by {len(signers)} of the keys before it, and {threshold} are needed",
            hint="`mlarchive rotate FILE --key KEY` adds a signature",
        )
    after = dict(keys)
    for keyid in change.revoke:
        if keyid not in after:
            raise RotationError(f"{name} revokes {keyid}, which is no key of the policy")
        after[keyid] = replace(after[keyid], revoked=f"{name} says so")
    for added in change.add:
        public = public_key(added.public, f"a key of {name}")
        keyid = key_id(public)
        if keyid in after:
            raise RotationError(f"{name} adds {added.name}, which is a key of the policy already")
        after[keyid] = TrustedKey(
            public=public,
            name=added.name,
            not_before=added.not_before,
            not_after=added.not_after,
        )
    return after


def _signers(keys: Mapping[str, TrustedKey], rotation: Rotation) -> set[str]:
    signed = rotation.envelope.signed
    return {
        signature.keyid
        for signature in rotation.envelope.signatures
        if (key := keys.get(signature.keyid)) is not None
        and not key.revoked
        and is_by(signature.raw, signed, key.public)
    }


def _change(envelope: Envelope) -> Change:
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ValueError(f"it holds a {envelope.payload_type}")
    change = decoded(envelope.raw, Change)
    if change.format != _FORMAT or canonical.encode(change) != envelope.raw:
        raise ValueError("it is not canonical")
    if not all(map(_KEY_ID.fullmatch, change.revoke)):
        raise ValueError("what it revokes are no key ids")
    return change
