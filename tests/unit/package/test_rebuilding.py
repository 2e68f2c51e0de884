"""A damaged package is written again: byte for byte where nothing is lost, else thin."""

import io
import random
import zlib

import pytest
from msgspec.structs import replace

from mlarchive.errors import DamageError
from mlarchive.pack import pack
from mlarchive.package import chunkwriter
from mlarchive.package.checkpoints import CheckpointEntry, weight_of
from mlarchive.package.codec import Codec
from mlarchive.package.layout import (
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    decode_trailer,
    encode_preamble,
    encode_trailer,
)
from mlarchive.package.readme import README
from mlarchive.package.repairing import restating
from mlarchive.package.repairing.rebuilding import Rebuilt, rebuild
from tests.compat.flips import flipped
from tests.compat.samples import samples
from tests.compat.samples import signed as signed_area
from tests.support.deltas import package_with_deltas
from tests.support.packages import contents, opened, packed
from tests.support.snapshots import folder
from tests.unit.package.test_salvage import (
    SAMPLES,
    SEED,
    destroyed,
    named_by_content,
    records,
    salvaged,
    whole,
)
from tests.unit.package.test_writer import MIXED, noise


def rebuilt(data: bytes, *others: bytes) -> tuple[bytes, Rebuilt]:
    """A package written again, and verified."""
    out = io.BytesIO()
    with salvaged(data, *others) as salvage:
        done = rebuild(salvage, out)
    with opened(out.getvalue()) as package:
        package.verify()
        assert len(package.missing()) == done.missing
        assert package.package_id == done.ids.package_id
    return out.getvalue(), done


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"thin", "a thin delta", "parity"}))
def test_what_is_not_lost_is_written_byte_for_byte_as_it_was(name: str) -> None:
    data = samples()[name]
    again, done = rebuilt(data)
    assert again == data
    assert done.missing == 0


def test_what_does_not_fit_the_new_package_is_said_to_be_dropped() -> None:
    _, done = rebuilt(samples()["parity"])
    assert done.dropped == ("parity",)
    signed = samples()["signatures"]
    assert rebuilt(signed)[1].dropped == ()
    # Another package_id: signatures of the old one prove content and state, and no more.
    without_text = destroyed(signed, (64 + 96, 11))
    again, done = rebuilt(without_text)
    assert done.dropped == ("plain text", "signatures of the package")
    with opened(again) as package, opened(signed) as before:
        assert package.package_id != before.package_id
        assert package.signatures() == before.signatures() != b""
    with opened(signed) as package:
        length = package.storage.trailer.signature_length
    unsound = destroyed(signed, (len(signed) - TRAILER_SIZE - length + 20, 4))
    assert rebuilt(unsound)[1].dropped == ("signatures",)


@pytest.mark.parametrize("name", ["signatures", "a delta"])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.clause("11.7")
def test_what_stands_behind_a_package_is_named_and_is_none_of_it(name: str, shift: int) -> None:
    data = samples()[name]
    other = packed({"another": noise(70_000, 7)})
    joined = data + bytes(-len(data) % 64 + shift) + other
    again, done = rebuilt(joined)
    assert again == data
    assert done.dropped == ("further bytes",)
    with salvaged(joined) as salvage:
        (damage,) = salvage.damage
        assert (damage.offset, damage.length) == (len(data), len(joined) - len(data))
        assert damage.why.startswith("E008")
        assert salvage.unnamed == 0


def test_zeros_behind_a_package_are_named_and_nothing_is_dropped() -> None:
    data = packed({"a": b"a"})
    again, done = rebuilt(data + bytes(10_000))
    assert (again, done.dropped) == (data, ())
    with salvaged(data + bytes(10_000)) as salvage:
        assert [(one.offset, one.length) for one in salvage.damage] == [(len(data), 10_000)]


