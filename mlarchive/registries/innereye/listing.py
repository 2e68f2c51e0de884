"""What a folder of models holds, line by line, and as a mirror sees it from afar (clause 1.3)."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mlarchive.errors import DamageError, NotFoundError, UnsupportedError
from mlarchive.records import Address, provenance
from mlarchive.registries.base import Listing, Ref, Selector
from mlarchive.registries.folderfiles import FolderFile, walk
from mlarchive.registries.innereye.finding import Found, look
from mlarchive.registries.innereye.layout import MARKS, MODEL_DOCUMENT
from mlarchive.registries.innereye.modeldocument import read_version
from mlarchive.registries.innereye.reading import read_marks
from mlarchive.registries.jsondocuments import read_document
from mlarchive.registries.mlflow import marks
from mlarchive.registries.selecting import selects

KIND = "models"


def find(top: Path, origin: str, selector: Selector) -> Iterator[tuple[Found, Address]]:
    """The folders of the versions that are meant, with their addresses.

    Two that say the same address are both in trouble: neither can be told from the other.

    Raises:
        NotFoundError: There is nothing of that name, or nothing at all.
        UnsupportedError: Another kind is meant, or an alias.
    """
    if selector.kind not in {"", KIND} or selector.alias:
        raise UnsupportedError(
            f"{origin} has no {'aliases' if selector.alias else selector.kind}",
            hint=f"it has {KIND}/NAME/VERSION",
        )
    called: defaultdict[Address, list[Found]] = defaultdict(list)
    for item in look(top):
        address = Address(origin=origin, kind=KIND, name=item.name, version=item.number)
        if selects(selector, address):
            called[address].append(item)
    for address, items in called.items():
        for item in items:
            yield (item if len(items) == 1 else _one_of(items, item)), address
    if not called and not selector.pattern:
        what = f"{selector.kind}/{selector.name}" if selector.name else MODEL_DOCUMENT
        raise NotFoundError(
            f"{origin} has no {what}",
            hint="name the folder that was given to move_model.py as --path, or one model's in it",
        )


def _one_of(items: list[Found], item: Found) -> Found:
    names = " and ".join(str(one.place) for one in items)
    why = f"{names} are both {KIND}/{item.name}/{item.number}: name one of them, or move one away"
    return msgspec.structs.replace(item, trouble=item.trouble or why)


def list_objects(top: Path, origin: str, selector: Selector) -> Iterator[Listing]:
    """One line for each version; of a damaged one it says what is wrong.

    Raises:
        MlarchiveError: As `find`, or as the system says.
    """
    for item, address in find(top, origin, selector):
        place, files = item.place, _files(item)
        facts = {"files": str(len(files))}
        try:
            if item.trouble:
                raise DamageError(item.trouble)  # noqa: TRY301  (said as what reading finds)
            document = read_document(place / MODEL_DOCUMENT)
            read_version(document, "", read_marks(place))
            facts["experiment"] = document.text("experimentName")
            facts["run"] = document.text("runId")
        except DamageError as error:
            facts["damaged"] = error.message
        yield Listing(
            address=address,
            title=place.name,
            facts={name: text for name, text in facts.items() if text},
            size=sum(file.size for file in files),
        )


def see_changes(top: Path, origin: str, selector: Selector) -> Iterator[Ref]:
    """Every version from afar: files by size and time, labels by the document.

    A damaged one is seen by its files alone, and reading it says what is wrong.

    Raises:
        MlarchiveError: As `find`, or as the system says.
    """
    seen = set()
    for item, address in find(top, origin, selector):
        if address in seen:
            continue
        seen.add(address)
        try:
            yield _ref(item, address)
        except DamageError:
            yield Ref(address=address, content_mark=_digest(_files(item)), state_mark="")


def _files(item: Found) -> list[FolderFile]:
    """What lies in a folder; nothing behind a link."""
    return [] if item.is_link else walk(item.place)[0]


def _ref(item: Found, address: Address) -> Ref:
    if item.trouble:
        raise DamageError(item.trouble)
    place = item.place
    document = read_document(place / MODEL_DOCUMENT)
    labels = {name: document.members.get(name) for name in ("description", "tags")}
    rest = {name: value for name, value in document.members.items() if name not in labels}
    files = [f for f in walk(place)[0] if f.path not in {MODEL_DOCUMENT, MARKS}]
    remembered = read_marks(place)
    return Ref(
        address=address,
        content_mark=_digest([rest, files]),
        state_mark=_digest(labels),
        origin=remembered.get(marks.ORIGIN, ""),
        through=provenance.path_of(remembered),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
