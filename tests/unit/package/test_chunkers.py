"""Where objects are cut: at tensors where there are some, by content elsewhere, never wrongly."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping

import pytest

from mlarchive.package.chunkers import PIECE_MAX, Hint, cut
from mlarchive.package.chunkers.contentdefined import PIECE_MIN
from mlarchive.package.chunkers.pieces import UNKNOWN
from mlarchive.package.chunkers.torchpickle import storage_hints
from mlarchive.package.intake import Intake
from mlarchive.package.pipeline import Berth
from tests.unit.package.test_writer import noise, weights

Cut = tuple[bytes, Hint]


def cuts(data: bytes) -> list[Cut]:
    found = []
    for piece in cut(Intake(io.BytesIO(data)), lambda: Berth(PIECE_MAX)):
        assert 0 < piece.length <= PIECE_MAX
        found.append((bytes(piece.berth.view[: piece.length]), piece.hint))
    assert b"".join(part for part, _ in found) == data
    return found


def safetensors(tensors: Mapping[str, tuple[str, bytes]], **extra: object) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}} | extra
    at = 0
    for name, (dtype, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": [], "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values())


def test_slices_begin_where_tensors_begin() -> None:
    big, half = noise(9 << 20), noise(2 << 20, 1)
    data = safetensors({"a": ("F32", big), "b": ("BF16", half)})
    header, *tensors = cuts(data)
    assert header[0] == data[: len(data) - len(big) - len(half)]
    assert [(len(part), hint) for part, hint in tensors] == [
        (4 << 20, Hint(4)),
        (4 << 20, Hint(4)),
        (1 << 20, Hint(4)),
        (2 << 20, Hint(2)),
    ]


def test_small_tensors_of_one_type_are_grouped() -> None:
    small = {f"t{n}": ("F32", noise(1000, n)) for n in range(50)}
    other = {f"u{n}": ("I64", noise(800, n)) for n in range(50)}
    _, *groups = cuts(safetensors(small | other))
    assert [(len(part), hint) for part, hint in groups] == [
        (50_000, Hint(4)),
        (40_000, Hint(8, rotated=False)),
    ]


def test_groups_do_not_exceed_the_longest_piece() -> None:
    tensors = {f"t{n}": ("F16", noise(900_000, n)) for n in range(9)}
    assert max(len(part) for part, _ in cuts(safetensors(tensors))) <= PIECE_MAX


def test_the_same_tensor_in_two_files_gives_the_same_piece() -> None:
    shared = noise(3 << 20)
    one = cuts(safetensors({"w": ("F32", shared)}))
    two = cuts(safetensors({"first": ("F32", noise(1 << 20, 1)), "second": ("F32", shared)}))
    assert one[-1] in two


GOOD = safetensors({"w": ("F32", noise(300_000))})


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:5],
        GOOD[:50],
        GOOD[: len(GOOD) // 2],
        GOOD + noise(100_000),
        struct.pack("<Q", 10) + b"{nonsense}" + noise(100_000),
        struct.pack("<Q", 2) + b"{}" + noise(100_000),
        struct.pack("<Q", 1 << 40) + b"{" + noise(100_000),
        struct.pack("<Q", 200_000) + b"{" + b'"a":' * 10_000 + noise(300_000),
        struct.pack("<Q", 100_000) + b"[" * 100_000 + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [0, 10]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [5, 90_000]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [0, 2**70]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [0, 1.5]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": "ab"}) + noise(100_000),
        safetensors({}, w={"dtype": ["F32"], "data_offsets": [0, 90_000]}) + noise(100_000),
        safetensors({}, w={"data_offsets": [0, 90_000]}) + noise(100_000),
        safetensors({}, w=3) + noise(100_000),
        safetensors(
            {},
            v={"dtype": "U8", "data_offsets": [0, 9]},
            w={"dtype": "U8", "data_offsets": [5, 14]},
        )
        + noise(100_000),
    ],
)
def test_malformed_safetensors_come_back_byte_for_byte(data: bytes) -> None:
    assert sum(len(part) for part, _ in cuts(data)) == len(data)


class Unseekable(io.RawIOBase):
    """Makes `zipfile` put sizes behind the payloads, as torch does."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        self.data += part  # type: ignore[arg-type]  # typeshed's Buffer is not public
        return len(part)  # type: ignore[arg-type]  # typeshed's Buffer is not public


