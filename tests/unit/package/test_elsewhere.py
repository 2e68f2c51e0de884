"""What the other side has is left out; what is close to it travels as differences."""

import io
from collections.abc import Mapping, Sequence

import pytest

from mlarchive.errors import FormatError, MissingChunksError
from mlarchive.footprint import footprint
from mlarchive.package import Elsewhere, Package, PackageWriter, encode_documents
from mlarchive.package.codec import Codec
from mlarchive.package.index import Row
from mlarchive.records import File, Folder
from tests.support.models import Weights, file_of, merged, tuned, weights
from tests.support.packages import folder_meaning, opened, packed
from tests.support.tensorfiles import torch_zip

PARENT = weights(1)
PARENT_FILE = file_of(PARENT)
CHILD_FILE = file_of(tuned(PARENT, 2))
SMALL = {"config.json": b'{"layers": 4}', "notes.txt": b"first" * 20}


def thin(
    files: Mapping[str, bytes], bases: Sequence[Package], *, threads: int = 2, **options: object
) -> bytes:
    """A package of files that leaves out what packages have; into a pipe, so to say."""
    out = io.BytesIO()
    elsewhere = Elsewhere(bases, **options)  # type: ignore[arg-type]  # passed on
    with PackageWriter(out, threads=threads, elsewhere=elsewhere) as writer:
        entries = []
        for path, data in files.items():
            digest = writer.add(io.BytesIO(data), path)
            entries.append(File(path=path, size=digest.size, sha256=digest.sha256))
        writer.finish(encode_documents(folder_meaning(entries)))
        assert writer.thin == bool(opened(out.getvalue()).missing())
    return out.getvalue()


def comes_back(package: Package, files: Mapping[str, bytes]) -> bool:
    """Whether a package has just these files, and all of it is sound."""
    assert package.verify().objects == len(set(files.values()))
    (folder,) = package.meaning.records
    assert isinstance(folder, Folder)
    found = {}
    for file in folder.files:
        with package.open_object(file.sha256) as stream:
            found[file.path] = stream.read()
    return found == files


@pytest.fixture(scope="module")
def parent() -> Package:
    return opened(packed({"model.safetensors": PARENT_FILE, **SMALL}))


@pytest.mark.clause("1.4", "5.4", "11.5")
def test_a_fine_tuned_child_travels_as_differences(parent: Package) -> None:
    files = {"model.safetensors": CHILD_FILE, **SMALL}
    data = thin(files, [parent])
    assert len(data) < 0.27 * len(CHILD_FILE)
    assert comes_back(opened(data, bases=[parent]), files)
    # What differences build on is as much elsewhere as what is left out.
    with opened(data) as alone:
        left = sum(chunk.size for chunk in alone.missing())
        assert footprint(alone).elsewhere == left >= len(PARENT_FILE) - 10_000


def test_of_a_merged_lora_only_what_moved_travels() -> None:
    model = weights(8, tensors=8)
    base = opened(packed({"model.safetensors": file_of(model), **SMALL}))
    files = {"model.safetensors": file_of(merged(model, 3)), **SMALL}
    data = thin(files, [base])
    assert len(data) < 0.06 * len(file_of(model))
    assert comes_back(opened(data, bases=[base]), files)


def test_a_base_is_found_by_its_tensors_wherever_they_stand(parent: Package) -> None:
    """Another path, other neighbours, the tensors the other way round."""
    turned = dict(reversed(tuned(PARENT, 4).items()))
    data = thin({"zoo/other.safetensors": file_of(turned)}, [parent])
    codecs = [row.codec for row in chunk_rows(opened(data)) if row.codec != Codec.ABSENT]
    assert codecs.count(Codec.DELTA) == len(PARENT)


def test_of_several_bases_the_closest_is_taken_whatever_their_order() -> None:
    far, near = (opened(packed({"m.safetensors": file_of(model)})) for model in relatives())
    child = {"m.safetensors": file_of(tuned(tuned(PARENT, 6, step=0.02), 7, step=0.0005))}
    sizes = {len(thin(child, bases)) for bases in ([far, near], [near, far])}
    assert len(sizes) == 1
    assert sizes.pop() < 0.6 * len(thin(child, [far]))


