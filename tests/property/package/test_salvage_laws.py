"""Laws of salvage, whatever was packed and however it was damaged."""

import io
from collections.abc import Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlarchive.errors import DamageError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.repairing.rebuilding import rebuild
from mlarchive.package.repairing.salvage import Salvage
from tests.support.packages import opened, packed

FILES = st.dictionaries(
    st.sampled_from(["a.txt", "b.txt", "c.bin", "d/e.bin", "d/f", "g.json"]),
    st.one_of(
        st.binary(max_size=300),
        st.builds(
            lambda seed, size: bytes([seed, 7, 255]) * size, st.integers(0, 255), st.just(30_000)
        ),
        st.builds(lambda seed: bytes(seed) * 997, st.binary(min_size=80, max_size=120)),
    ),
    max_size=6,
)
DAMAGE = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 400), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)
QUICKLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def damaged(data: bytes, damage: list[tuple[float, int, int]]) -> bytes:
    """Stretches of a package overwritten with a value."""
    broken = bytearray(data)
    for share, length, value in damage:
        at = int(share * len(data))
        part = broken[at : at + length]
        broken[at : at + length] = bytes([value]) * len(part)
    return bytes(broken)


def found(data: bytes, *others: bytes) -> dict[str, bytes]:
    """Whole files by path."""
    sources = [ByteSource(io.BytesIO(one)) for one in (data, *others)]
    with Salvage(sources[0], sources[1:]) as salvage:
        return {
            item.name: salvage.open(item).read() for item in salvage.items if item.status == "whole"
        }


def agree(files: Mapping[str, bytes], saved: Mapping[str, bytes]) -> bool:
    return all(files.get(name) == data for name, data in saved.items())


@QUICKLY
@given(FILES, DAMAGE)
def test_whatever_is_overwritten_no_wrong_bytes_are_given(
    files: dict[str, bytes], damage: list[tuple[float, int, int]]
) -> None:
    assert agree(files, found(damaged(packed(files), damage)))


@QUICKLY
@given(FILES, DAMAGE, st.floats(0, 1))
def test_the_more_copies_the_more_is_whole_and_a_sound_one_gives_all(
    files: dict[str, bytes], damage: list[tuple[float, int, int]], cut: float
) -> None:
    data = packed(files)
    broken = damaged(data, damage)
    shorter = data[: int(cut * len(data))]
    alone = found(broken)
    both = found(broken, shorter)
    assert alone.keys() <= both.keys()
    assert agree(files, both)
    assert found(data, broken) == files


@QUICKLY
@given(FILES, DAMAGE)
def test_what_is_written_again_is_sound_and_has_the_same_ids(
    files: dict[str, bytes], damage: list[tuple[float, int, int]]
) -> None:
    data = packed(files)
    out = io.BytesIO()
    with Salvage(ByteSource(io.BytesIO(damaged(data, damage)))) as salvage:
        whole = sum(item.status == "whole" for item in salvage.items)
        try:
            rebuild(salvage, out)
        except DamageError:
            return
    with opened(data) as before, opened(out.getvalue()) as after:
        after.verify()
        assert (after.content_id, after.state_id) == (before.content_id, before.state_id)
        streams = after.snapshot().streams
        assert len(streams) == len(files)
        rows = [
            [row for row, _, _ in after.storage.extents(after.objects[s.entry.sha256].number)]
            for s in streams
        ]
        assert sum(not after.storage.lacks(extents) for extents in rows) >= whole
