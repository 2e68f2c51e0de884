"""Salvage returns every whole file of a damaged package, no other, and never wrong bytes."""

import io
import json
import random
from collections.abc import Iterator, Sequence
from unittest.mock import Mock

import numpy as np
import pytest
from msgspec.structs import replace

from mlarchive.errors import FormatError
from mlarchive.package import Limits, Package, chunkwriter
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.checkpoints import (
    CheckpointEntry,
    decode_checkpoint,
    encode_checkpoint,
)
from mlarchive.package.codec import Codec
from mlarchive.package.entries import entries_of
from mlarchive.package.index import Row
from mlarchive.package.layout import RecordType
from mlarchive.package.record import Header, decode_header, encode_header, hash_of, record_size
from mlarchive.package.recordreader import read_record
from mlarchive.package.repairing.salvage import Item, Salvage
from mlarchive.package.repairing.stating import Parts
from mlarchive.package.tables import Index
from mlarchive.records import File
from tests.compat.flips import flipped
from tests.compat.samples import samples
from tests.support.deltas import package_with_deltas
from tests.support.packages import Forgery, contents, opened, packed
from tests.unit.package.test_writer import MIXED, noise

SAMPLES = sorted(set(samples()) - {"records in between"})
SEED = 20_261_120

Files = dict[tuple[str, str, str], bytes]


def salvaged(data: bytes, *others: bytes, limits: Limits | None = None) -> Salvage:
    return Salvage(
        ByteSource(io.BytesIO(data)),
        [ByteSource(io.BytesIO(other)) for other in others],
        limits=limits or Limits(),
    )


def whole(salvage: Salvage) -> set[tuple[str, str, str, bytes]]:
    """Owner, kind, name and bytes of all that is whole."""
    return {
        (item.owner, item.kind, item.name, salvage.open(item).read())
        for item in salvage.items
        if item.status == "whole"
    }


def named_by_content(package: Package) -> set[tuple[str, str, str, bytes]]:
    """The same of a whole package."""
    found = set()
    for record in package.meaning.records:
        for entry in entries_of(record):
            kind, name = ("file", entry.path) if isinstance(entry, File) else ("metric", entry.key)
            if not package.storage.lacks(
                row for row, _, _ in package.storage.extents(package.objects[entry.sha256].number)
            ):
                with package.open_object(entry.sha256) as file:
                    found.add((record.key, kind, name, file.read()))
    return found


def ends(package: Package) -> list[int]:
    """Where each record ends."""
    rows = [package.storage.index.row(n) for n in range(len(package.storage.index.rows))]
    return [r.offset + record_size(r.stored_len) for r in rows if r.codec != Codec.ABSENT]


