"""Whether something has stood still: same size, time and inode, seen again and again."""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

Fingerprint: TypeAlias = tuple[tuple[str, int, int, int], ...]

READINGS = 3
"""So many equal readings are needed at least, besides the time: slow copies pause."""


def fingerprint(path: Path) -> Fingerprint:
    """Path, size, time and inode of a file, or of everything in a folder; links not followed.

    What in it may not be read looks always alike: whoever takes it in says so.

    Raises:
        OSError: It is gone, or may not be read itself.
    """
    facts = path.lstat()
    found = [("", facts.st_size, facts.st_mtime_ns, facts.st_ino)]
    if stat.S_ISDIR(facts.st_mode):
        for here, folders, files in os.walk(path, onerror=_raise):
            for name in sorted((*folders, *files)):
                inner = Path(here, name)
                relative = inner.relative_to(path).as_posix()
                found.append((relative, *_facts(inner)))
    return tuple(sorted(found))


class Stillness:
    """Remembers how things looked, and since when they look like that."""

    def __init__(self, settle: float, clock: Callable[[], float]) -> None:
        """Begin to watch.

        Args:
            settle: Seconds that something must stand still.
            clock: Seconds on a clock that is never set.
        """
        self._settle = settle
        self._clock = clock
        self._seen: dict[Path, tuple[Fingerprint, float, int]] = {}

    def stood(self, path: Path) -> bool:
        """Look at something again; whether it has stood still long enough.

        Raises:
            OSError: It is gone, or may not be read.
        """
        now, print_ = self._clock(), fingerprint(path)
        before, since, readings = self._seen.get(path, ((), now, 0))
        if before != print_:
            since, readings = now, 0
        self._seen[path] = (print_, since, readings + 1)
        return readings + 1 >= READINGS and now - since >= self._settle

    def moved(self, path: Path, to: Path) -> None:
        """Something was renamed, and is what it was."""
        if path in self._seen:
            self._seen[to] = self._seen.pop(path)

    def keep(self, paths: Iterable[Path]) -> None:
        """Forget everything but these."""
        wanted = set(paths)
        self._seen = {path: seen for path, seen in self._seen.items() if path in wanted}


def _facts(path: Path) -> tuple[int, int, int]:
    try:
        facts = path.lstat()
    except PermissionError:
        return 0, 0, 0
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


def _raise(error: OSError) -> None:
    if not isinstance(error, PermissionError):
        raise error
