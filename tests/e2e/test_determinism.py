"""The same input gives the same bytes, whichever process packs it (annex A.3)."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.support.command import environment, mlarchive
from tests.support.packing_apart import PACKED_AT
from tests.support.tensorfiles import safetensors, torch_zip
from tests.unit.package.test_chunkers_zip import MEMBERS

ROOT = Path(__file__).parents[2]
EPOCH = {"SOURCE_DATE_EPOCH": str(PACKED_AT // 1000)}
PACKAGES = ("folder.mlpkg", "version.mlpkg")

CIRCUMSTANCES: Mapping[str, dict[str, str]] = {
    "plain": {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"},
    "another hash seed": {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "1"},
    "any hash seed": {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "random"},
    "another time zone": {"LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "0"},
    "the C locale": {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "0"},
    "a language": {"LC_ALL": "", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr", "PYTHONHASHSEED": "0"},
    "an optimising interpreter": {"LC_ALL": "C.UTF-8", "PYTHONOPTIMIZE": "2", "PYTHONUTF8": "1"},
}


def model_files() -> dict[str, bytes]:
    """Files that are cut in every way: tensors, numbers, noise, text, small ones of many kinds."""
    random = np.random.default_rng(7)
    floats = random.normal(0, 0.02, 1_500_000).astype(np.float32)
    halves = random.normal(0, 0.02, 90_001).astype(np.float16)
    small = {f"notes/{n}.{'json' if n % 3 else 'txt'}": b"n = %d\n" % n for n in range(60)}
    return {
        "model.safetensors": safetensors(
            {"w": ("F32", floats.tobytes()), "b": ("F16", halves.tobytes())}
        ),
        "model.pt": torch_zip("archive", MEMBERS),
        "table.bin": random.integers(0, 999, 300_000).astype(np.int64).tobytes(),
        "noise": random.bytes(2_500_000),
        "zeros": bytes(5_000_000),
        "words.txt": b"what repeats, " * 90_000,
        "\u00fc/\u0131\u0130.txt": b"letters that locales know",
        "Z.txt": b"capital",
        "a.txt": b"small",
        "empty": b"",
        **small,
    }


def make_folder(desk: Path, files: Mapping[str, bytes], *, backwards: bool) -> None:
    """Make `model`, file after file in one order or the other."""
    for path, raw in sorted(files.items(), reverse=backwards):
        place = desk / "model" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(raw)


def pack_apart(desk: Path, threads: int, circumstances: Mapping[str, str]) -> list[bytes]:
    """The packages that a process of its own makes on a desk."""
    temporary = desk / "temporary"
    temporary.mkdir(parents=True)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "daemon"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.packing_apart", str(threads)],
        cwd=desk,
        env=environment({"PYTHONPATH": paths, "TMPDIR": str(temporary), **circumstances}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [(desk / name).read_bytes() for name in PACKAGES]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What one thread makes under plain circumstances."""
    desk = tmp_path_factory.mktemp("first")
    make_folder(desk, model_files(), backwards=False)
    return pack_apart(desk, 1, CIRCUMSTANCES["plain"])


@pytest.mark.parametrize("threads", [2, 4])
def test_the_number_of_threads_changes_no_byte(
    expected: list[bytes], tmp_path: Path, threads: int
) -> None:
    make_folder(tmp_path, model_files(), backwards=False)
    assert pack_apart(tmp_path, threads, CIRCUMSTANCES["plain"]) == expected


@pytest.mark.parametrize("name", CIRCUMSTANCES)
def test_circumstances_change_no_byte(expected: list[bytes], tmp_path: Path, name: str) -> None:
    desk = tmp_path / "a folder elsewhere"
    make_folder(desk, model_files(), backwards=True)
    assert pack_apart(desk, 3, CIRCUMSTANCES[name]) == expected


@pytest.mark.parametrize("name", CIRCUMSTANCES)
def test_the_command_makes_the_same_bytes_under_any_circumstances(
    expected: list[bytes], tmp_path: Path, name: str
) -> None:
    make_folder(tmp_path, model_files(), backwards=True)
    circumstances = CIRCUMSTANCES[name] | EPOCH
    done = mlarchive("pack", "dir:model", "-o", "x.mlpkg", cwd=tmp_path, env=circumstances)
    assert (done.status, done.err) == (0, "")
    assert (tmp_path / "x.mlpkg").read_bytes() == expected[0]


def test_another_input_makes_other_bytes(expected: list[bytes], tmp_path: Path) -> None:
    make_folder(tmp_path, model_files() | {"a.txt": b"other"}, backwards=False)
    folder, version = pack_apart(tmp_path, 1, CIRCUMSTANCES["plain"])
    assert folder != expected[0]
    assert version == expected[1]
