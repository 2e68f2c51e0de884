"""Zip files of stored members, as torch and NumPy write them, are cut at their payloads."""

import io
import pickle
import struct
import zipfile
from typing import Any

import numpy as np
import pytest

from mlarchive.package.chunkers import PIECE_MAX, Hint
from mlarchive.package.chunkers.pieces import UNKNOWN
from tests.support.tensorfiles import (
    Cut,
    Storage,
    Unseekable,
    cuts,
    keys,
    lengths_and_hints,
    torch_pickle,
    torch_zip,
)
from tests.unit.package.test_writer import noise, weights

MEMBERS = {
    "data.pkl": b"\x80\x02}q\x00.",
    "byteorder": b"little",
    "data/0": weights(1_500_000),
    "data/1": noise(500),
    "data/2": weights(40_000, 2),
    "version": b"3\n",
}


@pytest.mark.parametrize("behind", [True, False])
def test_payloads_of_a_torch_file_are_cut_on_their_own(*, behind: bool) -> None:
    parts = [piece.data for piece in cuts(torch_zip("model", MEMBERS, behind=behind))]
    large = MEMBERS["data/0"]
    assert large[: 4 << 20] in parts
    assert large[4 << 20 :] in parts
    assert MEMBERS["data/2"] in parts


def test_the_name_of_a_torch_file_changes_only_what_is_between_its_payloads() -> None:
    one = {piece.data for piece in cuts(torch_zip("model", MEMBERS))}
    two = cuts(torch_zip("another_name_for_it", MEMBERS))
    assert sum(len(piece.data) for piece in two if piece.data not in one) < 5_000


def test_signatures_inside_a_payload_do_not_end_it() -> None:
    tricky = (b"PK\x07\x08" + noise(96)) * 2_000 + b"PK\x03\x04" + b"PK\x01\x02" * 500
    fake = struct.pack("<4sIII", b"PK\x07\x08", 0, 100, 100) + b"PK\x03\x04"
    data = torch_zip("m", {"data/0": tricky + fake + noise(100_000), "version": b"3"})
    parts = [piece.data for piece in cuts(data)]
    assert tricky + fake + noise(100_000) in parts


@pytest.mark.parametrize("extra", range(-30, 30, 3))
def test_a_descriptor_at_the_edge_of_a_piece_is_found(extra: int) -> None:
    payload = noise(PIECE_MAX + extra)
    parts = [piece.data for piece in cuts(torch_zip("m", {"data/0": payload, "data/1": noise(9)}))]
    assert payload[:PIECE_MAX] in parts
    assert extra <= 0 or payload[PIECE_MAX:] in parts


@pytest.mark.parametrize("length", [10, 40, 1000, 70_000, 3_000_000, 6_000_000])
def test_torch_files_that_are_cut_off_come_back(length: int) -> None:
    data = torch_zip("m", MEMBERS)[:length]
    assert sum(len(piece.data) for piece in cuts(data)) == len(data)


def test_a_compressed_zip_comes_back() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", weights(200_000))
        archive.writestr("b.npy", weights(200_000, 1))
    assert cuts(target.getvalue())


def checkpoint(stem: str, seed: int = 0, *, behind: bool = True) -> bytes:
    members = {
        "data.pkl": torch_pickle(
            {
                "w": Storage("FloatStorage", "0", 1_500_000),
                "h": Storage("HalfStorage", "1", 50_000),
                "f": Storage("UntypedStorage", "2", 90_000, "float8_e5m2"),
                "n": Storage("LongStorage", "3", 20_000),
                "m": Storage("BoolStorage", "4", 70_000),
            }
        ),
        "data/0": weights(1_500_000, seed),
        "data/1": noise(100_000, seed),
        "data/2": noise(90_000, seed),
        "data/3": noise(160_000, seed),
        "data/4": noise(70_000, seed),
    }
    return torch_zip(stem, members, behind=behind)


@pytest.mark.parametrize("behind", [True, False])
def test_storages_have_the_hints_of_their_pickle(*, behind: bool) -> None:
    pieces = [piece for piece in cuts(checkpoint("m", behind=behind)) if len(piece.data) > 10_000]
    assert lengths_and_hints(pieces) == [
        (PIECE_MAX, Hint(4)),
        (6_000_000 - PIECE_MAX, Hint(4)),
        (100_000, Hint(2)),
        (90_000, Hint(1)),
        (160_000, Hint(8, rotated=False)),
        (70_000, UNKNOWN),
    ]


