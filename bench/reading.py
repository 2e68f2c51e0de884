"""How long opening a package and reading 1 MiB of its largest file takes, in a running process.

A process of its own (see `bench.process`): prints the seconds of each place as JSON.

    python -m bench.reading PACKAGE FOLDER

Each place is read in a package that was just opened; the places are spread over the file, the
first of them in its middle. What was read is compared with the file in FOLDER.
"""

import json
import sys
import time
from pathlib import Path

from mlarchive.package import Package
from mlarchive.records import File

LENGTH = 1 << 20
PLACES = 21


def read(path: Path, name: str, at: int) -> bytes:
    """1 MiB of a file of a package, or what there is from `at` on."""
    with Package.open(path) as package:
        (folder,) = package.meaning.records
        (entry,) = (f for f in getattr(folder, "files", ()) if f.path == name)
        assert isinstance(entry, File)  # noqa: S101  (a folder's files are files)
        with package.open_object(entry.sha256) as file:
            file.seek(at)
            return file.read(LENGTH)


def main() -> None:
    """Read at every place."""
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    files = (file for file in folder.rglob("*") if file.is_file())
    largest = max(files, key=lambda file: (file.stat().st_size, file))
    name, size = str(largest.relative_to(folder)), largest.stat().st_size
    # What is imported when it is first needed is there in a running process.
    read(path, name, 0)
    seconds = []
    for number in range(PLACES):
        at = (size // 2 + number * size // PLACES) % size
        began = time.perf_counter()
        data = read(path, name, at)
        seconds.append(time.perf_counter() - began)
        with largest.open("rb") as file:
            file.seek(at)
            if file.read(LENGTH) != data:
                raise SystemExit(f"{name} of {path} is not what was packed, from byte {at} on")
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    main()
