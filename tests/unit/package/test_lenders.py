"""Thin packages find what they lack among others, through others that are thin themselves."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from mlarchive.package import Lenders, Package
from tests.support.models import Weights, file_of, tuned, weights
from tests.support.packages import opened, packed
from tests.unit.package.test_elsewhere import thin


@pytest.fixture
def line(tmp_path: Path) -> list[Path]:
    """Four generations; each package leans on the one before alone."""
    model: Weights = weights(1, tensors=2)
    paths: list[Path] = []
    bases: list[Package] = []
    open_ones = ExitStack()
    for number in range(4):
        path = tmp_path / f"{number}.mlpkg"
        path.write_bytes(thin({"m.safetensors": file_of(model)}, bases))
        bases = [open_ones.enter_context(Package.open(path, bases=bases))]
        paths.append(path)
        model = tuned(model, number) | {
            f"new.{number}": weights(number + 50, tensors=1)["layers.0.weight"]
        }
    open_ones.close()
    return paths


def test_any_order_of_the_others_will_do(line: list[Path]) -> None:
    for others in (line[:3], line[2::-1], line[::-1]):
        with Lenders(others) as lenders, lenders.open(line[3]) as package:
            assert not package.missing()
            assert package.verify().objects == 1


def test_what_lies_between_is_missed(line: list[Path]) -> None:
    with Lenders([line[1], line[2]]) as lenders, lenders.open(line[3]) as package:
        assert package.missing()


def test_damaged_and_absent_packages_lend_nothing(line: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.mlpkg").write_bytes(line[0].read_bytes()[:-1])
    others = [tmp_path / "bad.mlpkg", tmp_path / "none.mlpkg", *line[:3]]
    with Lenders(others) as lenders, lenders.open(line[3]) as package:
        assert not package.missing()
    with Lenders(others[:2]) as lenders, lenders.open(line[3]) as package:
        assert package.missing()


def test_packages_that_lean_on_each_other_end(line: list[Path]) -> None:
    with Lenders([line[3], line[2]]) as lenders, lenders.open(line[2]) as package:
        assert package.missing()


def test_two_that_lack_what_the_other_has_complete_each_other(tmp_path: Path) -> None:
    first, second = b"1" * 99, b"2" * 99
    one, two = (opened(packed({"f": data})) for data in (first, second))
    paths = [tmp_path / "a.mlpkg", tmp_path / "b.mlpkg"]
    for path, base in zip(paths, (one, two), strict=True):
        path.write_bytes(thin({"a.x": first, "b.y": second}, [base]))
    with Lenders(paths) as lenders:
        assert [package.missing() for package in lenders.lending(2)] == [(), ()]