def relatives() -> Sequence[Weights]:
    return PARENT, tuned(PARENT, 6, step=0.02)


def test_a_base_of_a_delta_is_its_own_base(parent: Package) -> None:
    """So that no chain of differences grows: two decodings are the most."""
    second = opened(thin({"model.safetensors": CHILD_FILE}, [parent]), bases=[parent])
    third = {"model.safetensors": file_of(tuned(tuned(PARENT, 2), 5))}
    data = thin(third, [second])
    assert len(data) < 0.27 * len(CHILD_FILE)
    assert not opened(data, bases=[parent]).missing()
    assert comes_back(opened(data, bases=[parent]), third)


def test_torch_storages_find_their_bases_too() -> None:
    noise = weights(9, tensors=1, elements=1 << 17)["layers.0.weight"]
    near = (noise.view("u4") ^ 1).tobytes()
    pickled = b"\x80\x02]."
    before = torch_zip("a", {"data.pkl": pickled, "data/0": noise.tobytes()})
    after = torch_zip("b", {"data.pkl": pickled, "data/0": near, "data/1": noise.tobytes()})
    base = opened(packed({"a.pt": before}))
    assert len(thin({"b.pt": after}, [base])) < 0.8 * len(packed({"b.pt": after}))
    assert comes_back(opened(thin({"b.pt": after}, [base]), bases=[base]), {"b.pt": after})


def test_nothing_is_left_out_that_a_have_list_does_not_name(parent: Package) -> None:
    files = {"model.safetensors": PARENT_FILE, **SMALL}
    assert not opened(thin(files, [parent], held=frozenset())).missing()
    held = frozenset(parent.storage.readable_chunks())
    assert len(thin(files, [], held=held)) < 16 << 10
    some = frozenset(sorted(held)[:2])
    missing = {
        bytes.fromhex(chunk.hash) for chunk in opened(thin(files, [parent], held=some)).missing()
    }
    assert missing <= some


def test_a_damaged_base_is_passed_over(parent: Package) -> None:
    data = bytearray(packed({"model.safetensors": PARENT_FILE}))
    row = max(chunk_rows(parent), key=lambda row: row.stored_len)
    data[row.offset + 5000] ^= 1
    broken = opened(bytes(data))
    child = thin({"model.safetensors": CHILD_FILE}, [broken])
    lacks = {bytes.fromhex(chunk.hash) for chunk in opened(child).missing()}
    sound = opened(packed({"model.safetensors": PARENT_FILE}))
    assert comes_back(opened(child, bases=[sound]), {"model.safetensors": CHILD_FILE})
    again = thin({"model.safetensors": PARENT_FILE}, [broken], check=True)
    assert row.raw_hash not in lacks
    assert row.raw_hash not in {bytes.fromhex(chunk.hash) for chunk in opened(again).missing()}


def test_without_its_base_a_thin_package_says_so_before_it_gives_a_byte(parent: Package) -> None:
    package = opened(thin({"model.safetensors": CHILD_FILE}, [parent]))
    (name,) = package.objects
    with pytest.raises(MissingChunksError, match="thin"):
        package.open_object(name)


def test_the_bytes_do_not_depend_on_the_threads(parent: Package) -> None:
    files = {"model.safetensors": CHILD_FILE, **SMALL, "more.txt": b"more"}
    assert thin(files, [parent], threads=1) == thin(files, [parent], threads=4)


def test_a_base_with_other_bytes_under_the_same_hash_is_refused(parent: Package) -> None:
    other = opened(packed({"x.safetensors": CHILD_FILE}))
    data = thin({"model.safetensors": CHILD_FILE}, [parent])
    package = opened(data, bases=[other])
    assert package.missing()
    with pytest.raises((MissingChunksError, FormatError)):
        package.open_object(next(iter(package.objects))).read()


def chunk_rows(package: Package) -> list[Row]:
    index = package.storage.index
    return [index.row(number) for number in package.storage.chunk_numbers.values()]
