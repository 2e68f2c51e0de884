"""What a torch pickle says about its storages is found out without running it."""

import pickle

import pytest

from mlarchive.package.chunkers import torchpickle
from mlarchive.package.chunkers.tensors import Tensor
from mlarchive.package.chunkers.torchpickle import storages
from tests.support.tensorfiles import Storage, torch_pickle

TYPED = {
    "DoubleStorage": ("F64", 8),
    "FloatStorage": ("F32", 4),
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "ComplexDoubleStorage": ("C128", 16),
    "ComplexFloatStorage": ("C64", 8),
    "LongStorage": ("I64", 8),
    "IntStorage": ("I32", 4),
    "QInt32Storage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1),
    "QInt8Storage": ("I8", 1),
    "ByteStorage": ("U8", 1),
    "QUInt8Storage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}
UNTYPED = {
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "uint16": "U16",
    "complex32": "C32",
    "bfloat16": "BF16",
    "of_a_later_version": "U8",
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_class_of_storage_tells_type_and_size(protocol: int) -> None:
    described = torch_pickle(
        {kind: Storage(kind, str(number), 10) for number, kind in enumerate(TYPED)}, protocol
    )
    assert storages(described) == {
        str(number): Tensor(str(number), dtype, 10 * size)
        for number, (dtype, size) in enumerate(TYPED.values())
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_untyped_storages_have_the_type_of_the_tensor_on_them(protocol: int) -> None:
    described = torch_pickle(
        {dtype: Storage("UntypedStorage", dtype, 800, dtype) for dtype in UNTYPED}, protocol
    )
    assert storages(described) == {key: Tensor(key, dtype, 800) for key, dtype in UNTYPED.items()}


def test_several_tensors_may_lie_on_one_storage() -> None:
    described = torch_pickle(
        {"w": Storage("FloatStorage", "0", 10), "view": Storage("FloatStorage", "0", 10)}
    )
    assert storages(described) == {"0": Tensor("0", "F32", 40)}


def test_a_broken_pickle_tells_what_it_told_before_it_broke() -> None:
    described = torch_pickle({str(n): Storage("IntStorage", str(n), 1) for n in range(9)})
    assert set(storages(described[: len(described) // 2])) == {"0", "1", "2", "3"}


class Bomb:
    """Would fail the test if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was executed",)


STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0000X\x03\0\0\0cpu"


def test_the_hand_made_storage_is_one() -> None:
    """Else what follows would test nothing."""
    assert storages(b"\x80\x02" + STORAGE + b"K\x01tQ.") == {"0": Tensor("0", "F32", 4)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"garbage",
        pickle.dumps(Bomb()),
        pickle.dumps(Bomb())[:-3],
        b"h\x05.",
        b"q\x05.",
        b"\x94.",
        b"R.",
        b"t.",
        b"Q.",
        b"(Q.",
        b"I" + b"9" * 10_000 + b"\n.",
        b"\x80\x02(" * 1000 + b"t" * 1000 + b"Q.",
        b"\x80\x02" + STORAGE + b"J\xff\xff\xff\xfftQ.",
        b"\x80\x02" + STORAGE + b"K\x00tQ.",
        b"\x80\x02" + STORAGE + b"\x8a\x0c" + b"\x7f" * 12 + b"tQ.",
        b"\x80\x02" + STORAGE.replace(b"Float", b"Other") + b"K\x01tQ.",
        b"\x80\x02" + STORAGE.replace(b"storage", b"notones") + b"K\x01tQ.",
    ],
)
def test_what_is_no_pickle_of_tensors_says_nothing(data: bytes) -> None:
    assert storages(data) == {}


def test_names_do_not_grow_without_bounds() -> None:
    """Each step would join a name with itself: 2^60 bytes after 60 of them."""
    doubling = b"\x80\x04X\x03\0\0\0abc" + b"\x94\x8c\x01m\x94" * 1 + b"h\x00h\x00\x93q\x00" * 60
    assert storages(doubling + b".") == {}


def test_the_number_of_instructions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchpickle, "INSTRUCTIONS_MAX", 1000)
    assert storages(b"N0" * 490 + STORAGE + b"K\x01tQ.") != {}
    assert storages(b"N0" * 500 + STORAGE + b"K\x01tQ.") == {}
