"""Deltas (clause 5.4): what a child shares with its parent is kept once, and nothing is lost."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from mlarchive.errors import FormatError, MissingChunksError
from mlarchive.package import Package, PackageWriter, encode_documents
from mlarchive.package.choosing import encode_chunk
from mlarchive.package.chunkers.pieces import Hint, Piece, TakeBerth
from mlarchive.package.codec import Codec, decode
from mlarchive.package.delta import decode_delta, encode_delta, fold
from mlarchive.package.encoding import Base
from mlarchive.package.frames import Effort
from mlarchive.package.index import NO_BASE
from mlarchive.package.intake import Intake
from mlarchive.package.layout import RecordType
from mlarchive.package.record import record_size
from mlarchive.records import File
from tests.support.packages import Forgery, contents, folder_meaning, opened

RNG = np.random.default_rng(7)
PARENT = RNG.normal(0, 0.02, 50_000).astype(np.float16)
CHILD = (PARENT.astype(np.float32) * (1 + RNG.normal(0, 1e-3, 50_000))).astype(np.float16)


def joined(parts: list[bytes | bytearray | memoryview]) -> bytes:
    return b"".join(map(bytes, parts))


@pytest.mark.parametrize("elem", [1, 2, 4, 8])
@pytest.mark.parametrize("effort", [None, Effort.FAST, Effort.ENTROPY])
def test_a_delta_gives_back_every_bit(elem: int, effort: Effort | None) -> None:
    raw, base = RNG.bytes(10_003), RNG.bytes(10_003)
    payload = joined(encode_delta(raw, base, elem=elem, efforts=[effort] * elem))
    assert bytes(decode_delta(payload, base, elem=elem)) == raw


@pytest.mark.parametrize(
    ("elem", "value", "base", "folded"),
    [
        (1, 5, 3, 4),
        (1, 3, 5, 3),
        (1, 0x80, 0, 0xFF),
        (2, 0, 1, 1),
        (2, 0x7FFF, 0, 0xFFFE),
        (2, 0x8000, 0, 0xFFFF),
        (4, 1, 2**32 - 1, 4),
        (8, 0, 2**63, 2**64 - 1),
    ],
)
@pytest.mark.clause("5.4")
def test_differences_are_folded_as_the_clause_says(
    elem: int, value: int, base: int, folded: int
) -> None:
    found = fold(value.to_bytes(elem, "little"), base.to_bytes(elem, "little"), elem=elem)
    assert int.from_bytes(found, "little") == folded


def test_a_child_is_kept_as_its_differences() -> None:
    base = Base(3, b"b" * 32, PARENT.tobytes())
    encoded = encode_chunk(CHILD.tobytes(), b"c" * 32, Hint(2), bases=[base])
    assert (encoded.codec, encoded.base, encoded.base_hash) == (Codec.DELTA, 3, b"b" * 32)
    alone = encode_chunk(CHILD.tobytes(), b"c" * 32, Hint(2))
    assert encoded.stored_len < 0.7 * alone.stored_len
    payload = joined(list(encoded.parts))
    raw = decode(payload, codec=Codec.DELTA, elem=encoded.elem, raw_len=CHILD.nbytes, base=base.raw)
    assert bytes(raw) == CHILD.tobytes()


def test_numbers_of_one_byte_are_kept_as_differences_too() -> None:
    """Nothing but their name says that they are numbers: all places of a word are alike."""
    parent = RNG.normal(0, 12, 200_000).astype(np.int8)
    child = parent.copy()
    child[::50] += 1
    base = Base(3, b"b" * 32, parent.tobytes())
    encoded = encode_chunk(child.tobytes(), b"c" * 32, bases=[base])
    assert encoded.codec == Codec.DELTA
    alone = encode_chunk(child.tobytes(), b"c" * 32)
    assert encoded.stored_len < 0.2 * alone.stored_len


def test_what_has_nothing_in_common_is_no_delta() -> None:
    other = RNG.normal(0, 0.02, 50_000).astype(np.float16)
    encoded = encode_chunk(
        CHILD.tobytes(), b"c" * 32, Hint(2), bases=[Base(3, b"b" * 32, other.tobytes())]
    )
    assert (encoded.codec, encoded.base) == (Codec.PLANES, NO_BASE)


def write_family(path: Path, *, threads: int, generations: int = 3) -> dict[str, bytes]:
    """A package of versions of one tensor, each near the one before it."""
    files = {}
    values = PARENT
    with path.open("xb+") as out, PackageWriter(out, threads=threads) as writer:
        for number in range(generations):
            files[f"v{number}"] = values.tobytes()
            values = (values.astype(np.float32) * 1.001).astype(np.float16)
        entries = []
        for name, data in files.items():
            # As a chunker does that knows the name of the tensor.
            digest = writer.add(KeyedSource(data), name)
            entries.append(File(path=name, size=digest.size, sha256=digest.sha256))
        writer.finish(encode_documents(folder_meaning(entries)))
    return files


class KeyedSource(io.BytesIO):
    """Bytes whose pieces bear a name; see the fixture."""


@pytest.fixture(autouse=True)
def _named_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
        while not intake.at_end():
            berth = take()
            yield Piece(berth, intake.fill(berth.view), Hint(2), b"the tensor w")

    monkeypatch.setattr("mlarchive.package.writer.cut", cut)


@pytest.mark.clause("5.4")
def test_versions_of_a_tensor_in_one_package(tmp_path: Path) -> None:
    path = tmp_path / "family.mlpkg"
    files = write_family(path, threads=2)
    with Package.open(path) as package:
        package.verify()
        assert contents(package) == files
        rows = package.storage.index.rows
        chunks = rows[rows["type"] == RecordType.CHUNK]
        assert chunks["codec"].tolist() == [Codec.PLANES, Codec.DELTA, Codec.DELTA]
        first = int(np.flatnonzero(rows["type"] == RecordType.CHUNK)[0])
        assert chunks["base"].tolist() == [NO_BASE, first, first]


@pytest.mark.clause("2.2")
def test_threads_do_not_change_which_base_there_is(tmp_path: Path) -> None:
    for threads in (1, 2, 5):
        write_family(tmp_path / f"{threads}.mlpkg", threads=threads, generations=12)
    made = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(made) == 1


def test_to_a_pipe_there_is_no_delta() -> None:
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        entries = []
        for name, values in (("a", PARENT), ("b", CHILD)):
            digest = writer.add(KeyedSource(values.tobytes()), name)
            entries.append(File(path=name, size=digest.size, sha256=digest.sha256))
        writer.finish(encode_documents(folder_meaning(entries)))
    with opened(out.getvalue()) as package:
        assert Codec.DELTA not in package.storage.index.rows["codec"]
        assert contents(package) == {"a": PARENT.tobytes(), "b": CHILD.tobytes()}


@pytest.fixture
def family(tmp_path: Path) -> Forgery:
    path = tmp_path / "family.mlpkg"
    write_family(path, threads=2)
    return Forgery(path.read_bytes())


@pytest.mark.parametrize("base", [0, 2**32 - 2, NO_BASE, "itself", "a delta", "a checkpoint"])
@pytest.mark.clause("5.4")
def test_a_base_that_is_none_is_refused(family: Forgery, base: int | str) -> None:
    first, second, third = np.flatnonzero(family.rows["type"] == RecordType.CHUNK).tolist()
    number = {"itself": third, "a delta": second, "a checkpoint": first - 1}.get(str(base), base)
    family.rows["base"][third] = number
    with pytest.raises(FormatError, match="E018"):
        opened(family.sealed())


def test_a_base_of_another_length_is_refused(family: Forgery) -> None:
    first = family.number(RecordType.CHUNK)
    family.rows["raw_len"][first] += 1
    with pytest.raises(FormatError, match="E018"):
        opened(family.sealed())


def test_a_header_that_names_another_base_is_refused(family: Forgery) -> None:
    third = int(np.flatnonzero(family.rows["codec"] == Codec.DELTA)[1])
    family.data[int(family.rows["offset"][third]) + 64] ^= 1
    with pytest.raises(FormatError, match="E023"), opened(family.sealed()) as package:
        package.verify()


def test_a_delta_to_other_bytes_is_noticed(family: Forgery) -> None:
    """The base's own bytes are right; the delta was made for others."""
    third = int(np.flatnonzero(family.rows["codec"] == Codec.DELTA)[1])
    family.rows["raw_hash"][third] ^= 1
    family.rewrite_header(third)
    with pytest.raises(FormatError, match="E028"), opened(family.sealed()) as package:
        package.verify()


