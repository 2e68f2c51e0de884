"""Hints that something happened in a drop folder. They may be lost; scans do not need them.

Inotify does not see what other machines do on a network file system, so there scans are all.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from mlarchived.drop.candidates import CLAIMS, LEFT, QUARANTINE

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

# A folder that is moved within the watched one is watched twice for a moment, which harms nothing.
warnings.filterwarnings("ignore", "Callback with id '.*' (already exists|does not exist)")

_MOUNTS = Path("/proc/self/mountinfo")
_REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "glusterfs", "lustre", "afs", "virtiofs")


Identity: TypeAlias = tuple[int, int]
"""Which folder is under a path: another after it was replaced, or something mounted over it."""


def identity_of(folder: Path) -> Identity | None:
    """Which folder there is under a path; None where there is none, or nobody can say."""
    try:
        facts = folder.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


class Watch(FileSystemEventHandler):
    """Watches one folder, as long as it is the same folder."""

    def __init__(self, folder: Path, hint: Callable[[], object]) -> None:
        """Watch nothing yet.

        Args:
            folder: The drop folder.
            hint: Called when something happened in it; from another thread.
        """
        self._folder = folder
        self._hint = hint
        self._observer: BaseObserver | None = None
        self._watched: Identity | None = None

    def arm(self) -> None:
        """Watch the folder that is there now; to be called before each scan."""
        there = identity_of(self._folder)
        if self._observer and self._observer.is_alive() and there == self._watched:
            return
        self.close()
        observer = Observer()
        observer.schedule(self, str(self._folder), recursive=True)
        observer.start()
        self._observer, self._watched = observer, there

    def close(self) -> None:
        """Watch no more."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Something happened; what our own work does is no news."""
        if event.event_type in {"opened", "closed_no_write", "deleted"}:
            return
        if event.event_type == "moved" and self._is_ours(Path(os.fsdecode(event.dest_path))):
            # A claim: woken by it, a worker that waits for room would not wait.
            return
        paths = (os.fsdecode(event.src_path), os.fsdecode(event.dest_path or ""))
        if any(path and not self._is_ours(Path(path)) for path in paths):
            self._hint()

    def _is_ours(self, path: Path) -> bool:
        if not path.is_relative_to(self._folder):
            return True
        parts = path.relative_to(self._folder).parts
        return not parts or parts[0] in {CLAIMS, QUARANTINE, LEFT}


def is_remote(folder: Path) -> bool:
    """Whether other machines may write to a folder without this one being told."""
    best, kind = "", ""
    real = os.path.realpath(folder)
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split()[4].encode().decode("unicode_escape")
        inside = mount in {"/", real} or real.startswith(f"{mount}/")
        if inside and len(mount) >= len(best):
            best, kind = mount, after.split()[0]
    return kind.startswith(_REMOTE)