class Original:
    """What should be found in the front of a package."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        with opened(data) as package:
            storage = package.storage
            self.ends = ends(package)
            self._content_end = self._payload_end(package, RecordType.CONTENT)
            self._named = named_by_content(package)
            self._stated: list[tuple[int, tuple[str, str, str, bytes]]] = []
            types = storage.index.rows["type"]
            for number in (types == RecordType.CHECKPOINT).nonzero()[0]:
                row = storage.index.row(int(number))
                for entry in decode_checkpoint(bytes(read_record(storage.source, row))):
                    numbers = [storage.chunk_numbers[chunk] for chunk, _, _ in entry.parts]
                    if storage.lacks(numbers):
                        continue
                    parts = [
                        bytes(storage.chunks.get(number))[at : at + length]
                        for number, (_, at, length) in zip(numbers, entry.parts, strict=True)
                    ]
                    needed = [row, *map(storage.index.row, numbers)]
                    # The padding of a record may be gone.
                    end = max(96 + one.offset + one.stored_len for one in needed)
                    self._stated.append(
                        (end, (entry.owner, entry.kind, entry.name, b"".join(parts)))
                    )

    def before(self, cut: int) -> set[tuple[str, str, str, bytes]]:
        """What is whole in front of a cut."""
        if cut >= self._content_end:
            return self._named
        return {stated for end, stated in self._stated if end <= cut}

    @staticmethod
    def _payload_end(package: Package, kind: RecordType) -> int:
        (number,) = (package.storage.index.rows["type"] == kind).nonzero()[0]
        row = package.storage.index.row(int(number))
        return row.offset + 96 + row.stored_len


def cuts(original: Original, seed: int) -> Iterator[int]:
    yield from original.ends
    yield from (end - 1 for end in original.ends)
    rng = random.Random(seed)  # noqa: S311  (no secret)
    yield from (rng.randrange(len(original.data)) for _ in range(20))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.clause("11.7", "4.6")
def test_a_package_cut_off_anywhere_gives_every_file_in_front_of_the_cut(name: str) -> None:
    original = Original(samples()[name])
    for cut in cuts(original, SEED):
        with salvaged(original.data[:cut]) as salvage:
            assert whole(salvage) == original.before(cut), f"cut at {cut}"
            assert salvage.damage


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sound_package_is_all_there(name: str) -> None:
    with opened(samples()[name]) as package, salvaged(samples()[name]) as salvage:
        assert whole(salvage) == named_by_content(package)
        assert salvage.damage == []
        assert salvage.unnamed == 0
        assert {item.status for item in salvage.items} <= {"whole", "elsewhere"}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.clause("11.7")
def test_a_changed_byte_never_gives_wrong_bytes_and_is_always_named(name: str) -> None:
    data = samples()[name]
    with opened(data) as package:
        right = named_by_content(package)
    rng = random.Random(SEED)  # noqa: S311  (no secret)
    for _ in range(40):
        at, mask = rng.randrange(len(data)), rng.randrange(1, 256)
        with salvaged(flipped(data, at, mask)) as salvage:
            assert salvage.damage, f"byte {at} ^ {mask}"
            found = whole(salvage)
            if salvage.content is not None:
                assert found <= right, f"byte {at} ^ {mask}"
            else:
                # Named by checkpoints: owners are called otherwise, bytes are not.
                assert {one[1:] for one in found} <= {one[1:] for one in right}


def records(data: bytes) -> list[tuple[int, Header]]:
    """Every record of a whole package."""
    found, at = [], 64
    while (header := decode_header(data[at : at + 96])) is not None:
        found.append((at, header))
        at += record_size(header.stored_len)
    return found


def destroyed(data: bytes, *places: tuple[int, int]) -> bytes:
    """The package with stretches (place, length) overwritten."""
    broken = bytearray(data)
    for at, length in places:
        broken[at : at + length] = b"\xa5" * length
    return bytes(broken)


def test_a_header_that_is_gone_loses_nothing_while_the_index_is_whole() -> None:
    data = packed(MIXED)
    for at, _ in records(data):
        with salvaged(destroyed(data, (at, 96))) as salvage, opened(data) as package:
            assert whole(salvage) == named_by_content(package), f"record at {at}"
            assert salvage.damage


def test_without_index_a_lost_header_behind_which_checkpoints_tell_loses_its_chunk_alone() -> None:
    data = packed(MIXED)
    (index,) = [at for at, header in records(data) if header.type == RecordType.INDEX]
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    with opened(data) as package:
        right = named_by_content(package)
    for at in chunks[:3]:
        broken = destroyed(data, (at, 96), (index, len(data) - index))
        with salvaged(broken) as salvage:
            found = whole(salvage)
            assert found < right
            assert len(right - found) < len(right)
            lost = [item for item in salvage.items if item.status == "lost"]
            assert all(item.why for item in lost)


def test_bytes_that_were_cut_out_of_the_middle_cost_what_they_belonged_to() -> None:
    data = packed({"a.bin": noise(90_000), "b.bin": noise(70_000)[::-1], "c.txt": b"c" * 300})
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    broken = data[: chunks[0] + 128] + data[chunks[0] + 128 + 64 * 10 :]
    with salvaged(broken) as salvage:
        assert {name for _, _, name, _ in whole(salvage)} == {"b.bin", "c.txt"}


def test_another_copy_gives_what_this_one_lost() -> None:
    data = packed(MIXED)
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    first = destroyed(data, (chunks[0] + 100, 8))
    second = destroyed(data, (chunks[-1] + 100, 8), (len(data) - 100, 100))
    with opened(data) as package:
        right = named_by_content(package)
    for one, other in ((first, second), (second, first)):
        with salvaged(one) as alone, salvaged(one, other) as both:
            assert whole(alone) < right
            assert whole(both) == right


def test_a_checkpoint_that_lies_gives_nothing_while_content_is_whole() -> None:
    data = packed({"a.bin": noise(90_000), "b.bin": noise(90_000)[::-1]})
    forgery = Forgery(data)
    number = forgery.number(RecordType.CHECKPOINT)
    row = forgery.rows[number]
    at, stored = int(row["offset"]), int(row["stored_len"])
    header = decode_header(data[at : at + 96])
    assert header is not None
    assert header.codec == Codec.STORED or stored
    with opened(data) as package:
        raw = bytes(read_record(package.storage.source, package.storage.index.row(number)))
    lie = raw.replace(b'"a.bin"', b'"b.bin"')
    record = record_of(RecordType.CHECKPOINT, lie)
    broken = data[:at] + record + data[at + record_size(stored) :]
    tail = next(at for at, header in records(broken) if header.type == RecordType.INDEX)
    with opened(data) as package, salvaged(broken[:tail]) as salvage:
        assert whole(salvage) <= named_by_content(package)


def nested_headers(count: int, claim: int) -> bytes:
    """Headers that all claim to reach far, one inside the other."""
    header = Header(
        type=RecordType.CHUNK,
        codec=Codec.STORED,
        stored_len=claim,
        raw_len=claim,
        raw_hash=bytes(31) + b"\1",
    )
    return encode_header(header).ljust(128, b"\0") * count


def test_headers_inside_each_other_cost_no_more_than_a_few_times_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = packed({})[:64] + nested_headers(20_000, 1_000_000) + bytes(2_000_000)
    read = 0
    plain = ByteSource.read_at

    def counted(self: ByteSource, offset: int, length: int) -> bytes:
        nonlocal read
        read += length
        return plain(self, offset, length)

    monkeypatch.setattr(ByteSource, "read_at", counted)
    monkeypatch.setattr("mlarchive.package.repairing.scanning._VAIN_LEAST", 0)
    with salvaged(data) as salvage:
        assert whole(salvage) == set()
    assert read < 12 * len(data)


def test_what_unpacks_to_more_than_the_operator_allows_is_refused() -> None:
    data = packed({"zeros": bytes(3_000_000)})
    with pytest.raises(FormatError, match="E015"):
        salvaged(data, limits=Limits(unpacked=1_000_000))


@pytest.mark.parametrize("data", [b"", b"x", b"no package" * 500, bytes(100_000)])
def test_what_is_no_package_has_nothing(data: bytes) -> None:
    with salvaged(data) as salvage:
        assert salvage.items == ()
        assert salvage.records == 0
        assert salvage.damage


def lost(salvage: Salvage) -> Sequence[Item]:
    return [item for item in salvage.items if item.status != "whole"]


def test_of_a_file_that_is_lost_it_is_said_how_much_is_missing() -> None:
    data = packed({"a.bin": noise(3_000_000), "b.txt": b"b" * 100})
    chunks = [(at, h) for at, h in records(data) if h.type == RecordType.CHUNK]
    at, header = max(chunks, key=lambda chunk: chunk[1].raw_len)
    with salvaged(destroyed(data, (at + 200, 4))) as salvage:
        (item,) = lost(salvage)
        assert (item.name, item.missing) == ("a.bin", header.raw_len)
        (damage,) = salvage.damage
        assert (damage.offset, damage.length) == (at, record_size(header.stored_len))


def test_a_delta_is_lost_with_its_base_and_found_with_another_copy_of_that() -> None:
    data = package_with_deltas()
    original = Original(data)
    for cut in cuts(original, SEED):
        with salvaged(data[:cut]) as salvage:
            assert whole(salvage) == original.before(cut), f"cut at {cut}"
    deltas = [header for _, header in records(data) if header.codec == Codec.DELTA]
    (base,) = [at for at, h in records(data) if h.raw_hash == deltas[0].base_hash]
    broken = destroyed(data, (base + 500, 4))
    with salvaged(broken) as salvage, opened(data) as package:
        right = named_by_content(package)
        assert {name for _, _, name, _ in whole(salvage)} < {name for _, _, name, _ in right}
        assert len(salvage.damage) == 1
    with salvaged(broken, packed({"a.bin": sole(data, "a.bin")})) as salvage:
        assert whole(salvage) == right


def sole(data: bytes, name: str) -> bytes:
    """A file of a package."""
    with opened(data) as package:
        return contents(package)[name]


def first_of(data: bytes, kind: RecordType) -> int:
    """Where the first record of a type begins."""
    return next(at for at, header in records(data) if header.type == kind)


def kept(salvage: Salvage) -> dict[str, str]:
    """The status of what is here, by name."""
    return {item.name: item.status for item in salvage.items if item.is_here}


BIG = {"a.bin": noise(90_000), "b.bin": noise(70_000)[::-1], "c.txt": b"c" * 300}


@pytest.mark.clause("4.6", "11.7")
def test_what_checkpoints_in_front_name_is_whole_and_what_those_behind_damage_name_is_unproven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunkwriter, "HELD_MOST", 0)
    data = packed({"a.bin": noise(90_000), "b.bin": noise(70_000)[::-1]})
    documents = first_of(data, RecordType.CONTENT)
    with salvaged(data[:documents]) as salvage:
        assert kept(salvage) == {"a.bin": "whole", "b.bin": "whole"}
        assert {item.why for item in salvage.items} == {""}
    second = [at for at, header in records(data) if header.type == RecordType.CHECKPOINT][1]
    shifted = data[:second] + bytes(64) + data[second:documents]
    with salvaged(shifted) as salvage:
        assert kept(salvage) == {"a.bin": "whole", "b.bin": "unproven"}
        (item,) = [item for item in salvage.items if item.status == "unproven"]
        assert "behind damage" in item.why


@pytest.mark.clause("11.7")
def test_what_a_package_behind_this_one_names_is_unproven() -> None:
    one, other = packed({"a.bin": BIG["a.bin"]}), packed({"b.bin": BIG["b.bin"]})
    with salvaged(one[: first_of(one, RecordType.CONTENT)] + other) as salvage:
        assert salvage.content is None
        assert kept(salvage) == {"a.bin": "whole", "b.bin": "unproven"}


@pytest.mark.clause("11.7")
def test_a_whole_package_behind_what_is_left_of_this_one_does_not_stand_in_for_it() -> None:
    """Even where so little is left that no checkpoint contradicts the other's documents."""
    one, other = packed({"a.bin": BIG["a.bin"]}), packed({"b.bin": BIG["b.bin"]})
    cut = first_of(one, RecordType.CHECKPOINT)
    with salvaged(one[:cut] + other) as salvage:
        assert (salvage.content, salvage.state, salvage.evidence) == (None, None, None)
        assert kept(salvage) == {"b.bin": "unproven"}