def _damaged_tails(data: bytes) -> dict[str, bytes]:
    return {
        "a flipped bit": destroyed(data, (len(data) - 150, 1)),
        "a byte less": data[:-1],
        "no trailer": data[:-TRAILER_SIZE],
    }


@pytest.mark.parametrize("how", ["a flipped bit", "a byte less", "no trailer"])
@pytest.mark.clause("11.7", "10.1")
def test_signatures_are_kept_where_the_trailer_is_lost(how: str) -> None:
    signed = samples()["signatures"]
    assert rebuilt(_damaged_tails(signed)[how]) == (signed, rebuilt(signed)[1])
    plain = packed({"a": b"a"})
    assert rebuilt(_damaged_tails(plain)[how]) == (plain, rebuilt(plain)[1])


def test_signatures_that_are_cut_are_lost_unless_another_copy_has_them() -> None:
    plain = packed({"a": noise(70_000, 7)})
    signed = plain[: -4096 - TRAILER_SIZE] + signed_area(b"one") + plain[-TRAILER_SIZE:]
    within, before = (signed[: kept - 4096 - TRAILER_SIZE] for kept in (18, 0))
    assert rebuilt(within)[1].dropped == ("signatures",)
    assert rebuilt(before)[1].dropped == ("signatures, if there were any",)
    assert rebuilt(within, signed) == (signed, rebuilt(signed)[1])
    # Nobody knows whether there were more.
    further = ("further signatures, if there were any",)
    for cut, dropped in ((before, further), (signed[:71_000], ("documents of its own", *further))):
        again, done = rebuilt(cut, signed)
        assert (again, done.dropped) == (signed, dropped)


def test_of_several_copies_the_one_with_most_signatures_gives_them() -> None:
    plain = packed({"a": noise(70_000, 7)})
    texts = [
        b'{"envelopes":[{"signatures":[%b]}]}' % b",".join([b"{}"] * count) for count in (1, 2)
    ]
    one, two = (_signed(plain, text) for text in texts)
    cut = plain[: -4096 - TRAILER_SIZE]
    for copies in ((one, two), (two, one), (plain, two, one)):
        assert rebuilt(cut, *copies)[0] == two
    area = len(two) - 4096 - TRAILER_SIZE
    zeroed = two[: area + 30] + bytes(4066) + two[-TRAILER_SIZE:]
    for hit in (zeroed, destroyed(two, (area + 40, 8))):
        assert rebuilt(hit, one)[1].dropped == ("signatures",)
        assert rebuilt(hit, one, two) == (two, rebuilt(two)[1])
    # A sector of the area that is lost reads as zeros, and tells of no signatures.
    assert rebuilt(destroyed(plain, (30_000, 4)), one, two)[0] == two


def test_what_stands_in_the_area_behind_signatures_is_a_loss_and_they_are_none() -> None:
    signed = _signed(packed({"a": noise(70_000, 7)}), b"one")
    area = len(signed) - 4096 - TRAILER_SIZE
    for damaged in (signed[: area + 900] + b"note" * 100, destroyed(signed, (area + 900, 50))):
        again, done = rebuilt(damaged)
        assert (again, done.dropped) == (signed, ("further bytes",))
    again, done = rebuilt(signed[:-TRAILER_SIZE] + b"a note".ljust(100, b"."))
    assert (again, done.dropped) == (signed, ("further bytes",))
    assert rebuilt(destroyed(signed, (area + 900, 1))) == (signed, rebuilt(signed)[1])


def test_a_file_that_a_copy_has_stays_in_the_chunk_that_it_shared_with_a_lost_one() -> None:
    shared = {"a": noise(5000, 1)}
    data = packed({**shared, "b": noise(4000, 2)})
    with opened(data) as package:
        rows = [package.storage.index.row(n) for n in range(len(package.storage.index.rows))]
    (chunk,) = [row for row in rows if row.type == RecordType.CHUNK]
    assert chunk.raw_len == 9000
    hit = destroyed(data, (chunk.offset + 96, 9000))
    assert rebuilt(hit, packed({**shared, "z": noise(3000, 3)})) == rebuilt(hit)


