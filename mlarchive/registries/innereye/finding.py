"""Which models a folder holds, sound or not, and what each is called (clauses 1.3 and 1.4)."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import DamageError
from mlarchive.registries.innereye.layout import MODEL_DOCUMENT, model_folders
from mlarchive.registries.jsondocuments import read_document

_UNNUMBERED = "0"
"""The version of a damaged model whose folder is called by no number."""


class Found(Struct, frozen=True, kw_only=True):
    """A model's folder.

    Attributes:
        place: Where it is.
        name: Of the model, as its document says it; else as the folder is called.
        number: Of the version, likewise.
        trouble: Why it is not read; "" if nothing speaks against it.
    """

    place: Path
    name: str
    number: str
    trouble: str = ""

    @property
    def is_link(self) -> bool:
        """Whether nothing of it is looked at, since it is a link."""
        return bool(self.trouble) and self.place.is_symlink()


def look(top: Path) -> Iterator[Found]:
    """All models of a folder.

    Raises:
        MlarchiveError: The folder is not there, or may not be read.
    """
    for place in model_folders(top):
        if place != top and place.is_symlink():
            why = f"{place} is a symbolic link, and is not followed"
            yield Found(place=place, name=place.name, number=_UNNUMBERED, trouble=why)
        else:
            yield _found(place)


def _found(place: Path) -> Found:
    name, _, number = place.name.rpartition("_")
    called = Found(place=place, name=name or place.name, number=number or _UNNUMBERED)
    path = place / MODEL_DOCUMENT
    if not path.exists() and not path.is_symlink():
        return _troubled(called, f"{path} is not there, which says what model the folder holds")
    try:
        document = read_document(path)
        stated = document.text("name"), document.text("version")
    except DamageError as error:
        return _troubled(called, error.message)
    if not all(stated):
        why = f"{path} does not say which model it is: name and version"
        return _troubled(called, why)
    return Found(place=place, name=stated[0], number=stated[1])


def _troubled(called: Found, why: str) -> Found:
    return Found(place=called.place, name=called.name, number=called.number, trouble=why)
