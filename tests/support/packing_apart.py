"""A program that packs: `python -m tests.support.packing_apart THREADS`, in the folder to work in.

It reads the folder `model` as `dir:model` and writes `folder.mlpkg`; of a model version with all
that hangs on it, made by hand, it writes `version.mlpkg`.
"""

import sys
from pathlib import Path

from mlarchive.pack import pack_file
from mlarchive.registries.base import Selector
from mlarchive.registries.directory import DirectoryRegistry
from tests.support import snapshots

PACKED_AT = 1_700_000_000_000


def main() -> None:
    """Pack both."""
    threads = int(sys.argv[1])
    with DirectoryRegistry(Path("model"), origin="dir:model") as registry:
        (listed,) = registry.ls(Selector())
        folder = registry.read(listed.address)
    for snapshot, name in ((folder, "folder"), (snapshots.model_version(), "version")):
        pack_file(snapshot, Path(f"{name}.mlpkg"), packed_at=PACKED_AT, threads=threads)


if __name__ == "__main__":
    main()