def test_a_longer_area_keeps_its_length_and_its_package_id() -> None:
    plain = packed({"a": noise(70_000, 7)})
    trailer, _ = decode_trailer(plain[-TRAILER_SIZE:], size=len(plain))
    longer = replace(trailer, total_length=trailer.total_length + 4096, signature_length=8192)
    end = encode_trailer(longer, longer.package_id(plain[:PREAMBLE_SIZE]))
    signed = plain[: -4096 - TRAILER_SIZE] + signed_area(b"one") + bytes(4096) + end
    for damaged in (
        destroyed(signed, (100, 4)),
        destroyed(signed, (len(signed) - 150, 1)),
        signed[:-TRAILER_SIZE],
    ):
        assert rebuilt(damaged) == (signed, rebuilt(signed)[1])
    cut = signed[: -8192 - TRAILER_SIZE]
    assert rebuilt(cut, signed)[0] == signed


def test_a_copy_behind_a_package_whose_index_lost_its_header_lends_nothing_in_silence() -> None:
    plain = packed({"a": noise(70_000, 7)})
    signed = _signed(plain, b"one")
    with opened(plain) as package:
        index = package.storage.trailer.index_offset
    hit = destroyed(signed, (index, 1))
    for tail in (plain, _signed(plain, b"two"), b"a note\n" * 60):
        again, done = rebuilt(hit + tail)
        assert (again, done.dropped) == (signed, ("further bytes",))
        assert "further bytes" in rebuilt(hit + tail, plain)[1].dropped
    hole = signed[:30_016] + signed[30_080:]
    for data in (hole, destroyed(hole, (len(hole) - 150, 1)), destroyed(hole, (index - 64, 1))):
        dropped = rebuilt(data + plain)[1].dropped
        assert "further bytes" in dropped
        assert b"one" in rebuilt(data + plain)[0] or any("signatures" in one for one in dropped)


@pytest.mark.clause("11.7")
def test_of_joined_packages_the_first_alone_lends_documents() -> None:
    shared = noise(70_000, 7)
    ours = packed({"a": shared, "b": noise(60_000, 8)})
    stranger = packed({"a": shared, "z": noise(50_000, 9)})
    cut = ours[:110_000]
    with pytest.raises(DamageError):
        rebuilt(cut, stranger + ours)
    assert rebuilt(cut, ours + stranger)[0] == ours
    for others in ((ours, stranger + ours), (stranger + ours, ours)):
        assert rebuilt(cut, *others)[0] == ours


def test_a_copy_that_cannot_be_read_lends_nothing_and_stops_nothing() -> None:
    data = packed({"a": noise(70_000, 7)})
    later = bytearray(encode_preamble())
    later[8] = 2
    later[60:64] = zlib.crc32(later[:60]).to_bytes(4, "little")
    unread = bytes(later) + data[PREAMBLE_SIZE:]
    with salvaged(destroyed(data, (30_000, 4)), unread, data) as salvage:
        assert [item.status for item in salvage.items] == ["whole"]
        assert [why.split(":")[0] for _, why in salvage.refused] == ["E003"]


def _signed(plain: bytes, text: bytes) -> bytes:
    return plain[: -4096 - TRAILER_SIZE] + signed_area(text) + plain[-TRAILER_SIZE:]


def test_damaged_signatures_are_a_loss_where_a_copy_has_fewer_or_those_of_another_package() -> None:
    plain = packed({"a": noise(70_000, 7)})
    twice = destroyed(_signed(plain, b"one and two"), (len(plain) - 4288 + 20, 1))
    assert rebuilt(twice, _signed(plain, b"one"))[1].dropped == ("signatures",)
    assert rebuilt(twice, plain)[1].dropped == ("signatures",)
    again, done = rebuilt(twice, _signed(plain, b"one and two"))
    assert (again, done.dropped) == (_signed(plain, b"one and two"), ())
    other = _signed(packed({"a": noise(70_000, 7), "b": b""}), b"one and two")
    again, done = rebuilt(twice, other)
    assert (again, done.dropped) == (plain, ("signatures",))


