"""zstd frames: made with fixed parameters, read with every trap closed (clause 5.2).

A frame states its content size, uses no dictionary and no check sum (a hash covers it), and
has a window of at most 8 MiB. libzstd promises no stable output across versions; identity is
therefore over raw bytes, never over these.
"""

import sys
import threading
from collections.abc import Callable
from enum import Enum

import zstandard

from mlarchive.errors import FormatError
from mlarchive.package.buffers import Buffer
from mlarchive.package.limits import WINDOW_MAX

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"


class Effort(Enum):
    """How a frame is made.

    `ENTROPY` has the match finder leap over all there is, so that blocks are Huffman-coded
    literals: on exponent bytes of floats it reaches what level 19 does, at several hundred times
    its speed, where levels 1 to 9 are worse (ADR 17). `FAST` is level 1. `TEXT` is
    level 4, a tenth slower than 3: it makes up for the history that a chunk does not share with
    the one before. `SMALL` is level 8, for documents and for chunks of many small files: what is
    kept about each file is made up for there.
    """

    ENTROPY = "entropy"
    FAST = "fast"
    TEXT = "text"
    SMALL = "small"


_LEVELS = {Effort.FAST: 1, Effort.TEXT: 4, Effort.SMALL: 8}

_FARTHEST = 1 << 17
"""ZSTD_TARGETLENGTH_MAX: how far the fast strategy leaps where it found nothing."""

_LITERALS, _COMPRESSED = 1002, 1
"""ZSTD_c_literalCompressionMode of `zstd.h`, which leaping turns off, and ZSTD_ps_enable."""

Compress = Callable[[Buffer], bytes]

_made = threading.local()


def encode_frame(raw: Buffer, effort: Effort) -> bytes:
    """One frame; the bytes depend on the input, the effort and the version of libzstd only."""
    compressor = getattr(_made, effort.value, None)
    if compressor is None:
        compressor = _entropy() if effort is Effort.ENTROPY else _level(effort)
        setattr(_made, effort.value, compressor)
    frame: bytes = compressor(raw)
    return frame


def _level(effort: Effort) -> Compress:
    parameters = zstandard.ZstdCompressionParameters.from_level(_LEVELS[effort])
    return zstandard.ZstdCompressor(compression_params=parameters).compress


def _entropy() -> Compress:
    """Python's own binding to libzstd can set what `zstandard` cannot."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    known = zstd.CompressionParameter
    options: dict[int, int] = {
        known.strategy: zstd.Strategy.fast,
        known.window_log: 18,
        known.hash_log: 6,
        known.min_match: 7,
    }
    try:
        compressor = zstd.ZstdCompressor(
            options={**options, known.target_length: _FARTHEST, _LITERALS: _COMPRESSED}
        )
    except (ValueError, zstd.ZstdError):  # an experiment of libzstd's that has ended
        compressor = zstd.ZstdCompressor(options=options)
    return lambda raw: compressor.compress(raw, compressor.FLUSH_FRAME)


def decode_frame(frame: Buffer, raw_len: int) -> bytes:
    """What a frame holds.

    Raises:
        FormatError: E026 if the frame is of a kind that is not allowed, E027 if it does not
            decode to `raw_len` bytes.
    """
    if bytes(frame[:4]) != FRAME_MAGIC:
        raise FormatError("E026", "a record does not begin as a zstd frame does")
    try:
        stated = zstandard.get_frame_parameters(bytes(frame[:18]))
    except zstandard.ZstdError as error:
        raise FormatError("E026", f"a zstd frame's header is broken: {error}") from error
    if stated.content_size != raw_len:
        raise FormatError("E026", f"a zstd frame states another length than {raw_len}")
    if stated.window_size > WINDOW_MAX or stated.dict_id or stated.has_checksum:
        raise FormatError("E026", "a zstd frame wants a large window, a dictionary or a check sum")
    decompressor = getattr(_made, "decompressor", None)
    if decompressor is None:
        decompressor = _made.decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_MAX)
    try:
        raw: bytes = decompressor.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise FormatError("E027", f"a zstd frame cannot be decoded: {error}") from error
    return raw
