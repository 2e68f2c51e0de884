"""A package in which chunks are deltas to others, whatever chunkers make of its files."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from mlarchive.package import writer
from mlarchive.package.chunkers import Piece, cut
from mlarchive.package.intake import Intake
from mlarchive.package.pipeline import Berth
from tests.support.packages import write_package


def _keyed(intake: Intake, take_berth: Callable[[], Berth]) -> Iterator[Piece]:
    """Pieces, each with the key of those at the same place in other files."""
    for number, piece in enumerate(cut(intake, take_berth)):
        piece.key = b"%d" % number
        yield piece


@cache
def package_with_deltas() -> bytes:
    """Two files of floats that differ in their lowest bits, and a small one."""
    random = np.random.default_rng(3)
    first = random.normal(0, 1, 50_000).astype(np.float32)
    second = (first.view(np.uint32) ^ random.integers(0, 4, 50_000, np.uint32)).view(np.float32)
    files = {"a.bin": first.tobytes(), "b.bin": second.tobytes(), "c.txt": b"c" * 99}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryFile() as out:
        patch.setattr(writer, "cut", _keyed)
        write_package(out, files)
        out.seek(0)
        return out.read()