def test_a_copy_whose_signatures_are_damaged_says_nothing_of_those_that_are_cut_off() -> None:
    plain = packed({"a": noise(70_000, 7)})
    hit = destroyed(_signed(plain, b"one and two"), (len(plain) - 4288 + 20, 1))
    cut = plain[: -4096 - TRAILER_SIZE]
    assert rebuilt(cut, hit)[1].dropped == ("signatures, if there were any",)
    assert rebuilt(cut, plain)[1].dropped == ("signatures, if there were any",)


def test_a_few_bytes_of_signatures_that_are_left_are_a_loss() -> None:
    signed = _signed(packed({"a": b"a"}), b"x" * 800)
    area = len(signed) - 4096 - TRAILER_SIZE
    assert rebuilt(signed[:area] + bytes(780) + signed[area + 780 :])[1].dropped == ("signatures",)


@pytest.mark.parametrize("behind", [1, 5])
def test_copies_behind_a_package_that_lost_its_trailer_lend_no_signatures_in_silence(
    behind: int,
) -> None:
    plain = packed({"a": noise(70_000, 7)})
    signed = _signed(plain, b"one")
    front = destroyed(signed, (len(signed) - 150, 1))
    again, done = rebuilt(front + plain * behind)
    assert again == signed
    assert done.dropped == ("further bytes",)


@pytest.mark.parametrize("how", ["a flipped bit", "a byte less", "no trailer"])
@pytest.mark.parametrize("shift", [0, 1])
def test_what_stands_behind_a_lost_trailer_is_a_loss_whatever_it_holds(
    how: str, shift: int
) -> None:
    data = packed({"a": noise(70_000, 7), "b": b"b"})
    front = _damaged_tails(data)[how]
    for other in (packed({"z": noise(70_000, 7)}), b"a note\n" * 600):
        joined = front + bytes(-len(front) % 64 + shift) + other
        again, done = rebuilt(joined)
        assert again == data
        assert "further bytes" in done.dropped
        with salvaged(joined) as salvage:
            assert any(
                one.offset + one.length == len(joined) and one.length >= len(other)
                for one in salvage.damage
            )


@pytest.mark.parametrize("shift", [0, 37])
def test_a_package_behind_one_that_has_lost_index_and_trailer_is_a_loss(shift: int) -> None:
    data = packed({"a": noise(70_000, 7), "b": b"b"})
    with opened(data) as package:
        index = package.storage.trailer.index_offset
    front = destroyed(destroyed(data, (index, 4)), (len(data) - 150, 1))
    joined = front + bytes(-len(front) % 64 + shift) + packed({"z": noise(70_000, 7)})
    again, done = rebuilt(joined)
    with opened(again) as found, opened(data) as wanted:
        assert contents(found) == contents(wanted)
    assert "further bytes" in done.dropped


def test_what_only_a_stranger_could_write_again_is_said_to_be_dropped() -> None:
    newer = samples()["a newer minor version"]
    assert rebuilt(newer)[0] == newer
    assert rebuilt(destroyed(newer, (8, 4)))[1].dropped == ("preamble",)
    ours = packed({"a": b"a"})
    assert rebuilt(destroyed(ours, (8, 4))) == (ours, rebuilt(ours)[1])
    unknown = samples()["a later version"]
    (at, header), *_ = [one for one in records(unknown) if one[1].type > RecordType.CHECKPOINT]
    dropped = rebuilt(destroyed(unknown, (at + 96, header.stored_len)))[1].dropped
    assert dropped == ("records of unknown types",)


