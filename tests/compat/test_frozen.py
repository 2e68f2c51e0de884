"""What the library of each version wrote is read for ever, and means what it meant."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlarchive.testing import Reader, read_with_library
from tests.compat.freeze import EXPECTED, FROZEN
from tests.compat.readers import read_with_second_reader, second_reader

VECTORS = json.loads(EXPECTED.read_bytes())


@pytest.mark.parametrize("reader", [read_with_library, read_with_second_reader])
@pytest.mark.parametrize("name", VECTORS)
def test_a_frozen_package_means_what_it_meant(name: str, reader: Reader) -> None:
    stem, with_base, _ = name.partition(" with its base")
    bases = [FROZEN / f"{stem.removesuffix('thin')}model.mlpkg"] if with_base else []
    assert reader(FROZEN / f"{stem}.mlpkg", bases) == VECTORS[name]


def rows(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Type and codec of all records."""
    found = []
    for path in paths:
        with path.open("rb") as file:
            found += [(row.type, row.codec) for row in second_reader().Package(file).rows]
    return found


def test_the_frozen_packages_have_all_kinds_of_records_and_codecs() -> None:
    reader = second_reader()
    found = rows(sorted(FROZEN.glob("1.0-*.mlpkg")))
    assert {kind for kind, _ in found} == set(reader.CODECS)
    assert {codec for kind, codec in found if kind == reader.CHUNK} == reader.CODECS[reader.CHUNK]
    keys = {entry["record"] for entry in VECTORS["1.0-model"]["entries"]}
    assert {key.rpartition("-")[0] for key in keys} >= {"folder", "logged-model", "run"}
    with (FROZEN / "1.0-model.mlpkg").open("rb") as file:
        content = json.loads(reader.Package(file).documents["content"])
    assert {record["kind"] for record in content["records"].values()} == reader.KINDS


def test_what_is_frozen_is_expected() -> None:
    assert {path.stem for path in FROZEN.glob("*.mlpkg")} == {
        name.removesuffix(" with its base") for name in VECTORS
    }
