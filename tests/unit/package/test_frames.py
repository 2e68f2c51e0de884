"""zstd frames: every trap of the library is closed."""

import math
import struct
import threading

import numpy as np
import pytest
import zstandard

from mlarchive.errors import FormatError
from mlarchive.package import frames
from mlarchive.package.frames import Effort, decode_frame, encode_frame

RAW = b"some text that repeats, " * 1000


@pytest.mark.parametrize("effort", list(Effort))
def test_frames_come_back_and_are_repeatable(effort: Effort) -> None:
    frame = encode_frame(RAW, effort)
    assert decode_frame(frame, len(RAW)) == RAW
    assert encode_frame(RAW, effort) == frame


@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.clause("5.2")
def test_any_other_decoder_reads_them(effort: Effort) -> None:
    frame = encode_frame(RAW, effort)
    assert zstandard.ZstdDecompressor().decompress(frame) == RAW


def exponents() -> bytes:
    """Bytes of few values, none of which says anything about the next."""
    drawn = np.random.default_rng(7).normal(scale=1.3, size=1 << 20)
    return np.round(drawn + 120).astype(np.uint8).tobytes()


def test_bytes_without_repeats_are_coded_by_huffman_alone() -> None:
    raw = exponents()
    counts = np.unique(np.frombuffer(raw, np.uint8), return_counts=True)[1] / len(raw)
    entropy = -float((counts * np.log2(counts)).sum()) / 8
    left = len(encode_frame(raw, Effort.ENTROPY)) / len(raw)
    assert math.isclose(left, entropy, rel_tol=0.02)
    # No match was taken for what chance repeats: a level that looks for some leaves more.
    assert left < 0.97 * len(encode_frame(raw, Effort.FAST)) / len(raw)


def test_a_library_without_the_experiment_makes_frames_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "_LITERALS", 987_654)
    monkeypatch.setattr(frames, "_made", threading.local())
    raw = exponents()
    frame = encode_frame(raw, Effort.ENTROPY)
    assert decode_frame(frame, len(raw)) == raw
    assert len(frame) < 0.4 * len(raw)


def refused(frame: bytes, length: int, code: str) -> None:
    with pytest.raises(FormatError) as caught:
        decode_frame(frame, length)
    assert caught.value.refusal == code


@pytest.mark.clause("5.2")
def test_a_frame_that_states_another_length_never_reaches_the_decoder() -> None:
    bomb = zstandard.compress(bytes(50 << 20))
    refused(bomb, 1000, "E026")


@pytest.mark.clause("5.2")
def test_a_frame_without_its_length_is_refused() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    refused(compressor.compress(RAW), len(RAW), "E026")


@pytest.mark.clause("5.2")
def test_a_check_sum_is_refused() -> None:
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    refused(compressor.compress(RAW), len(RAW), "E026")


@pytest.mark.clause("5.2")
def test_a_large_window_is_refused() -> None:
    raw = bytes(20 << 20)
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(raw)
    refused(frame, len(raw), "E026")


@pytest.mark.clause("5.2")
def test_a_dictionary_is_refused() -> None:
    dictionary = zstandard.ZstdCompressionDict(b"dictionary " * 100, dict_type=1)
    full = zstandard.train_dictionary(2000, [b"sample %d " % n * 20 for n in range(500)])
    assert full.dict_id() != dictionary.dict_id()
    frame = zstandard.ZstdCompressor(dict_data=full).compress(RAW)
    refused(frame, len(RAW), "E026")


@pytest.mark.clause("5.2")
def test_bytes_after_the_frame_are_refused() -> None:
    frame = encode_frame(RAW, Effort.TEXT)
    refused(frame + b"x", len(RAW), "E027")
    refused(frame + frame, len(RAW), "E027")


@pytest.mark.clause("5.2")
def test_a_skippable_frame_is_refused() -> None:
    frame = struct.pack("<II", 0x184D2A50, 4) + b"skip"
    refused(frame, 4, "E026")


@pytest.mark.parametrize("length", [0, 3, 4, 5, 8])
@pytest.mark.clause("5.2")
def test_a_frame_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(FormatError, match=r"E02[67]"):
        decode_frame(encode_frame(RAW, Effort.TEXT)[:length], len(RAW))


def test_a_frame_of_nonsense_is_refused() -> None:
    frame = encode_frame(RAW, Effort.TEXT)
    refused(frame[:10] + b"\xff" * 30, len(RAW), "E027")
