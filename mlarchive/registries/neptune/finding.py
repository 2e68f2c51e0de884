"""Files that a foreign document names, found below a folder and nowhere else."""

import os
import stat
from pathlib import Path

from mlarchive.registries.folderfiles import FolderFile, listed


def find(root: Path, path: str) -> FolderFile | str:
    """A regular file below a root, or one sentence that says why it is not to be had.

    Args:
        root: Links above it are followed, none below it.
        path: `/`-separated, as the document names it.
    """
    parts = path.split("/")
    if path.startswith("/") or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
        return "its path leads out of the folder, and is not followed"
    here = os.fspath(root)
    facts = None
    for number, part in enumerate(parts, 1):
        here = f"{here}/{part}"
        try:
            facts = os.lstat(here)
        except (FileNotFoundError, NotADirectoryError):
            return "its file is not there"
        except OSError as error:
            return f"its file cannot be read: {error.strerror}"
        wanted = stat.S_ISDIR if number < len(parts) else stat.S_ISREG
        if not wanted(facts.st_mode):
            return f"{_KINDS.get(stat.S_IFMT(facts.st_mode), 'a device')} stands in its place"
    assert facts is not None  # noqa: S101  (a path has a part)
    return listed(path, facts)


_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFREG: "a file"}
