"""What a folder holds that is, or may become, the target of a package.

Either the tree of an object with its three documents, which say what it is, or plain files, whose
digests say it. Must not change anything.
"""

import hashlib
import io
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import FormatError
from mlarchive.metrics.text import digest_of_csv
from mlarchive.package.documents import (
    Documents,
    Meaning,
    Packed,
    decode_documents,
    encode_documents,
    localised,
)
from mlarchive.records import Address, File, Folder
from mlarchive.registries.folderfiles import FolderFile, open_watched, walk
from mlarchive.registries.tree import DOCUMENT_NAMES, tree
from mlarchive.snapshot import Snapshot, Stream

_NOWHERE = Address(origin="", kind="folders", name="")
_BLOCK = 1 << 20


class Held(Struct, frozen=True, kw_only=True):
    """What a folder holds.

    Attributes:
        content_id: What it is; "" if it is nothing that a package can hold.
        state_id: How it is labelled; plain files have no labels.
        source: The address it came from; None for plain files, which do not say.
    """

    content_id: str = ""
    state_id: str = ""
    source: Address | None = None


_SOMETHING_ELSE = Held()


def look(folder: Path, *, plain: bool) -> Held | None:
    """What a folder holds; None if it is not there or is empty.

    Args:
        folder: The folder.
        plain: Whether to see it as plain files, whatever they are; else as an object's tree.

    Raises:
        MlarchiveError: It may not be read, or is no folder.
    """
    with fsops.explaining(folder, "read"):
        if not folder.exists() or not any(folder.iterdir()):
            return None
    return _by_digests(folder) if plain else _by_documents(folder)


def plain_documents(files: tuple[File, ...]) -> Documents:
    """The documents of a folder with these files, no labels and no name."""
    folder = Folder(key="folder", files=files)
    meaning = Meaning(
        address=_NOWHERE, subject="folder", records=(folder,), packed=Packed(tool="", time=0)
    )
    return encode_documents(localised(meaning))


def _by_documents(folder: Path) -> Held:
    try:
        raw = [(folder / name).read_bytes() for name in DOCUMENT_NAMES]
        documents = Documents(content=raw[0], state=raw[1], evidence=raw[2])
        meaning = decode_documents(documents)
    except FileNotFoundError:
        return _SOMETHING_ELSE
    except OSError as error:
        raise fsops.explain(error, folder, "read") from error
    except FormatError:
        return _SOMETHING_ELSE
    if not _has_its_files(folder, meaning):
        return _SOMETHING_ELSE
    return Held(
        content_id=documents.content_id, state_id=documents.state_id, source=meaning.address
    )


def _has_its_files(folder: Path, meaning: Meaning) -> bool:
    """Whether the tree still has every file that its documents name, byte by byte."""
    listed = {file.path: file for file in walk(folder)[0]}
    for leaf in tree(_without_bytes(meaning)):
        file = listed.get(leaf.path)
        if file is None:
            return False
        entry = leaf.stream.entry
        if isinstance(entry, File):
            found = _digest(folder, file)
        else:
            with open_watched(folder, file) as text:
                found = digest_of_csv(text, entry.step_decimals)
        if found != entry.sha256:
            return False
    return True


def _without_bytes(meaning: Meaning) -> Snapshot:
    streams = tuple(
        Stream(owner=record.key, entry=entry, open=io.BytesIO)
        for record in meaning.records
        for entry in (*getattr(record, "files", ()), *getattr(record, "metrics", ()))
    )
    return Snapshot(
        address=meaning.address, subject=meaning.subject, records=meaning.records, streams=streams
    )


def _digest(folder: Path, file: FolderFile) -> str:
    digest = hashlib.sha256()
    with open_watched(folder, file) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _by_digests(folder: Path) -> Held:
    files, uncarried = walk(folder)
    if uncarried:
        return _SOMETHING_ELSE
    documents = plain_documents(
        tuple(File(path=file.path, size=file.size, sha256=_digest(folder, file)) for file in files)
    )
    return Held(content_id=documents.content_id, state_id=documents.state_id)
