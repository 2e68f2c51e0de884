"""Files that operations name by the paths they had: found near the folder, or where a person says.

A log names any path of the machine it was written on, and may be anybody's. So only what lies in
the project's own folder, the one above `.neptune`, is taken by its recorded path; anything else
needs a person to say below which folder to look.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from mlarchive.registries.folderfiles import FolderFile, open_watched, walk
from mlarchive.registries.neptune.finding import find

_WILD = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]/]+\]|[^*?\[]+|\[")


class Located(Struct, frozen=True, kw_only=True):
    """A file that was found.

    Attributes:
        root: The folder it was looked for in.
        file: As it is now.
        name: What it is called in its file set; "" for a single file.
        cut: The first folders of its recorded path, which were left out to find it; "" for none.
    """

    root: Path
    file: FolderFile
    name: str = ""
    cut: str = ""

    @property
    def place(self) -> Path:
        """Where it is."""
        return self.root / self.file.path

    @property
    def opener(self) -> "partial[BinaryIO]":
        """What opens it."""
        return partial(open_watched, self.root, self.file)


class FileSet(Struct, frozen=True, kw_only=True):
    """What some recorded patterns mean now.

    Attributes:
        files: Those that can be had.
        missing: Name and sentence of each member that cannot be; of a pattern that means nothing
            the name is "".
    """

    files: tuple[Located, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


class Whereabouts:
    """Where files are looked for."""

    def __init__(self, home: Path, root: Path | None) -> None:
        """Look at nothing yet.

        Args:
            home: The project's folder, in which `.neptune` lies.
            root: Below which a person says that the files are; a recorded path is tried there
                whole, then without its first folders, one after another. None for the project's
                folder.
        """
        self._home = Path(os.path.realpath(home))
        self._root = root

    def file(self, recorded: str, size: int | None = None) -> Located | str:
        """A file by its recorded path, or one sentence that says why it is not to be had.

        Args:
            recorded: Its path.
            size: What it had when it was logged, in bytes; one of another size is passed over.
        """
        other = ""
        for root, relative, cut in self._places(recorded):
            found = find(root, relative)
            if isinstance(found, FolderFile):
                if size in {None, found.size}:
                    return Located(root=root, file=found, cut=cut)
                other = other or (
                    f"{recorded} had {size} bytes when it was logged, and {root / relative} has"
                    f" {found.size}; so it is another file, and is not taken"
                )
        return other or self._missing(recorded)

    def set(self, globs: list[str]) -> FileSet | str:
        """What some recorded patterns mean now, or one sentence that says why nothing."""
        bases = []
        for glob in globs:
            known = self._base(glob)
            if known is None:
                return self._missing(glob)
            bases.append(known)
        tops = [p if os.path.isdir(p) else os.path.dirname(p) for p, _ in bases]  # noqa: PTH112, PTH120  (texts)
        common = Path(os.path.commonpath(tops)) if tops else Path()
        found: dict[str, Located] = {}
        lacking: list[tuple[str, str]] = []
        for glob, (base, cut) in zip(globs, bases, strict=True):
            matches = list(_matches(glob, Path(base)))
            if not matches:
                lacking.append(("", f"nothing that is there now is meant by {glob}"))
            for path, why in matches:
                relative = os.fspath(path.relative_to(common))
                file = find(common, relative)
                if isinstance(file, FolderFile):
                    found[relative] = Located(root=common, file=file, name=relative, cut=cut)
                else:
                    lacking.append((relative, why or file))
        return FileSet(
            files=tuple(found[name] for name in sorted(found)),
            missing=tuple(sorted(lacking)),
        )

    def _places(self, recorded: str) -> Iterator[tuple[Path, str, str]]:
        """Where a recorded path may be: a folder, the path below it, and what was cut off."""
        parts = [part for part in recorded.split("/") if part]
        if self._root is not None:
            for first in range(len(parts)):
                cut = "".join(f"/{part}" for part in parts[:first])
                yield self._root, "/".join(parts[first:]), cut
        elif f"{recorded}/".startswith(f"{self._home}/"):
            yield self._home, recorded.removeprefix(f"{self._home}").removeprefix("/"), ""

    def _base(self, glob: str) -> tuple[str, str] | None:
        """Where the part of a pattern without wildcards is now, and what was cut off to find it.

        None if it is nowhere.
        """
        parts = glob.split("/")
        plain = [part for part in parts if part]
        if wild := next((n for n, part in enumerate(plain) if _WILD.search(part)), None):
            plain = plain[:wild]
        for root, relative, cut in self._places("/" + "/".join(plain)):
            if {".", ".."}.isdisjoint(plain) and _is_plain(root, relative):
                return f"{root}/{relative}", cut
        return None

    def _missing(self, recorded: str) -> str:
        if self._root is not None:
            return f"{recorded} is not below {self._root}"
        if not f"{recorded}/".startswith(f"{self._home}/"):
            return (
                f"{recorded} lies outside of the project's folder; say with --files-root below"
                " which folder to look for it"
            )
        return f"{recorded} is not there"


def _is_plain(root: Path, relative: str) -> bool:
    """Whether a path is there, and no link leads to it."""
    here = os.fspath(root)
    for part in relative.split("/"):
        here = f"{here}/{part}"
        if os.path.islink(here) or not os.path.exists(here):  # noqa: PTH110, PTH114  (texts)
            return False
    return True


def _matches(glob: str, base: Path) -> Iterator[tuple[Path, str]]:
    """What is at or below a base that a pattern means; a folder that fits means all in it.

    With each goes why it cannot be carried, or "".
    """
    if not base.is_dir():
        yield base, ""
        return
    plain = [part for part in glob.split("/") if part]
    wild = next((n for n, part in enumerate(plain) if _WILD.search(part)), len(plain))
    pattern = re.compile(_regex("/".join(plain[wild:])) + "(?:/.*)?") if plain[wild:] else None
    files, uncarried = walk(base)
    for file in files:
        if pattern is None or pattern.fullmatch(file.path):
            yield base / file.path, ""
    for one in uncarried:
        path = base / one.path
        if path.is_dir() and not path.is_symlink():
            continue  # It is empty, and nothing of it was ever uploaded.
        if pattern is None or pattern.fullmatch(one.path) or _leads(path, one.path, plain[wild:]):
            yield path, one.why


def _leads(path: Path, name: str, parts: list[str]) -> bool:
    """Whether something is a link to a folder in which there may be what a pattern means."""
    begun = ("/".join(parts[:end]) for end in range(1, len(parts)))
    return path.is_dir() and any(re.fullmatch(_regex(one), name) for one in begun)


def _regex(glob: str) -> str:
    tokens = {"**/": r"(?:(?!\.)[^/]+/)*", "**": ".*", "*": r"(?!\.)[^/]*", "?": "[^/]", "[": r"\["}
    return "".join(
        tokens.get(token) or (token.replace("[!", "[^") if token[0] == "[" else re.escape(token))
        for token in _TOKEN.findall(glob)
    )
