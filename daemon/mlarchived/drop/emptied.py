"""Folders above those of models, such as `wine` of `wine/3`, that are left empty in a drop folder.

They go when they have been so for a while: who writes several versions into one needs it between
them. What nothing was taken from, or has anything in it, hidden too, was made to stay.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlarchived.drop import names
from mlarchived.drop.candidates import is_passed_over


def remove_emptied(
    drop: Path, pattern: str, settle: float, was_taken_from: Callable[[str], bool]
) -> None:
    """Remove those that are empty; what cannot be removed or read stays, and harms nobody.

    Args:
        drop: The drop folder.
        pattern: Of the paths of model folders, such as `{name}/{version}`.
        settle: Seconds that one must have been empty.
        was_taken_from: Whether something in a folder, by its path for people, was taken before.
    """
    for folder in _above(drop, pattern.count("/"), top=True):
        with contextlib.suppress(OSError):
            since = time.time() - folder.stat().st_mtime
            if since < settle or any(folder.iterdir()):
                continue
            if was_taken_from(names.shown(folder.relative_to(drop).as_posix())):
                folder.rmdir()


def _above(folder: Path, levels: int, *, top: bool = False) -> Iterator[Path]:
    """The folders in one, so many levels deep; the deepest first."""
    if not levels:
        return
    with contextlib.suppress(OSError):
        inside = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        for entry in inside:
            if not is_passed_over(entry.name, top=top):
                yield from _above(Path(entry.path), levels - 1)
                yield Path(entry.path)