def torch_zip(stem: str, members: Mapping[str, bytes], *, behind: bool = True) -> bytes:
    target = Unseekable() if behind else io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(f"{stem}/{name}"), data)
    return bytes(target.data) if isinstance(target, Unseekable) else target.getvalue()


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
    parts = [part for part, _ in cuts(torch_zip("model", MEMBERS, behind=behind))]
    large = MEMBERS["data/0"]
    assert large[: 4 << 20] in parts
    assert large[4 << 20 :] in parts
    assert MEMBERS["data/2"] in parts


def test_the_name_of_a_torch_file_changes_only_what_is_between_its_payloads() -> None:
    one = {part for part, _ in cuts(torch_zip("model", MEMBERS))}
    two = cuts(torch_zip("another_name_for_it", MEMBERS))
    assert sum(len(part) for part, _ in two if part not in one) < 5_000


def test_signatures_inside_a_payload_do_not_end_it() -> None:
    tricky = (b"PK\x07\x08" + noise(96)) * 2_000 + b"PK\x03\x04" + b"PK\x01\x02" * 500
    fake = struct.pack("<4sIII", b"PK\x07\x08", 0, 100, 100) + b"PK\x03\x04"
    data = torch_zip("m", {"data/0": tricky + fake + noise(100_000), "version": b"3"})
    parts = [part for part, _ in cuts(data)]
    assert tricky + fake + noise(100_000) in parts


@pytest.mark.parametrize("extra", range(-30, 30, 3))
def test_a_descriptor_at_the_edge_of_a_piece_is_found(extra: int) -> None:
    payload = noise(PIECE_MAX + extra)
    parts = [part for part, _ in cuts(torch_zip("m", {"data/0": payload, "data/1": noise(9)}))]
    assert payload[:PIECE_MAX] in parts
    assert extra <= 0 or payload[PIECE_MAX:] in parts


@pytest.mark.parametrize("length", [10, 40, 1000, 70_000, 3_000_000, 6_000_000])
def test_torch_files_that_are_cut_off_come_back(length: int) -> None:
    data = torch_zip("m", MEMBERS)[:length]
    assert sum(len(part) for part, _ in cuts(data)) == len(data)


def test_a_compressed_zip_comes_back() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", weights(200_000))
        archive.writestr("b.npy", weights(200_000, 1))
    assert cuts(target.getvalue())


def test_types_of_storages_are_read_from_the_pickle_without_running_it() -> None:
    names = ("FloatStorage", "BFloat16Storage", "FloatStorage", "ComplexFloatStorage")
    body = b"\x80\x02]("
    for number, name in enumerate(names):
        body += b"(X\x07\x00\x00\x00storagectorch\n" + name.encode() + b"\n"
        body += b"X\x01\x00\x00\x00" + str(number).encode() + b"X\x03\x00\x00\x00cpuK\x01tQ"
    body += b"e."
    assert storage_hints(body) == {"0": Hint(4), "1": Hint(2), "2": Hint(4)}


class Bomb:
    """Would fail the test if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was executed",)


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"garbage", pickle.dumps(Bomb()), pickle.dumps(Bomb())[:-3], b"h\x05."]
)
def test_no_pickle_is_ever_executed(data: bytes) -> None:
    assert storage_hints(data) == {}


def test_cuts_by_content_have_the_lengths_of_the_spec() -> None:
    lengths = [len(part) for part, _ in cuts(noise(60 << 20))]
    assert all(PIECE_MIN < length <= PIECE_MAX for length in lengths[:-1])
    assert 0.7 < sum(lengths) / len(lengths) / (1 << 20) < 1.4


def test_an_insertion_moves_only_the_cuts_around_it() -> None:
    data = noise(20 << 20)
    before = {part for part, _ in cuts(data)}
    changed = data[: 7 << 20] + b"inserted" * 3 + b"!" + data[7 << 20 :]
    new = [part for part, _ in cuts(changed) if part not in before]
    assert sum(map(len, new)) < len(data) // 3


def test_numbers_are_cut_between_numbers() -> None:
    pieces = cuts(weights(3_000_000))
    assert {hint.elem for _, hint in pieces} == {4}
    assert all(len(part) % 4 == 0 for part, _ in pieces)


def test_runs_of_zeros_are_cut_at_the_longest_length() -> None:
    assert [len(part) for part, _ in cuts(bytes(10 << 20))] == [4 << 20, 4 << 20, 2 << 20]


@pytest.mark.parametrize("length", [1, PIECE_MIN - 1, PIECE_MIN, PIECE_MIN + 1, PIECE_MAX])
def test_any_length_is_cut(length: int) -> None:
    pieces = cuts(bytes(length))
    assert sum(len(part) for part, _ in pieces) == length
    assert pieces[0][1] == UNKNOWN
