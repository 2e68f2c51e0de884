"""However bytes are cut, encoded, ordered or left out: content_id and state_id stay."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlarchive.package import Package
from mlarchive.records import File
from tests.compat.plainwriter import Extent, plain_package
from tests.property.package.test_laws import NAMES, raws
from tests.support.packages import contents, opened, packed, write_package

FILES = st.dictionaries(NAMES, raws(), min_size=1, max_size=5)


def ids(package: Package) -> tuple[str, str]:
    return package.content_id, package.state_id


def pieces(raw: bytes, size: int) -> list[Extent]:
    cut = [raw[at : at + size] for at in range(0, len(raw), size)]
    return [(piece, 0, len(piece)) for piece in cut]


@pytest.mark.clause("5.6", "6.5")
@settings(max_examples=40)
@given(files=FILES, data=st.data(), size=st.integers(1000, 50_000), threads=st.integers(1, 4))
def test_storage_changes_neither_id(
    files: dict[str, bytes], data: st.DataObject, size: int, threads: int
) -> None:
    order = data.draw(st.permutations(sorted(files)))
    with (
        opened(packed({path: files[path] for path in sorted(files)}, threads=1)) as one,
        opened(packed({path: files[path] for path in order}, threads=threads)) as reordered,
        opened(stored_in_pieces(one, files, size)) as stored,
        opened(thin(one), bases=[one]) as without_chunks,
    ):
        others = (reordered, stored, without_chunks)
        assert {ids(package) for package in others} == {ids(one)}
        for package in others:
            assert contents(package) == files
            package.verify()
        assert stored.package_id != one.package_id != without_chunks.package_id


def stored_in_pieces(package: Package, files: dict[str, bytes], size: int) -> bytes:
    """The same documents, with objects cut everywhere else and no codec."""
    said = package.documents
    documents = (said.content, said.state, said.evidence)
    objects = dict.fromkeys(files[path] for path in sorted(files))
    return plain_package(documents, [pieces(raw, size) for raw in objects])


def thin(base: Package) -> bytes:
    """The same object without any of its chunks."""
    entries = [stream.entry for stream in base.snapshot().streams]
    out = io.BytesIO()
    reused = {entry.path: entry for entry in entries if isinstance(entry, File)}
    write_package(out, {}, reused=reused, base=base)
    return out.getvalue()