def test_a_file_that_says_what_the_plain_text_says_is_taken_for_neither() -> None:
    data = packed({"README.txt": README})
    (chunk,) = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    text = 64 + 96
    assert rebuilt(destroyed(data, (text, 40)))[0] == data
    again, done = rebuilt(destroyed(data, (chunk + 96, 40)))
    assert done.missing == 0
    with opened(again) as package:
        assert contents(package) == {"README.txt": README}


def test_a_thin_package_stays_thin() -> None:
    data = samples()["thin"]
    again, done = rebuilt(data)
    assert again == data
    assert done.missing > 0


@pytest.mark.parametrize(
    "name", ["odd text", "a model version", "a model version with many points"]
)
def test_headers_padding_checkpoints_index_and_trailer_are_made_anew(name: str) -> None:
    data = samples()[name]
    for at, header in records(data):
        assert rebuilt(destroyed(data, (at, 96)))[0] == data, f"header at {at}"
        if header.type in {RecordType.README, RecordType.CHECKPOINT, RecordType.INDEX}:
            broken = destroyed(data, (at + 96, header.stored_len))
            assert rebuilt(broken)[0] == data, f"payload at {at}"
    for cut in (len(data) - 1, len(data) - 192, len(data) - 4000):
        assert rebuilt(data[:cut])[0] == data
    assert rebuilt(destroyed(data, (0, 64)))[0] == data


@pytest.mark.parametrize("name", SAMPLES)
def test_a_changed_byte_gives_the_same_ids_or_a_refusal(name: str) -> None:
    data = samples()[name]
    with opened(data) as package:
        ids = package.content_id, package.state_id
        right = named_by_content(package)
    rng = random.Random(SEED)  # noqa: S311  (no secret)
    for _ in range(15):
        broken = flipped(data, rng.randrange(len(data)), rng.randrange(1, 256))
        with salvaged(broken) as salvage:
            documents = not salvage.unread and salvage.meaning() is not None
        if documents:
            again, done = rebuilt(broken)
            assert (done.ids.content_id, done.ids.state_id) == ids
            with opened(again) as package:
                assert done.missing or named_by_content(package) == right
        else:
            with pytest.raises(DamageError, match="document"):
                rebuilt(broken)


def test_a_damaged_chunk_is_stated_absent_and_another_copy_completes_it() -> None:
    data = packed(MIXED)
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    broken = destroyed(data, (chunks[2] + 100, 4))
    thin, done = rebuilt(broken)
    assert done.missing == 1
    with opened(data) as full, opened(thin, bases=[full]) as package:
        assert package.verify().missing == 0
        assert named_by_content(package) == named_by_content(full)
    again, done = rebuilt(broken, data)
    assert again == data
    assert rebuilt(thin, data)[1].missing == 0


def test_of_what_was_written_thin_as_much_can_be_salvaged_as_before() -> None:
    data = packed(MIXED)
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    broken = destroyed(data, (chunks[0] + 100, 4))
    thin, _ = rebuilt(broken)
    (index,) = [at for at, header in records(thin) if header.type == RecordType.INDEX]
    with salvaged(broken) as before, salvaged(thin[:index]) as after:
        assert whole(after) == whole(before)


def test_without_index_and_with_every_chunk_it_is_made_as_it_was() -> None:
    data = packed(MIXED)
    (index,) = [at for at, header in records(data) if header.type == RecordType.INDEX]
    assert rebuilt(data[:index])[0] == data


def test_without_index_a_chunk_that_is_lost_is_stated_absent_by_its_header() -> None:
    data = packed({"a.bin": noise(3_000_000), "b.txt": b"b" * 100})
    (index,) = [at for at, header in records(data) if header.type == RecordType.INDEX]
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    thin, done = rebuilt(destroyed(data, (chunks[0] + 200, 4))[:index])
    assert done.missing == 1
    assert rebuilt(thin, data)[1].missing == 0


