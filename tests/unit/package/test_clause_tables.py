"""Clauses 4, 5, 7 and 9, broken one at a time: both readers refuse, for the same reason."""

from collections.abc import Callable

import numpy as np
import pytest

from mlarchive.package.codec import Codec
from mlarchive.package.layout import RecordType
from tests.compat.plainwriter import NO_BASE, Documents, digest, hash_of, plain_package
from tests.compat.readers import read_by_library, read_by_second_reader
from tests.compat.samples import documents, with_delta
from tests.support.packages import Forgery

HERE, ALSO_HERE = b"what is here", b"also here"
FAR, FARTHER = sorted((b"elsewhere", b"far away"), key=hash_of)
OBJECTS = (HERE + FAR, ALSO_HERE + FARTHER + HERE, b"")

Change = Callable[[Forgery], None]


def named(objects: dict[bytes, int]) -> Documents:
    """Documents of a folder with a file for each object, of the size that is given."""
    files = ",".join(
        f'{{"path":"{n}","sha256":"{digest(raw).hex()}","size":{size}}}'
        for n, (raw, size) in enumerate(objects.items())
    )
    content = (
        f'{{"format":"mlpkg-content-1","records":{{"folder-1":{{"files":[{files}],'
        '"kind":"folder"}},"subject":"folder-1"}'
    )
    return documents(content=content.encode())


CHUNKS = ((HERE, FAR), (ALSO_HERE, FARTHER, HERE), ())


def package(said: Documents) -> bytes:
    """Three objects of two chunks that are here and two that are not."""
    extents = [[(chunk, 0, len(chunk)) for chunk in parts] for parts in CHUNKS]
    return plain_package(said, extents, absent=[FAR, FARTHER])


@pytest.fixture
def forgery() -> Forgery:
    return Forgery(package(named({raw: len(raw) for raw in OBJECTS})))


def code(reading: object) -> str:
    return reading if isinstance(reading, str) else "none"


def codes(data: bytes) -> tuple[str, str]:
    """What the library and the second reader refuse a package for."""
    return code(read_by_library(data)), code(read_by_second_reader(data))


def number(forgery: Forgery, raw: bytes) -> int:
    """The row of a chunk."""
    wanted = np.frombuffer(hash_of(raw), np.uint8)
    return int(np.flatnonzero((forgery.rows["raw_hash"] == wanted).all(axis=1))[0])


def row(raw: bytes, **values: object) -> Change:
    def change(forgery: Forgery) -> None:
        for name, value in values.items():
            forgery.rows[name][number(forgery, raw)] = value

    return change


def document(kind: RecordType, **values: object) -> Change:
    def change(forgery: Forgery) -> None:
        for name, value in values.items():
            forgery.rows[name][forgery.number(kind)] = value

    return change


def swapped(one: int, other: int) -> Change:
    """Two rows change places, and all extents follow them."""

    def change(forgery: Forgery) -> None:
        rows, owners = forgery.rows, forgery.extents["row"].copy()
        first, second = one % len(rows), other % len(rows)
        rows[[first, second]] = rows[[second, first]]
        forgery.extents["row"][owners == first] = second
        forgery.extents["row"][owners == second] = first

    return change


def extent(raw: bytes, *, offset: int = 0, length: int = 0) -> Change:
    """The first extent of a chunk begins later, or is longer."""

    def change(forgery: Forgery) -> None:
        at = int(np.flatnonzero(forgery.extents["row"] == number(forgery, raw))[0])
        forgery.extents["offset"][at] += offset
        forgery.extents["length"][at] = int(forgery.extents["length"][at]) + length

    return change


def one_object_less(forgery: Forgery) -> None:
    """The last object that has extents loses its last one, which nothing uses then."""
    forgery.objects["extents"][np.flatnonzero(forgery.objects["extents"])[-1]] -= 1


def test_what_is_not_changed_is_read_by_both(forgery: Forgery) -> None:
    assert codes(forgery.sealed()) == ("none", "none")


