"""A folder to work in, with a model's files."""

from pathlib import Path

import pytest

from mlarchive.pack import pack_file
from tests.support import snapshots


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with `resnet/`, three files, and `wine.mlpkg`, a model version."""
    folder = tmp_path / "resnet"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_bytes(b'{"layers": 50}\n')
    (folder / "empty").write_bytes(b"")
    (folder / "sub" / "weights.bin").write_bytes(bytes(range(256)) * 2000)
    pack_file(snapshots.model_version(), tmp_path / "wine.mlpkg", packed_at=1_700_000_000_000)
    return tmp_path
