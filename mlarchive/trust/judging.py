"""Whether a package is trusted: its signatures against a policy (spec/trust.md, 3.2 and 3.3)."""

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import partial

from msgspec import Struct

from mlarchive.errors import (
    BadSignatureError,
    KeyExpiredError,
    KeyRevokedError,
    SignedOtherError,
    TooFewSignaturesError,
    UnsignedError,
    UntrustedError,
)
from mlarchive.trust.envelope import Envelope, Signature, decode_text
from mlarchive.trust.keys import is_by
from mlarchive.trust.policy import Policy
from mlarchive.trust.statement import PAYLOAD_TYPE, Ids, decode_statement

_HINT = "do not use it; ask whoever sent it, by another way, which key signs"


class Verdict(IntEnum):
    """What a signature is worth; of several, the smallest is what a refusal is for."""

    COUNTS = 0
    OTHER = 1
    BAD = 2
    REVOKED = 3
    EXPIRED = 4
    UNKNOWN = 5


class Judged(Struct, frozen=True, kw_only=True):
    """A signature, judged.

    Attributes:
        keyid: Its key's id.
        name: Of the key in the policy; "" if it is not there.
        verdict: What it is worth.
    """

    keyid: str
    name: str
    verdict: Verdict


_OTHER = "another package, or another state of it"
_KINDS: dict[Verdict, type[UntrustedError]] = {
    Verdict.OTHER: SignedOtherError,
    Verdict.BAD: BadSignatureError,
    Verdict.REVOKED: KeyRevokedError,
    Verdict.EXPIRED: KeyExpiredError,
    Verdict.UNKNOWN: UntrustedError,
}
_WHY = {
    Verdict.OTHER: "{} signed {other}",
    Verdict.BAD: "the signature of {} is false",
    Verdict.REVOKED: "{} signed it, and that key is revoked",
    Verdict.EXPIRED: "{} signed it, and that key does not count at this time",
    Verdict.UNKNOWN: "it is signed by {}, which the policy does not know",
}


def judge(text: bytes, ids: Ids, policy: Policy, when: int) -> tuple[Judged, ...]:
    """Every signature of a package that the policy trusts.

    Args:
        text: Of the signature area.
        ids: Of the package, as its trailer states them.
        policy: The reader's.
        when: The time of judging, ms since 1970 UTC.

    Raises:
        UntrustedError: It is not trusted; the class says why.
    """
    try:
        envelopes = decode_text(text)
    except ValueError as error:
        raise BadSignatureError(f"its signatures cannot be read: {error}", hint=_HINT) from error
    if not envelopes:
        raise UnsignedError(
            f"it has no signature, and {policy.path} wants {policy.threshold}",
            hint="it was never signed, or its signature was removed; ask whoever sent it",
        )
    fits = partial(_fits, ids=ids, policy=policy)
    return judge_envelopes(envelopes, fits, policy, when, other=_OTHER)


def judge_envelopes(
    envelopes: Sequence[Envelope],
    fits: Callable[[Envelope], bool],
    policy: Policy,
    when: int,
    *,
    other: str,
) -> tuple[Judged, ...]:
    """Every signature in envelopes of which so many count as the policy wants.

    Args:
        envelopes: Decoded.
        fits: Whether an envelope is over what is judged.
        policy: The reader's.
        when: The time of judging, ms since 1970 UTC.
        other: What is signed by an envelope that does not fit, in words.

    Raises:
        UntrustedError: Fewer count; the class says why.
    """
    judged = tuple(_judged(envelopes, fits, policy, when))
    counting = {one.keyid for one in judged if one.verdict is Verdict.COUNTS}
    if len(counting) >= policy.threshold:
        return judged
    if counting:
        raise TooFewSignaturesError(
            f"{len(counting)} of its signatures count, and {policy.path} wants {policy.threshold}"
            + "".join(f"; {_why(one, other)}" for one in judged if one.verdict),
            hint="let another key of the policy sign it: `mlarchive sign`",
        )
    worst = min(judged, key=lambda one: one.verdict)
    raise _KINDS[worst.verdict](_why(worst, other), hint=_HINT)


def _why(judged: Judged, other: str) -> str:
    name = judged.name or f"the key {judged.keyid[:16]}…"
    return _WHY[judged.verdict].format(name, other=other)


def _judged(
    envelopes: Sequence[Envelope], fits: Callable[[Envelope], bool], policy: Policy, when: int
) -> Iterator[Judged]:
    for envelope in envelopes:
        fitting = fits(envelope)
        for signature in envelope.signatures:
            key = policy.keys.get(signature.keyid)
            yield Judged(
                keyid=signature.keyid,
                name=key.name if key else "",
                verdict=_verdict(signature, envelope, policy, when, fits=fitting),
            )


def _verdict(
    signature: Signature, envelope: Envelope, policy: Policy, when: int, *, fits: bool
) -> Verdict:
    key = policy.keys.get(signature.keyid)
    if key is None:
        return Verdict.UNKNOWN
    if not is_by(signature.raw, envelope.signed, key.public):
        return Verdict.BAD
    if not fits:
        return Verdict.OTHER
    if key.revoked:
        return Verdict.REVOKED
    return Verdict.COUNTS if key.counts_at(when) else Verdict.EXPIRED


def _fits(envelope: Envelope, ids: Ids, policy: Policy) -> bool:
    """Whether a statement names what the policy requires of this package.

    A package_id stands for all three.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        return False
    try:
        named = decode_statement(envelope.raw)
    except ValueError:
        return False
    required = Ids.__struct_fields__ if "package" in policy.require else policy.require
    return all(getattr(named, name) == getattr(ids, name) for name in required)
