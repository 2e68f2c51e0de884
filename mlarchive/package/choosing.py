"""Which codec a chunk gets: a writer's policy, decided on a probe (annex A).

The probe is 64 KiB spread over the chunk, or 32 KiB where the type of its elements is known. What
does not shrink below 98 % is stored.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from mlarchive.package.buffers import Buffer
from mlarchive.package.chunkers.pieces import UNKNOWN, Hint
from mlarchive.package.codec import Codec
from mlarchive.package.delta import encode_delta, fold
from mlarchive.package.encoding import STORE_ABOVE, Base, Encoded, finished, stored
from mlarchive.package.frames import Effort, encode_frame
from mlarchive.package.planes import encode_planes, split

PROBE = 64 << 10
_HINTED_PROBE = 32 << 10
"""Enough where the type is known, and only the planes that compress are asked for."""

_PLACES_PROBE = 32 << 10
"""Enough to tell numbers from text, and both from noise."""

_PROBE_PARTS = 16
_TEXT_BELOW = 0.5
_BETTER = 0.99
"""A later guess replaces an earlier one only if it leaves this share of what that left."""

_CLOSER = 0.95
"""A delta, which makes its reader decode two chunks, must leave this share of what is left else."""

_EVEN = 0.3
"""Bits: places of a word whose entropies differ by less are no parts of numbers."""

_NOISE = 7.9
"""Bits: bytes of more entropy do not compress."""

_FEW = 8 << 10
"""Bytes: too few to know entropies from."""

_PLACES = np.arange(8, dtype=np.uint16) << 8

_GUESSES = (Hint(2), Hint(4), Hint(8), Hint(4, rotated=False), Hint(8, rotated=False))


def encode_chunk(
    raw: Buffer,
    raw_hash: bytes,
    hint: Hint = UNKNOWN,
    scratch: memoryview | None = None,
    bases: Sequence[Base] = (),
) -> Encoded:
    """Encode a chunk as its probe suggests; the result depends on its arguments alone.

    Args:
        raw: The chunk.
        raw_hash: Its hash.
        hint: What its chunker believes about it.
        scratch: Memory as long as `raw` that the result may use; None for new memory.
        bases: Chunks as long that it may resemble; the one that it resembles most is taken.
    """
    choice = _choose(raw, hint)
    if bases:
        elem = choice.hint.elem or hint.elem or 1
        tried = [(_try_delta(raw, base.raw, elem), base) for base in bases]
        delta, base = min(tried, key=lambda pair: pair[0].share)
        alone = choice.share or _try_text(_probe(raw, PROBE)).share
        if delta.share < alone * _CLOSER:
            parts = encode_delta(raw, base.raw, elem=delta.hint.elem, efforts=delta.efforts)
            encoded = finished(raw, raw_hash, Codec.DELTA, parts, elem=delta.hint.elem)
            if encoded.codec == Codec.DELTA:
                return replace(encoded, base=base.row, base_hash=base.hash)
    if choice.codec == Codec.STORED:
        return stored(raw, raw_hash)
    if choice.codec == Codec.ZSTD:
        effort = Effort.SMALL if hint.many else Effort.TEXT
        return finished(raw, raw_hash, choice.codec, [encode_frame(raw, effort)])
    elem, rotated = choice.hint.elem, choice.hint.rotated
    parts = encode_planes(raw, elem=elem, rotated=rotated, efforts=choice.efforts, scratch=scratch)
    return finished(raw, raw_hash, choice.codec, parts, elem=elem)


def guess(raw: Buffer) -> Hint:
    """What the elements of an array of unknown type may be; `UNKNOWN` if it is no array."""
    return _choose(raw, UNKNOWN).hint


class _Choice(Struct, frozen=True):
    """What to do with a chunk.

    Attributes:
        share: What is left of the probe; 0 where nobody needed to know.
        codec: How to encode.
        hint: The elements, for planes.
        efforts: How to compress each plane.
    """

    share: float
    codec: Codec
    hint: Hint = UNKNOWN
    efforts: Sequence[Effort | None] = ()


def _choose(raw: Buffer, hint: Hint) -> _Choice:
    if hint.elem:
        probe = _probe(raw, _HINTED_PROBE)
        best = _try_planes(probe, hint)
        if best.share > STORE_ABOVE:
            best = _try_text(probe)
    else:
        best = _choose_blindly(raw)
    return _Choice(1.0, Codec.STORED) if best.share > STORE_ABOVE else best


def _choose_blindly(raw: Buffer) -> _Choice:
    """What to do with bytes of which nothing is known."""
    spread, least = _unevenness(_probe(raw, _PLACES_PROBE))
    if spread <= _EVEN:
        # No numbers. What turns out not to shrink is stored after all.
        return _Choice(1.0, Codec.STORED) if least > _NOISE else _Choice(0.0, Codec.ZSTD)
    probe = _probe(raw, PROBE)
    best = _try_text(probe)
    if best.share >= _TEXT_BELOW:
        for elements in _GUESSES:
            choice = _try_planes(probe, elements)
            if choice.share < best.share * _BETTER:
                best = choice
    return best


def _unevenness(probe: Buffer) -> tuple[float, float]:
    """How much the bytes at the eight places of a word differ from each other.

    In an array of numbers some places hold exponents, or zeros, and others noise; in text, and in
    what is compressed already, all are alike.

    Returns:
        The difference between the most and the least entropy of a place, and the latter, in bits.
    """
    whole = np.frombuffer(probe, np.uint8, len(probe) & ~7)
    if len(whole) < _FEW:
        return 8.0, 0.0
    places = whole.reshape(-1, 8) + _PLACES
    counts = np.bincount(places.reshape(-1), minlength=8 << 8).reshape(8, 256)
    shares = counts / (len(whole) // 8)
    entropies = -(shares * np.log2(np.maximum(shares, 1e-9))).sum(axis=1)
    return float(np.ptp(entropies)), float(entropies.min())


def _try_delta(raw: Buffer, base: Buffer, elem: int) -> _Choice:
    """What is left of a probe of the differences to a base."""
    folded = fold(_probe(raw, _HINTED_PROBE), _probe(base, _HINTED_PROBE), elem=elem)
    return _try_planes(folded, Hint(elem, rotated=False))


def _try_text(probe: Buffer) -> _Choice:
    return _Choice(len(encode_frame(probe, Effort.TEXT)) / len(probe), Codec.ZSTD)


def _probe(raw: Buffer, length: int) -> Buffer:
    """So much of a chunk: parts spread evenly, each beginning at a whole element."""
    if len(raw) <= length:
        return raw
    part = length // _PROBE_PARTS
    step = (len(raw) - part) // (_PROBE_PARTS - 1) & ~7
    view = np.frombuffer(raw, np.uint8)
    return b"".join(view[at * step : at * step + part].tobytes() for at in range(_PROBE_PARTS))


def _try_planes(probe: Buffer, hint: Hint) -> _Choice:
    if len(probe) < hint.elem:
        return _Choice(1.0, Codec.STORED)
    total = len(probe) % hint.elem
    efforts: list[Effort | None] = []
    for plane in split(probe, elem=hint.elem, rotated=hint.rotated):
        sizes = {e: len(encode_frame(plane.data, e)) for e in (Effort.ENTROPY, Effort.FAST)}
        effort = min(sizes, key=lambda e: sizes[e])
        if sizes[effort] > STORE_ABOVE * len(plane):
            efforts.append(None)
            total += len(plane)
        else:
            efforts.append(effort)
            total += sizes[effort]
    codec = Codec.PLANES if hint.rotated else Codec.PLANES_PLAIN
    return _Choice(total / len(probe), codec, hint, efforts)
