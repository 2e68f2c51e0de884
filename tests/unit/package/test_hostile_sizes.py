"""Small packages that would cost their reader much memory or time, and do not."""

import hashlib
import io
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from mlarchive.errors import FormatError
from mlarchive.package import Limits, Package
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.forward import verify_forward
from mlarchive.package.paths import check_paths
from mlarchive.package.repairing.salvage import Salvage
from tests.compat.plainwriter import (
    CHECKPOINT,
    CHUNK,
    CONTENT,
    EVIDENCE,
    STATE,
    TEXT,
    ZSTD,
    Recipe,
    Record,
    recipe,
)
from tests.compat.readers import read_by_second_reader, second_reader
from tests.compat.samples import documents, with_files
from tests.support.packages import opened

MIB = 1 << 20


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """The block takes no more memory than so many bytes."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak >> 20} MiB"


def salvaged_content(package: bytes | Path) -> bytes | None:
    source = package if isinstance(package, Path) else io.BytesIO(package)
    with ByteSource(source) as file, Salvage(file) as salvage:
        return salvage.content


@pytest.mark.parametrize("number", [1, -1])
@pytest.mark.clause("11.7")
def test_salvage_of_an_index_that_names_a_base_that_is_no_row(number: int) -> None:
    made = recipe(documents())
    made.records[number].row = {"base": 99}
    assert salvaged_content(made.build()) == documents()[0]


@pytest.mark.clause("11.7")
def test_salvage_of_a_trailer_with_an_offset_beyond_any_file(tmp_path: Path) -> None:
    made = recipe(documents())
    made.trailer = {"index_offset": 1 << 63}
    path = tmp_path / "x.mlpkg"
    path.write_bytes(made.build())
    assert salvaged_content(made.build()) == documents()[0]
    assert salvaged_content(path) == documents()[0]


@pytest.mark.clause("11.2")
@pytest.mark.parametrize("number", [1, 4])
def test_a_checkpoint_is_no_way_around_the_operators_limits(number: int) -> None:
    head, tail = b'{"entries":[', b'],"format":"mlpkg-checkpoint-1"}'
    item = b'{"extents":[],"name":"f","owner":"n"},'
    raw = head + (item * ((8 * MIB - 100) // len(item)))[:-1] + tail
    payload = zstandard.ZstdCompressor(level=3).compress(raw)
    made = recipe(with_files({"f": b""}), [[]], order=(TEXT, CHECKPOINT, CONTENT, STATE, EVIDENCE))
    made.records[1:2] = [Record(CHECKPOINT, raw, ZSTD, payload)] * number
    package = made.build()
    limits = Limits(index=MIB, document=MIB, unpacked=MIB)
    with at_most(2 * MIB), pytest.raises(FormatError, match="E015"):
        Package.open(io.BytesIO(package), limits=limits)


def compressed(made: Recipe) -> bytes:
    """A package whose documents and index are compressed: its lengths tell nothing."""
    for record in made.records:
        payload = zstandard.ZstdCompressor(level=3).compress(record.raw)
        if record.kind in {CONTENT, STATE, EVIDENCE} and len(payload) < len(record.raw):
            record.codec, record.payload = ZSTD, payload
    made.compress = zstandard.ZstdCompressor(level=3).compress
    return made.build()


@pytest.mark.clause("11.2")
@pytest.mark.parametrize("which", ["state", "evidence"])
def test_values_without_number_are_refused_before_they_are_taken_apart(which: str) -> None:
    """A few kilobytes that would be gigabytes in memory."""
    content, state, evidence = documents()
    many = 4 * MIB
    if which == "state":
        state = state.replace(b'"records":{', b'"records":{"a":{"tags":[' + b"{}," * many + b"{}]}")
    else:
        evidence = evidence[:-1] + b',"losses":[' + b"{}," * many + b"{}]}"
    package = compressed(recipe((content, state, evidence)))
    assert len(package) < 20_000
    with at_most(64 * MIB):
        with pytest.raises(FormatError, match=r"E015: .*memory"), opened(package) as reading:
            reading.verify()
        with pytest.raises(FormatError, match="E015"):
            verify_forward(io.BytesIO(package), name="-", limits=Limits())
        with pytest.raises(FormatError, match="E015"):
            salvaged_content(package)
    assert read_by_second_reader(package) == "E015"


@pytest.mark.clause("11.2")
@pytest.mark.parametrize("wide", ["\U0001f600", "\\ud83d\\ude00"])
def test_one_character_does_not_make_a_text_eight_times_as_costly_as_was_reckoned(
    wide: str,
) -> None:
    limits = Limits(document=MIB)
    for character, refusal in (("a", ""), (wide, "E015")):
        content, state, evidence = documents()
        long = ("a" * (MIB * 3 // 4) + character).encode()
        evidence = evidence[:-1] + b',"losses":[{"record":"x","why":"' + long + b'"}]}'
        package = compressed(recipe((content, state, evidence)))
        assert len(package) < 20_000
        found = ""
        try:
            verify_forward(io.BytesIO(package), name="-", limits=limits)
        except FormatError as error:
            found = error.refusal
        assert (found == "E015") == bool(refusal)
    assert second_reader().cost_of(long) == 8 * len(long)
    assert second_reader().cost_of(long[:100]) == 400


@pytest.mark.clause("11.2")
def test_very_many_objects_and_parts_are_priced() -> None:
    chunk, many = bytes(4096), 17_000
    made = recipe(with_files({"f": chunk * many}), [[(chunk, 0, 4096)] * many])
    package = compressed(made)
    assert len(package) < 20_000
    with opened(package):
        pass
    for read in (
        lambda: opened(package, limits=Limits(index=MIB)),
        lambda: verify_forward(io.BytesIO(package), name="-", limits=Limits(index=MIB)),
    ):
        with pytest.raises(FormatError, match=r"E015: .*memory"):
            read()


def test_a_name_of_a_megabyte_makes_no_sentence_of_one() -> None:
    content, state, evidence = documents()
    content = content.replace(b"folder-1", b"f" * MIB, 1)
    package = opened(recipe((content, state, evidence)).build())
    with package, pytest.raises(FormatError) as caught:
        package.verify()
    assert MIB > 10 * len(caught.value.message) > 2000
    assert len(caught.value.message) < 2100


@pytest.mark.clause("8.2")
def test_deep_paths_take_no_more_than_their_bytes() -> None:
    paths = [f"{number:04}/" + "/".join("abcdefgh") * 6 for number in range(4000)]
    with at_most(8 * MIB):
        check_paths(paths)


@pytest.mark.clause("9.4")
def test_very_many_parts_are_refused_by_both_readers() -> None:
    """An object of a million parts of a byte each."""
    chunk = b"ab"
    many = 300_000
    made = recipe(with_files({"f": chunk * many}), [[(chunk, 0, 1), (chunk, 1, 1)] * many])
    made.compress = zstandard.ZstdCompressor(level=3).compress
    package = made.build()
    with pytest.raises(FormatError, match="E015"):
        Package.open(io.BytesIO(package))
    assert read_by_second_reader(package) == "E015"


@pytest.mark.clause("9.4")
def test_small_parts_of_long_chunks_are_refused_by_both_readers() -> None:
    """10 KB that unpack to 128 MiB: every extent of one byte would decode 64 MiB anew."""
    size, times = 64 * MIB, 40
    one, other = b"a" * size, b"b" * size
    parts = [(one, 0, size), (other, 0, size), *[(one, 0, 1), (other, 0, 1)] * times]
    files = {"f": one + other + b"ab" * times}
    made = recipe(with_files(files), [parts], order=(TEXT, CHUNK, CONTENT, STATE, EVIDENCE))
    for record in made.records:
        if record.kind == CHUNK:
            record.codec = ZSTD
            record.payload = zstandard.ZstdCompressor(level=3).compress(record.raw)
    package = made.build()
    with pytest.raises(FormatError, match="E015"):
        Package.open(io.BytesIO(package))
    assert read_by_second_reader(package) == "E015"


@pytest.mark.clause("11.2")
def test_what_must_be_decoded_has_the_limit_of_what_it_is_unpacked_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chunks that are read by turns are decoded anew for each part of them."""
    size, times = 4 * MIB, 40
    chunks = [bytes([number]) * size for number in range(8)]
    share = size // times
    parts = [(c, n * share, share) for n in range(times) for c in chunks]
    parts += [(c, times * share, size - times * share) for c in chunks]
    files = {"f": b"".join(chunk[at : at + length] for chunk, at, length in parts)}
    made = recipe(with_files(files), [parts], order=(TEXT, CHUNK, CONTENT, STATE, EVIDENCE))
    for record in made.records:
        if record.kind == CHUNK:
            record.codec = ZSTD
            record.payload = zstandard.ZstdCompressor(level=3).compress(record.raw)
    package = made.build()
    Package.open(io.BytesIO(package), limits=Limits(unpacked=512 * MIB)).close()
    with pytest.raises(FormatError, match=r"E015: .*decoded"):
        Package.open(io.BytesIO(package), limits=Limits(unpacked=64 * MIB))
    monkeypatch.setattr(second_reader(), "FREE", 64 * MIB)
    assert read_by_second_reader(package) == "E015"


@pytest.mark.clause("8.2")
def test_deep_paths_do_not_take_many_times_the_document() -> None:
    """Each of these has 63 folders of its own."""
    empty = hashlib.sha256().hexdigest()
    paths = ["/".join([f"{n:08d}", *["a" * 62] * 63]) for n in range(500)]
    entries = ",".join(f'{{"path":"{path}","sha256":"{empty}","size":0}}' for path in paths)
    content = (
        f'{{"format":"mlpkg-content-1","records":{{"folder-1":{{"files":[{entries}],'
        f'"kind":"folder"}}}},"subject":"folder-1"}}'
    ).encode()
    package = recipe(documents(content=content), [[]]).build()
    with Package.open(io.BytesIO(package)) as opened, at_most(16 * len(content)):
        assert len(opened.meaning.records) == 1
