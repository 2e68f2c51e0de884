"""The fuzzers run, find nothing in a short time, and find what is wrong with a broken reader."""

import os
import platform
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz import reader
from tests.fuzz.mutating import changed_package, whole_packages

ROOT = Path(__file__).resolve().parents[2]

fuzzer = pytest.mark.skipif(
    (sys.platform, platform.machine(), sys.implementation.name) != ("linux", "x86_64", "cpython"),
    reason="atheris has no wheel for this system",
)

BROKEN = """
import msgspec
from mlarchive.package import verification
from tests.fuzz import harness, mutating, reader

def broken(*details):
    {what}

verification.{name} = broken
target = msgspec.structs.replace(
    reader.TARGET,
    seeds=mutating.whole_packages,
    bounds=harness.Bounds(seconds=0.5, memory=32 << 20),
)
harness.main(target)
"""
"""Fuzzes a reader of which one function is broken, beginning with packages that it can read."""


def fuzz(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@fuzzer
@pytest.mark.parametrize(
    ("target", "runs", "reached"),
    [
        ("reader", 600, {"whole", "thin", "E029", "E042"}),
        ("bases", 100, {"thin+whole"}),
        ("chunkers", 500, {"pieces:1", "pieces:3"}),
        ("documents", 1000, {"read", "E030", "E032"}),
        ("locators", 1000, {"refused", "dir", "azureml"}),
        ("neptune", 200, {"log:lossy", "rows:lossy", "store:lossy"}),
        ("paths", 1000, {"allowed", "E036", "E037"}),
        ("trust", 600, {"bad-signature", "config", "damage", "a-damage", "r-config"}),
        ("transfers", 1000, {"refused", "have", "shipment", "receipt"}),
        ("salvage", 300, {"whole:0/0", "whole:1/1"}),
    ],
)
def test_a_short_run_finds_nothing(
    target: str, runs: int, reached: set[str], tmp_path: Path
) -> None:
    done = fuzz("-m", f"tests.fuzz.{target}", "--runs", str(runs), "--findings", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"done: {runs} inputs to {target}" in done.stderr
    outcomes = re.findall(r"(\S+)=\d+", done.stderr.splitlines()[-1])
    assert reached <= set(outcomes)
    assert list(tmp_path.iterdir()) == []


@fuzzer
@pytest.mark.parametrize(
    ("what", "name", "why"),
    [
        ("raise ValueError('broken', details[0])", "FormatError", "ValueError"),
        ("while True: pass", "decode_checkpoint", "OverspentError"),
        ("bytearray(1 << 30)", "decode_checkpoint", "MemoryError"),
        ("return not bytearray(33 << 20)", "has_signatures", "OverspentError"),
    ],
    ids=["an exception", "no end", "no memory", "much memory"],
)
def test_what_is_wrong_with_a_broken_reader_is_found(
    what: str, name: str, why: str, tmp_path: Path
) -> None:
    broken = BROKEN.format(what=what, name=name)
    done = fuzz("-c", broken, "--runs", "20000", "--findings", tmp_path)
    assert done.returncode == 1, done.stderr
    finding, reason = sorted(tmp_path.iterdir())
    assert f"FINDING {finding}" in done.stderr
    assert why in reason.read_text().splitlines()[-1]


@fuzzer
def test_a_finding_is_fed_again_and_is_none_where_it_was_mended(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(next(package for package in whole_packages() if b"checkpoint" in package))
    broken = BROKEN.format(what="raise ValueError('broken')", name="decode_checkpoint")
    assert fuzz("-c", broken, path, "--findings", tmp_path).returncode == 1
    mended = fuzz("-m", "tests.fuzz.reader", path)
    assert mended.returncode == 0
    assert "1 inputs to reader" in mended.stderr


def test_changed_packages_are_refused_for_what_was_changed_and_not_at_the_door() -> None:
    rng = random.Random(20261120)  # noqa: S311  (reproducible)

    def mutate(data: bytes, most: int) -> bytes:
        changed = bytearray(data or b"x")
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed[:most])

    outcomes = Counter(
        reader.check(changed_package(rng.choice(whole_packages()), rng, mutate))
        for _ in range(1000)
    )
    deep = "E016 E018 E019 E020 E021 E022 E023 E026 E027 E029 E030 E033 E034 E035 E042"
    assert set(outcomes) >= {"whole", "thin", *deep.split()}
    at_the_door = ("E001", "E002", "E005", "E006", "E007", "E008", "E010", "E013", "E025")
    assert sum(outcomes[code] for code in at_the_door) < 100
