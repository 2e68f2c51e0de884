"""The worked example of the specification."""

import subprocess
import sys
from pathlib import Path

SPEC = Path(__file__).parents[3] / "spec"


def test_the_worked_example_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(SPEC / "generate_example.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_worked_example_shows_every_byte_of_its_package() -> None:
    page = (SPEC / "example.md").read_text(encoding="utf-8")
    package = (SPEC / "vectors" / "valid" / "checkpoints.mlpkg").read_bytes()
    shown = bytearray()
    for line in page.splitlines():
        if line.startswith("    "):
            place, digits = line[4:10], line[12:59]
            assert int(place, 16) == len(shown)
            if "times" in digits:
                shown += bytes(int(digits.split()[1]))
            else:
                shown += bytes.fromhex(digits)
    assert bytes(shown) == package