@pytest.mark.clause("4.3", "4.5", "5.1", "5.3", "5.4", "5.5", "9.2", "9.3", "9.4")
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (row(HERE, raw_len=11), "E018"),
        (row(HERE, stored_hash=7), "E018"),
        (row(HERE, codec=Codec.ZSTD), "E018"),
        (row(HERE, elem=4), "E018"),
        (row(HERE, codec=2, elem=3), "E018"),
        (row(HERE, codec=3, elem=0), "E018"),
        (row(HERE, codec=4), "E018"),
        (row(HERE, codec=5), "E018"),
        (row(HERE, codec=254), "E018"),
        (row(HERE, base=0), "E018"),
        (row(HERE, flags=1), "E018"),
        (row(FAR, stored_len=1), "E018"),
        (row(FAR, stored_hash=7), "E018"),
        (row(FAR, elem=1), "E018"),
        (row(FAR, base=0), "E018"),
        (swapped(-1, -2), "E018"),
        (swapped(1, 2), "E023"),
        (document(RecordType.STATE, codec=3, elem=1), "E018"),
        (document(RecordType.README, codec=1), "E018"),
        (document(RecordType.README, type=RecordType.CONTENT), "E019"),
        (document(RecordType.EVIDENCE, type=130), "E019"),
        (one_object_less, "E020"),
        (extent(HERE, offset=1), "E021"),
        (extent(HERE, length=1), "E021"),
        (extent(HERE, length=-len(HERE)), "E021"),
        (extent(ALSO_HERE, length=-1), "E022"),
        (extent(ALSO_HERE, offset=1, length=-1), "E022"),
    ],
)
def test_a_table_that_breaks_a_clause(forgery: Forgery, change: Change, refusal: str) -> None:
    change(forgery)
    assert codes(forgery.sealed()) == (refusal, refusal)


@pytest.mark.clause("5.4")
@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", 0),
        ("base", 99),
        ("base", NO_BASE),
        ("base", "itself"),
        ("elem", 0),
        ("elem", 3),
        ("raw_len", 1),
    ],
)
def test_a_delta_has_a_base_of_its_own_length(name: str, value: object, *, thin: bool) -> None:
    forgery = Forgery(with_delta(4, thin=thin))
    (delta,) = np.flatnonzero(forgery.rows["codec"] == Codec.DELTA)
    forgery.rows[name][delta] = delta if value == "itself" else value
    assert codes(forgery.sealed()) == ("E018", "E018")


@pytest.mark.clause("5.4")
def test_what_is_no_delta_has_no_base_and_a_delta_is_none() -> None:
    forgery = Forgery(with_delta(4))
    (delta,) = np.flatnonzero(forgery.rows["codec"] == Codec.DELTA)
    forgery.rows["codec"][delta] = Codec.PLANES
    assert codes(forgery.sealed()) == ("E018", "E018")
    (base,) = forgery.rows["base"][[delta]]
    for column, value in (("codec", Codec.DELTA), ("elem", 4), ("base", base)):
        forgery.rows[column][[base, delta]] = value
    assert codes(forgery.sealed()) == ("E018", "E018")


@pytest.mark.clause("7.4")
@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({raw: len(raw) for raw in OBJECTS[:2]}, "E034"),
        ({raw: len(raw) for raw in (*OBJECTS, b"another")}, "E034"),
        ({raw: len(raw) + 1 for raw in OBJECTS}, "E035"),
    ],
)
def test_documents_and_index_name_the_same_objects(said: dict[bytes, int], refusal: str) -> None:
    assert codes(package(named(said))) == (refusal, refusal)


@pytest.mark.clause("9.3")
def test_objects_stand_in_the_order_in_which_content_names_them() -> None:
    one, other = b"of one size", b"as the next"
    said = named({raw: len(raw) for raw in (one, other)})
    assert codes(plain_package(said, [[(raw, 0, len(raw))] for raw in (one, other)])) == (
        ("none", "none")
    )
    assert codes(plain_package(said, [[(raw, 0, len(raw))] for raw in (other, one)])) == (
        ("E029", "E029")
    )


@pytest.mark.clause("7.2")
@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        (b'"path":"0"', b'"path":"2"', "E038"),
        (b'"path":"0"', b'"path":"1"', "E038"),
        (b'"size":0', b'"size":-1', "E039"),
        (digest(b"").hex().encode(), digest(b"").hex().upper().encode(), "E039"),
    ],
)
def test_entries_are_sorted_and_well_formed(old: bytes, new: bytes, refusal: str) -> None:
    said, *others = named({raw: len(raw) for raw in OBJECTS})
    assert old in said
    assert codes(package((said.replace(old, new), others[0], others[1]))) == (refusal, refusal)
