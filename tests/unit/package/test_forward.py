"""A package that goes by in a pipe is checked to the last byte, in bounded memory."""

import io
import random
from typing import Any

import pytest

from mlarchive.errors import FormatError
from mlarchive.package import Limits
from mlarchive.package import forward as forward_module
from mlarchive.package.codec import Codec
from mlarchive.package.forward import Forwarded, verify_forward
from mlarchive.package.refusals import REFUSALS
from tests.compat.flips import flipped
from tests.compat.samples import samples
from tests.support.deltas import package_with_deltas
from tests.support.packages import opened, packed
from tests.unit.package.test_salvage import SAMPLES, SEED, records


class Pipe(io.RawIOBase):
    """Bytes that can be read forward only, in pieces of odd lengths."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = io.BytesIO(data)
        self.longest = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (any writable buffer)
        self.longest = max(self.longest, len(buffer))
        return self._data.readinto(memoryview(buffer)[:70_001])


def forward(data: bytes, limits: Limits | None = None) -> Forwarded:
    return verify_forward(Pipe(data), "a pipe", limits or Limits())  # type: ignore[arg-type]  # reads as any


@pytest.mark.clause("11.6")
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sound_package_is_found_sound(name: str) -> None:
    data = samples()[name]
    found = forward(data)
    with opened(data) as package:
        verified = package.verify()
        assert found.package_id == package.package_id
        assert (found.content_id, found.state_id) == (package.content_id, package.state_id)
        assert (found.size, found.records) == (package.size, verified.records)
        assert found.missing == verified.missing
        assert found.warnings == package.warnings()
    assert found.not_decoded == (1 if name == "a thin delta" else 0)


@pytest.mark.clause("11.6")
@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"parity"}))
def test_any_changed_byte_is_refused(name: str) -> None:
    data = samples()[name]
    rng = random.Random(SEED)  # noqa: S311  (no secret)
    for _ in range(40):
        at, mask = rng.randrange(len(data)), rng.randrange(1, 256)
        with pytest.raises(FormatError) as caught:
            forward(flipped(data, at, mask))
        assert caught.value.refusal in REFUSALS, f"byte {at} ^ {mask}"


def test_a_changed_byte_anywhere_in_a_small_package_is_refused() -> None:
    data = packed({"a.txt": b"some text, " * 9, "b.bin": bytes(range(200)), "c": b""})
    for at in range(0, len(data), 5):
        with pytest.raises(FormatError):
            forward(flipped(data, at, 1 << at % 8))


def test_what_is_cut_off_or_followed_by_more_is_refused() -> None:
    data = packed({"a.txt": b"some text, " * 9})
    for length in range(0, len(data), 37):
        with pytest.raises(FormatError):
            forward(data[:length])
    for tail in (b"\0", b"x" * 64, data, bytes(4096)):
        with pytest.raises(FormatError):
            forward(data + tail)


def test_a_delta_is_decoded_while_its_base_is_held_and_counted_where_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = package_with_deltas()
    deltas = [at for at, header in records(data) if header.codec == Codec.DELTA]
    assert deltas
    assert forward(data).not_decoded == 0
    for at in deltas:
        with pytest.raises(FormatError, match=r"E02[678]"):
            forward(flipped(data, at + 1000, 1))
    monkeypatch.setattr(forward_module, "_WINDOW", 0)
    assert forward(data).not_decoded == len(deltas)
    for at in deltas:
        with pytest.raises(FormatError, match="E025"):
            forward(flipped(data, at + 1000, 1))


def test_limits_are_compared_before_memory_is_taken() -> None:
    data = packed({"zeros": bytes(3_000_000)})
    with pytest.raises(FormatError, match="E015"):
        forward(data, Limits(document=10))
    with pytest.raises(FormatError, match="E015"):
        forward(data, Limits(index=100))
    with pytest.raises(FormatError, match="E015"):
        forward(data, Limits(unpacked=1_000_000))