def test_two_copies_damaged_in_different_places_make_one_that_is_whole() -> None:
    data = packed(MIXED)
    chunks = [at for at, header in records(data) if header.type == RecordType.CHUNK]
    documents = [at for at, header in records(data) if header.type == RecordType.CONTENT]
    first = destroyed(data, (chunks[0] + 100, 4), (documents[0] + 96, 8))
    second = destroyed(data, (chunks[1] + 100, 4), (len(data) - 200, 200))
    assert rebuilt(first, second)[0] == data
    assert rebuilt(second, first)[0] == data


@pytest.mark.parametrize("kind", [RecordType.CONTENT, RecordType.STATE, RecordType.EVIDENCE])
def test_without_a_document_no_package_is_made(kind: RecordType) -> None:
    data = packed(MIXED)
    (at,) = [at for at, header in records(data) if header.type == kind]
    with pytest.raises(DamageError, match=kind.name.lower()) as caught:
        rebuilt(destroyed(data, (at + 100, 4)))
    assert "-C" in caught.value.hint


def test_a_delta_whose_base_is_lost_is_kept_and_whole_again_when_that_comes_back() -> None:
    data = package_with_deltas()
    assert rebuilt(data)[0] == data
    deltas = [header for _, header in records(data) if header.codec == Codec.DELTA]
    (base,) = [at for at, h in records(data) if h.raw_hash == deltas[0].base_hash]
    thin, done = rebuilt(destroyed(data, (base + 500, 4)))
    assert done.missing == 1
    assert any(header.raw_hash == deltas[0].raw_hash for _, header in records(thin))
    again, done = rebuilt(thin, data)
    assert done.missing == 0
    with opened(data) as package, opened(again) as other:
        assert named_by_content(other) == named_by_content(package)


def test_lost_checkpoints_are_stated_again_with_one_look_at_each_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunkwriter, "HELD_MOST", 0)
    out = io.BytesIO()
    pack(folder({f"{n:02}.bin": bytes([n]) + noise(70_000) for n in range(30)}), out, packed_at=1)
    data = out.getvalue()
    checkpoints = [
        (at + 96, header.stored_len)
        for at, header in records(data)
        if header.type == RecordType.CHECKPOINT
    ]
    assert len(checkpoints) >= 30
    looked = 0

    def counted(entry: CheckpointEntry) -> int:
        nonlocal looked
        looked += 1
        return weight_of(entry)

    monkeypatch.setattr(restating, "weight_of", counted)
    assert rebuilt(destroyed(data, *checkpoints))[0] == data
    assert looked <= 30 + len(checkpoints)


@pytest.mark.clause("11.7")
def test_records_of_another_package_are_not_written_again() -> None:
    data = packed({"a.bin": noise(90_000), "b.bin": noise(70_000)[::-1]})
    other = packed({"a.bin": noise(80_000)[::-1]})
    start = next(at for at, header in records(data) if header.type == RecordType.CHUNK)
    (index,) = [at for at, header in records(data) if header.type == RecordType.INDEX]
    (end,) = [at for at, header in records(other) if header.type == RecordType.CONTENT]
    broken = data[:start] + other[:end] + data[start:index]
    again, done = rebuilt(broken)
    assert done.missing == 0
    assert again == data


@pytest.mark.clause("11.7")
def test_without_index_a_lost_header_is_made_up_for_by_a_copy_or_refused() -> None:
    data = packed({"a.bin": noise(90_000), "b.bin": noise(70_000)[::-1]})
    (index,) = [at for at, header in records(data) if header.type == RecordType.INDEX]
    start = next(at for at, header in records(data) if header.type == RecordType.CHUNK)
    broken = destroyed(data, (start, 96))[:index]
    with pytest.raises(DamageError, match=r"a\.bin.*1 of its chunks"):
        rebuilt(broken)
    assert rebuilt(broken, data)[0] == data
