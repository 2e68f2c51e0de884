"""Any flipped byte makes `verify` refuse: all of a small package, a sample of a bigger one."""

import io

import numpy as np
import pytest

from mlarchive.errors import FormatError, MlarchiveError
from mlarchive.package import Package
from mlarchive.package.refusals import REFUSALS
from tests.support.packages import contents, opened, packed
from tests.unit.package.test_writer import MIXED, noise

SMALL = {"a.txt": b"some text, some text, some text", "b.bin": bytes(range(200)), "c": b""}


def verify(data: bytes) -> None:
    with opened(data) as package:
        package.verify()


@pytest.mark.clause("2.4", "10.4", "11.3")
def test_every_single_flipped_byte_of_a_small_package_is_noticed() -> None:
    whole = packed(SMALL)
    verify(whole)
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << (at % 8)
        with pytest.raises(FormatError) as caught:
            verify(bytes(flipped))
        assert caught.value.refusal in REFUSALS


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_of_a_bigger_package_are_noticed(seed: int) -> None:
    whole = packed(MIXED)
    rng = np.random.default_rng(seed)
    for _ in range(25):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        with pytest.raises(FormatError):
            verify(bytes(flipped))


@pytest.mark.parametrize("full", [True, False])
def test_both_kinds_of_verification_notice_damaged_chunks(*, full: bool) -> None:
    whole = bytearray(packed(MIXED))
    whole[len(whole) // 2] ^= 1
    with opened(bytes(whole)) as package, pytest.raises(FormatError, match="E025"):
        package.verify(full=full)


@pytest.mark.clause("3.2", "10.3")
def test_a_package_cut_off_anywhere_is_refused() -> None:
    whole = packed(SMALL)
    for length in range(len(whole)):
        with pytest.raises(FormatError):
            Package.open(io.BytesIO(whole[:length]))


@pytest.mark.parametrize("tail", [b"\0", b"x" * 64, b"\r\n"])
@pytest.mark.clause("10.3")
def test_bytes_after_the_end_are_refused(tail: bytes) -> None:
    with pytest.raises(FormatError, match="E006"):
        Package.open(io.BytesIO(packed(SMALL) + tail))


def test_two_packages_one_after_the_other_are_refused() -> None:
    with pytest.raises(FormatError, match="E008"):
        Package.open(io.BytesIO(packed(SMALL) * 2))


@pytest.mark.clause("3.2")
def test_a_transfer_in_text_mode_is_named() -> None:
    damaged = packed(SMALL).replace(b"\r\n", b"\n")
    with pytest.raises(FormatError, match="E002"):
        Package.open(io.BytesIO(damaged))


@pytest.mark.clause("11.1")
def test_reading_one_file_does_not_touch_the_damage_of_another() -> None:
    whole = bytearray(packed({"a.txt": b"fine\n" * 30_000, "z.bin": noise(90_000)}))
    at = bytes(whole).find(noise(90_000))
    whole[at + 5] ^= 1
    with opened(bytes(whole)) as package:
        streams = {getattr(s.entry, "path", ""): s for s in package.snapshot().streams}
        assert streams["a.txt"].open().read() == b"fine\n" * 30_000
        with pytest.raises(MlarchiveError, match="E025"):
            streams["z.bin"].open().read()


def test_what_is_intact_reads_as_it_was() -> None:
    with opened(packed(SMALL)) as package:
        assert contents(package) == SMALL