@pytest.mark.clause("5.4", "11.5", "4.5")
def test_a_thin_package_of_deltas_names_the_base_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "family.mlpkg"
    files = write_family(path, threads=2)
    forgery = Forgery(path.read_bytes())
    base = forgery.rows["raw_hash"][forgery.number(RecordType.CHUNK)].tobytes()
    thin = without_first_chunk(forgery)
    with opened(thin) as package:
        (missing,) = package.missing()
        assert missing.hash == base.hex()
        assert package.verify().missing == 1
        for name in package.objects:
            with pytest.raises(MissingChunksError):
                package.open_object(name)
    with Package.open(path) as whole, opened(thin, bases=[whole]) as package:
        assert package.missing() == ()
        assert contents(package) == files


def without_first_chunk(forgery: Forgery) -> bytes:
    """The same package without checkpoints, its first chunk stated as absent."""
    rows = forgery.rows
    first = forgery.number(RecordType.CHUNK)
    leaving = (rows["type"] == RecordType.CHECKPOINT) | (np.arange(len(rows)) == first)
    kept = rows[~leaving]
    gone = rows[first : first + 1].copy()
    gone["codec"], gone["elem"], gone["stored_len"], gone["stored_hash"] = Codec.ABSENT, 0, 0, 0
    numbers = np.cumsum(~leaving) - 1
    numbers[first] = len(kept)
    based = kept["base"] != NO_BASE
    kept["base"][based] = numbers[kept["base"][based]]
    forgery.extents["row"] = numbers[forgery.extents["row"]]
    removed = 0
    for number in np.flatnonzero(leaving)[::-1].tolist():
        begin = int(rows["offset"][number])
        end = begin + record_size(int(rows["stored_len"][number]))
        del forgery.data[begin:end]
        removed += end - begin
    forgery.rows = np.concatenate((kept, gone))
    forgery.trailer = replace(forgery.trailer, index_offset=forgery.trailer.index_offset - removed)
    return forgery.sealed()