def test_checkpoints_of_one_architecture_have_equal_keys() -> None:
    assert keys(checkpoint("a", 1)) == keys(checkpoint("other", 2, behind=False))
    assert len(set(keys(checkpoint("a")))) == 6


def test_a_pickle_with_a_chunk_of_its_own_is_read_all_the_same() -> None:
    padding = {f"a_long_name_of_a_layer.{n}": Storage("FloatStorage", "9", 1) for n in range(2000)}
    described = torch_pickle(padding | {"w": Storage("DoubleStorage", "0", 20_000)})
    assert len(described) > 64 << 10
    for behind in (True, False):
        members = {"data.pkl": described, "data/0": noise(160_000)}
        pieces = cuts(torch_zip("m", members, behind=behind))
        assert described in {piece.data for piece in pieces}
        assert Hint(8) in {piece.hint for piece in pieces}


def test_a_storage_that_no_pickle_names_has_no_key() -> None:
    """As in TorchScript files, whose pickle stands behind the tensors."""
    assert keys(torch_zip("m", {"data/0": weights(100_000)})) == []


def test_an_old_torch_file_is_cut_by_content() -> None:
    """Before 1.6 `torch.save` wrote pickles one after another, the first of a magic number."""
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    data = magic + torch_pickle({"w": Storage("FloatStorage", "0", 500_000)}) + weights(500_000)
    assert keys(data) == []


ARRAYS: dict[str, Any] = {
    "w": np.frombuffer(weights(300_000), "<f4"),
    "ids": np.arange(50_000),
    "z": np.frombuffer(weights(60_000, 3), "<c8"),
    "wide": np.frombuffer(weights(60_000, 4), ">f4"),
    "mixed": np.zeros(9_000, [("a", "<i4"), ("b", "<f8")]),
    "little": np.ones(3),
}


def npz(*, behind: bool = False, **arrays: Any) -> bytes:  # noqa: ANN401  # any array
    target = Unseekable() if behind else io.BytesIO()
    np.savez(target, **arrays)
    return bytes(target.data) if isinstance(target, Unseekable) else target.getvalue()


def large(data: bytes) -> list[Cut]:
    return [piece for piece in cuts(data) if len(piece.data) > 10_000]


@pytest.mark.parametrize("behind", [True, False])
def test_arrays_of_an_npz_are_cut_behind_their_headers(*, behind: bool) -> None:
    pieces = large(npz(behind=behind, **ARRAYS))
    assert lengths_and_hints(pieces) == [
        (1_200_000, Hint(4)),
        (400_000, Hint(8, rotated=False)),
        (240_000, Hint(4)),
        (240_000 + 128, UNKNOWN),
        (108_000 + 128, UNKNOWN),
    ]
    assert pieces[0].data == ARRAYS["w"].tobytes()
    assert [bool(piece.key) for piece in pieces] == [True, True, True, False, False]


def test_keys_of_arrays_are_made_of_name_type_and_size() -> None:
    one = keys(npz(w=np.ones(100_000), v=np.ones(50_000)))
    assert keys(npz(v=np.zeros(50_000), w=np.ones((1000, 100)))) == one[::-1]
    assert keys(npz(behind=True, w=np.ones(100_000), v=np.ones(50_000))) == one
    others = keys(npz(u=np.ones(50_000), w=np.ones(100_001), v=np.ones(50_000, np.int64)))
    assert not set(one) & set(others)


def test_an_array_in_another_npz_is_the_same_piece() -> None:
    array = np.frombuffer(weights(700_000), "<f4")
    one = large(npz(only=array))
    two = large(npz(first=np.arange(30_000), second=array.reshape(700, 1000)))
    assert one[0].data == two[1].data


def test_sizes_that_stand_nowhere_are_not_waited_for() -> None:
    """A local header says that its sizes are in a zip64 field, and there is none."""
    data = bytearray(npz(w=np.arange(200_000)))
    at = data.index(struct.pack("<HH", 1, 16))
    data[at : at + 2] = b"\x77\x77"
    assert keys(bytes(data)) == []
