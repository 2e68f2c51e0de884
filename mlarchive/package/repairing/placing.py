"""Places in a folder for files whose owners' names are anybody's (clause 8)."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

from mlarchive.package.paths import folded, refusal

_ODD = re.compile("[^\\w .@+=,()-]")
_LONGEST = 60
_ROOM = "9" * 12
"""As long as a number that tells places apart can become."""


class Places:
    """Paths that are allowed and do not collide, on any system.

    Args:
        taken: Files that are there already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._files: set[str] = set()
        self._folders: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._tries: Counter[str] = Counter()
        for path in taken:
            self._occupy(path)

    def of_file(self, owner: str, path: str) -> str:
        """A place for a file, under its own path below a folder for the owner.

        A path at the limit of length or depth leaves no room for the owner's folder, and becomes
        a name.
        """
        folder = self._folder(owner)
        if refusal(f"{folder}~{_ROOM}/{path}"):
            path = safe_name(path)
        return self._free(lambda mark: f"{folder}{mark}/{path}")

    def of_series(self, owner: str, key: str, dataset: str) -> str:
        """A place for the columns of a metric series."""
        stem = f"{self._folder(owner)}/{safe_name(f'{key} {dataset}'.strip())}"
        return self._free(lambda mark: f"{stem}{mark}.metric")

    def _folder(self, owner: str) -> str:
        """The owner's folder, which no file and no other owner has."""
        if owner not in self._owners:
            name = safe_name(owner)
            self._owners[owner] = self._free(lambda mark: f"{name}{mark}")
            self._files.discard(folded(self._owners[owner]))
            self._folders[folded(self._owners[owner])] = self._owners[owner]
        return self._owners[owner]

    def _free(self, place: Callable[[str], str]) -> str:
        first = folded(place(""))
        while True:
            self._tries[first] += 1
            number = self._tries[first]
            found = place(f"~{number}" if number > 1 else "")
            if self._is_free(found):
                self._occupy(found)
                return found

    def _is_free(self, place: str) -> bool:
        return (
            folded(place) not in self._files
            and folded(place) not in self._folders
            and all(
                folded(folder) not in self._files
                and self._folders.get(folded(folder), folder) == folder
                for folder in _folders(place)
            )
        )

    def _occupy(self, place: str) -> None:
        self._files.add(folded(place))
        for folder in _folders(place):
            self._folders[folded(folder)] = folder


def safe_name(text: str) -> str:
    """A name that is allowed everywhere, as like to the text as can be."""
    plain = unicodedata.normalize("NFC", _ODD.sub("_", unicodedata.normalize("NFC", text)))
    cut = plain.encode()[:_LONGEST].decode(errors="ignore").strip(". ")
    return f"_{cut}" if refusal(cut) else cut


def _folders(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