@pytest.mark.clause("11.7")
def test_a_package_behind_what_is_not_one_is_found() -> None:
    data = packed({"a.bin": BIG["a.bin"]})
    with salvaged(bytes(128) + data) as salvage:
        assert salvage.content is not None
        assert kept(salvage) == {"a.bin": "whole"}


@pytest.mark.clause("11.7")
def test_what_a_package_in_this_one_names_is_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever follows it may be its own, too."""
    monkeypatch.setattr(chunkwriter, "HELD_MOST", 0)
    outer = packed({"a.bin": BIG["a.bin"], "z.bin": noise(80_000)[::-1]})
    second = [at for at, header in records(outer) if header.type == RecordType.CHECKPOINT][1]
    inner = packed({"b.bin": BIG["b.bin"]})
    for end in (len(inner), first_of(inner, RecordType.CONTENT)):
        hidden = inner[:end] + bytes(-end % 64)
        broken = outer[:second] + hidden + outer[second : first_of(outer, RecordType.CONTENT)]
        with salvaged(broken) as salvage:
            assert kept(salvage) == {"a.bin": "whole", "b.bin": "unproven", "z.bin": "unproven"}


@pytest.mark.clause("11.7")
def test_two_versions_of_a_file_under_one_name_are_both_given_and_said() -> None:
    one, other = packed({"a.bin": BIG["a.bin"]}), packed({"a.bin": BIG["b.bin"]})
    front = one[: first_of(one, RecordType.CONTENT)]
    text = record_size(records(other)[0][1].stored_len)
    behind = other[64 + text : first_of(other, RecordType.CONTENT)]
    # As if the file had been continued with another version of it, at the end of a record.
    with salvaged(front + behind) as salvage:
        both = {salvage.open(item).read() for item in salvage.items}
        assert both == {BIG["a.bin"], BIG["b.bin"]}
        assert all("2 files that differ" in item.why for item in salvage.items)


def record_of(kind: RecordType, raw: bytes) -> bytes:
    """A record that is stored as it is."""
    header = Header(
        type=kind,
        codec=Codec.STORED,
        stored_len=len(raw),
        raw_len=len(raw),
        raw_hash=hash_of(raw),
    )
    record = encode_header(header) + raw
    return record + bytes(-len(record) % 64)


def with_checkpoint(data: bytes, *entries: CheckpointEntry) -> bytes:
    """A package whose first checkpoint says something else, without what follows its chunks."""
    at = first_of(data, RecordType.CHECKPOINT)
    old = next(header for place, header in records(data) if place == at)
    end = first_of(data, RecordType.CONTENT)
    record = record_of(RecordType.CHECKPOINT, encode_checkpoint(entries))
    return data[:at] + record + data[at + record_size(old.stored_len) : end]


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1 << 60), (1 << 60, 1), (0, 90_001), (-1, 2), (0, 0), (0, -1)]
)
@pytest.mark.clause("4.6", "11.7")
def test_an_entry_that_cannot_be_is_passed_over_and_said_and_the_rest_is_given(
    offset: int, length: int
) -> None:
    data = packed(BIG)
    checkpoint = next(f for f in records(data) if f[1].type == RecordType.CHECKPOINT)
    with opened(data) as package:
        row = package.storage.index.row(1)
        assert row.offset == checkpoint[0]
        entries = decode_checkpoint(bytes(read_record(package.storage.source, row)))
    chunk = next(entry for entry in entries if entry.name == "a.bin").parts[0][0]
    absurd = CheckpointEntry(parts=((chunk, offset, length),), name="absurd.bin", owner="o")
    with salvaged(with_checkpoint(data, absurd, *entries)) as salvage:
        assert {name for _, _, name, _ in whole(salvage)} == set(BIG)
        assert [d.offset for d in salvage.damage if "'absurd.bin'" in d.why] == [checkpoint[0]]


@pytest.mark.clause("11.7")
def test_many_entries_that_each_need_a_long_chunk_are_not_all_tried() -> None:
    size = 200_000
    data = packed({"a.bin": noise(size)})
    with opened(data) as package:
        (chunk,) = package.storage.chunk_numbers
    parts = [((chunk, n, size - 5000), (chunk, n, 1)) for n in range(4000)]
    entries = [CheckpointEntry(parts=one, name="a.bin", owner="o") for one in parts]
    honest = CheckpointEntry(parts=((chunk, 0, size),), name="a.bin", owner="folder")
    broken = with_checkpoint(data, honest, *entries)
    with salvaged(broken, limits=Limits(unpacked=10 * size)) as salvage:
        assert len(whole(salvage)) == 5
        assert any("many times" in damage.why for damage in salvage.damage)
        assert all("many times" in item.why for item in lost(salvage))


@pytest.mark.clause("11.7")
def test_where_neither_index_nor_checkpoint_tells_every_chunk_is_compared_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {f"{n}.bin": bytes([n]) + noise(70_000) for n in range(12)}
    data = packed(files)
    checkpoints = [
        (at + 96, header.stored_len)
        for at, header in records(data)
        if header.type == RecordType.CHECKPOINT
    ]
    index = first_of(data, RecordType.INDEX)
    taken = []
    plain = Salvage._digest  # noqa: SLF001  (to count it)

    def counted(self: Salvage, parts: Parts) -> str:
        taken.append(parts)
        return plain(self, parts)

    monkeypatch.setattr(Salvage, "_digest", counted)
    with salvaged(destroyed(data, *checkpoints)[:index]) as salvage:
        assert {name: raw for _, _, name, raw in whole(salvage)} == files
    assert len(taken) == len(set(taken)) == len(files)


def test_damaged_headers_are_explained_by_one_look_at_the_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunkwriter, "HELD_MOST", 0)
    data = packed({f"{n}.bin": bytes([n]) + noise(70_000) for n in range(30)})
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    asked = 0
    plain = Index.row

    def counted(self: Index, number: int) -> Row:
        nonlocal asked
        asked += 1
        return plain(self, number)

    with salvaged(destroyed(data, *((at, 96) for at in chunks))) as salvage:
        assert salvage.survey.index is not None
        rows = len(salvage.survey.index.rows)
        monkeypatch.setattr(Index, "row", counted)
        monkeypatch.setattr(np, "flatnonzero", Mock(wraps=np.flatnonzero))
        damage = salvage.damage
        assert np.flatnonzero.call_count <= 1  # type: ignore[attr-defined]
    assert len(damage) == len(chunks)
    assert all("what it holds is whole" in one.why for one in damage)
    assert asked <= rows


@pytest.mark.clause("7.4", "11.7")
@pytest.mark.parametrize("indexed", [False, True])
def test_a_digest_with_two_sizes_is_found_with_the_right_one(*, indexed: bool) -> None:
    data = packed({"a.bin": noise(90_000)})
    with opened(data) as package:
        content = json.loads(package.documents.content)
    (entry,) = content["records"]["folder-1"]["files"]
    content["records"]["folder-1"]["files"] = [entry | {"path": "0.bin", "size": 90_001}, entry]
    raw = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    forgery = Forgery(data)
    at = first_of(data, RecordType.CONTENT)
    after = first_of(data, RecordType.STATE)
    record = record_of(RecordType.CONTENT, raw)
    row = forgery.rows[forgery.number(RecordType.CONTENT)]
    row["codec"], row["stored_len"], row["raw_len"] = Codec.STORED, len(raw), len(raw)
    row["raw_hash"] = row["stored_hash"] = np.frombuffer(hash_of(raw), np.uint8)
    forgery.data[at:after] = record
    moved = len(record) - (after - at)
    forgery.trailer = replace(forgery.trailer, index_offset=forgery.trailer.index_offset + moved)
    broken = bytes(forgery.data[: forgery.trailer.index_offset])
    if indexed:
        broken += record_of(RecordType.INDEX, forgery.index())
    with salvaged(broken) as salvage:
        assert (salvage.survey.index is not None) == indexed
        assert kept(salvage) == {"a.bin": "whole"}
        assert [item.name for item in lost(salvage)] == ["0.bin"]
