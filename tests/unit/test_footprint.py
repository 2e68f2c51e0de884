"""What a package saves adds up to what it does not hold."""

from pathlib import Path

import numpy as np

from mlarchive.footprint import footprint
from mlarchive.pack import pack_file, pack_state
from mlarchive.package import Package
from tests.support import snapshots

NOISE = np.random.default_rng(1).bytes(300_000)
FILES = {
    "a": NOISE,
    "sub/a again": NOISE,
    "text": b"the same line\n" * 10_000,
    "empty": b"",
}


def test_what_is_held_and_what_is_saved_add_up_to_all_files(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpkg"
    pack_file(snapshots.folder(FILES), path, packed_at=1)
    with Package.open(path) as package:
        held = footprint(package)
        stored = sum(row.stored for row in package.objects.values())
        objects = package.objects
        assert held.by_sharing == len(NOISE)
        assert held.elsewhere == 0
        total = sum(map(len, FILES.values()))
        assert held.by_sharing + held.by_codecs + stored == total
        for sha256, codecs in held.codecs.items():
            assert sum(codecs.values()) == objects[sha256].size
        assert {name for codecs in held.codecs.values() for name in codecs} == {"stored", "zstd"}


def test_what_a_thin_package_leaves_to_another_is_counted_apart(tmp_path: Path) -> None:
    pack_file(snapshots.folder(FILES), tmp_path / "full.mlpkg", packed_at=1)
    with Package.open(tmp_path / "full.mlpkg") as full:
        thin = snapshots.folder(FILES, tags={"a": "b"})
        pack_state(thin, full, tmp_path / "thin.mlpkg", packed_at=2)
    with Package.open(tmp_path / "thin.mlpkg") as package:
        held = footprint(package)
    assert (held.by_sharing, held.by_codecs) == (len(NOISE), 0)
    assert held.elsewhere == len(NOISE) + len(FILES["text"])
    assert {name for codecs in held.codecs.values() for name in codecs} == {"absent"}
