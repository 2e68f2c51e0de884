"""Use case: a damaged package is looked through, written again, or its whole files are saved.

The package itself is never written to. What is written appears when all of it was checked.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import (
    ConflictError,
    DamageError,
    FormatError,
    LaterFormatError,
    LimitError,
    MlarchiveError,
)
from mlarchive.package import Limits
from mlarchive.records import File, Loss
from mlarchive.snapshot import Stream

if TYPE_CHECKING:
    from mlarchive.package.repairing.rebuilding import Rebuilt
    from mlarchive.package.repairing.salvage import Salvage
    from mlarchive.package.repairing.scanning import Damage

Progress = Callable[[int], None]

DOCUMENTS = ("content", "state", "evidence")
NOTHING_SAVED = "transfer it again, or look for another copy of it"
NOTHING_IN_COMMON = (
    "too little is left to say what another copy is; if you know it is one, use that"
)

FileStatus: TypeAlias = Literal["whole", "unproven", "lost", "elsewhere"]


class DamagedPart(Struct, frozen=True, kw_only=True):
    """A part of the file that is not as it was written.

    Attributes:
        offset: Where it begins; -1 if it is no part, but what the parts say together.
        length: In bytes; 0 if something is missing at that place.
        why: What is wrong with it.
    """

    offset: int
    length: int
    why: str


class SalvagedFile(Struct, frozen=True, kw_only=True):
    """A file or metric series of the package.

    Attributes:
        owner: Key of its record, or, if content is lost, what a person calls it.
        kind: `file` or `metric`.
        name: Path of the file or key of the series.
        dataset: Of a series, what it was measured on.
        size: In bytes; -1 if nobody knows.
        sha256: "" if nobody knows.
        status: `whole`; `unproven`, if all of it is here, and it is not certain that this package
            had it under that name; `lost`; or `elsewhere`, if this package never had all of it.
        missing: Bytes that are missing; -1 if nobody knows.
        why: Why it is not whole, or what is not certain about it.
    """

    owner: str
    kind: str
    name: str
    dataset: str
    size: int
    sha256: str
    status: FileStatus
    missing: int
    why: str


class Repair(Struct, frozen=True, kw_only=True):
    """What was found, and what was written.

    Attributes:
        path: The damaged package.
        size: Of it, in bytes.
        content_id: "" if nobody knows.
        state_id: "" if nobody knows.
        documents: Those of content, state and evidence that are whole.
        unread: Why documents that are all whole cannot be read; empty if they can.
        unsorted: Why the points of a series, all whole, are none that a reader may hand out (clause
            7.3); empty if they are.
        documents_from: Other packages that documents were taken from: name, labels and origin are
            theirs.
        strangers: What was named as another copy and has no record of a package in it.
        refused: What was named as another copy and cannot be read, a sentence each.
        index: Whether the index is whole.
        records: How many records are whole.
        unnamed: Whole chunks that belong to nothing that is known.
        absent: Chunks that the package leaves to another one, which was not named.
        absent_bytes: Sum of their lengths.
        damage: What is wrong with the file, in its order.
        files: Every file and series that is known of.
        dry_run: Whether nothing was written that would be otherwise.
        output: What was written, or would be; "" for nothing.
        package_id: Of the package that was written, or would be; "" for none.
        missing_chunks: Chunks that it states and does not hold.
        dropped: What it lacks besides, or would lack: "preamble", "plain text", "checkpoints", if
            these were made anew, "records of unknown types", "signatures", "signatures of the
            package" if those are there and hold for content and state alone, "parity", "further
            bytes" behind its end, but for zeros.
    """

    path: str
    size: int
    content_id: str
    state_id: str
    documents: tuple[str, ...]
    documents_from: tuple[str, ...]
    index: bool
    records: int
    unnamed: int
    absent: int
    absent_bytes: int
    damage: tuple[DamagedPart, ...]
    files: tuple[SalvagedFile, ...]
    strangers: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unread: str = ""
    unsorted: str = ""
    dry_run: bool = False
    output: str = ""
    package_id: str = ""
    missing_chunks: int = 0
    dropped: tuple[str, ...] = ()

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What could not be saved, a line each; in a folder, what was never here is missing too."""
        into_folder = bool(self.output) and not self.package_id
        documents = [
            Loss(record="package", field=f"{name} document", why="it is damaged or missing")
            for name in DOCUMENTS
            if name not in self.documents
        ]
        if self.unread:
            why = f"they are whole, and cannot be read: {self.unread}"
            documents.append(Loss(record="package", field="documents", why=why))
        if self.unsorted:
            documents.append(Loss(record="package", field="metrics", why=self.unsorted))
        files = [
            Loss(record=file.owner, field=file.name, why=file.why)
            for file in self.files
            if file.status == "lost" or (into_folder and file.status == "elsewhere")
        ]
        dropped = [
            Loss(record="package", field=name, why=self._why_dropped(name)) for name in self.dropped
        ]
        strangers = [
            Loss(
                record="package",
                field=f"{self.unnamed} whole chunks",
                why="they belong to nothing known",
            )
        ]
        return (*documents, *files, *dropped, *(strangers if self.unnamed else []))

    @staticmethod
    def _why_dropped(name: str) -> str:
        from mlarchive.package.repairing.rebuilding import WHY_DROPPED

        return WHY_DROPPED[name]


@contextlib.contextmanager
def salvaging(
    path: Path,
    others: Sequence[Path] = (),
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> "Iterator[Salvage]":
    """Look through a package.

    Args:
        path: The package.
        others: Other copies, or packages with the same chunks; they may be damaged too.
        limits: What the operator allows.
        progress: Called with the number of bytes read since the last call.

    Raises:
        DamageError: Nothing of a package is in it, or it asks for more than is allowed.
        MlarchiveError: A file cannot be read.
    """
    from mlarchive.package.bytesource import ByteSource
    from mlarchive.package.repairing.salvage import Salvage

    with contextlib.ExitStack() as stack:
        source = stack.enter_context(ByteSource(path))
        sources, refused = [], []
        for name in others:
            try:
                sources.append(stack.enter_context(ByteSource(name)))
            except MlarchiveError as error:
                refused.append((str(name), error.message))
        salvage = stack.enter_context(Salvage(source, sources, limits=limits, progress=progress))
        salvage.refused += refused
        documents = any(getattr(salvage, name) is not None for name in DOCUMENTS)
        here = any(item.is_here for item in salvage.items)
        if not (documents or here or salvage.unnamed):
            raise DamageError(
                f"{path} holds nothing that can be saved: {salvage.damage[0].why}",
                hint=NOTHING_IN_COMMON if others else NOTHING_SAVED,
            )
        yield salvage


def report(salvage: "Salvage") -> Repair:
    """What is whole, and what is not."""
    from mlarchive.package.repairing.rebuilding import BEHIND

    survey = salvage.survey
    trailer = survey.trailer
    absent = salvage.absent - {place.header.raw_hash for place in salvage.pool.places()}
    damage = salvage.damage or tuple(_contradictions(salvage))
    return Repair(
        path=survey.source.name,
        size=survey.source.size,
        content_id=_id(salvage.content, trailer.content_id if trailer else b""),
        state_id=_id(salvage.state, trailer.state_id if trailer else b""),
        documents=tuple(name for name in DOCUMENTS if getattr(salvage, name) is not None),
        documents_from=salvage.lenders,
        strangers=tuple(one.source.name for one in salvage.surveys[1:] if not one.found),
        refused=tuple(f"{name}: {why}" for name, why in salvage.refused),
        index=survey.index is not None,
        records=salvage.records,
        unnamed=salvage.unnamed,
        absent=len(absent),
        absent_bytes=sum(salvage.lengths[chunk] for chunk in absent),
        damage=tuple(
            DamagedPart(offset=part.offset, length=part.length, why=part.why) for part in damage
        ),
        unsorted=next((part.why for part in damage if part.why.startswith("E041")), ""),
        unread=salvage.unread,
        dropped=(BEHIND,) if survey.goes_on else (),
        files=tuple(
            SalvagedFile(
                owner=item.owner,
                kind=item.kind,
                name=item.name,
                dataset=item.dataset,
                size=item.size,
                sha256=item.sha256,
                status=item.status,
                missing=item.missing,
                why=item.why,
            )
            for item in salvage.items
        ),
    )


def _contradictions(salvage: "Salvage") -> "Iterator[Damage]":
    """What is wrong with a package every part of which is as it was written.

    Raises:
        MlarchiveError: As verifying says, but for what is wrong.
    """
    from mlarchive.package import Package
    from mlarchive.package.repairing.scanning import NOWHERE, Damage

    path = Path(salvage.survey.source.name)
    try:
        with Package.open(path, limits=salvage.limits) as package:
            package.verify()
    except (LaterFormatError, LimitError):
        raise
    except FormatError as error:
        why = error.message.replace(f" {path}:", "", 1)
        yield Damage(offset=NOWHERE, length=0, why=why)


def write_package(salvage: "Salvage", path: Path) -> "Rebuilt":
    """Write the package again, with the same content_id and state_id.

    Args:
        salvage: What was found.
        path: The new package; nothing may have that name.

    Raises:
        DamageError: Too little is left for that.
        MlarchiveError: As the system says. Nothing is left behind then.
    """
    from mlarchive.package import Package
    from mlarchive.package.repairing.rebuilding import rebuild

    refuse_taken(path)
    fsops.remove_stale_temporaries(path.parent, deep=False)
    with fsops.atomic_file(path, replace=False) as file:
        rebuilt = rebuild(salvage, file)
        file.flush()
        with fsops.syncing(file), Package.open(file, limits=salvage.limits) as package:
            try:
                package.verify()
            except FormatError as error:
                raise _unmendable(salvage, error, package.storage.source.name) from error
    return rebuilt


def _unmendable(salvage: "Salvage", error: FormatError, written: str) -> DamageError:
    """Why what was written says no more than what was read, and is no sound package either."""
    from mlarchive.package.repairing.rebuilding import USE_A_FOLDER

    name = salvage.survey.source.name
    why = error.message.replace(f" {written}:", "", 1)
    return DamageError(f"no package can be made of {name}: {why}", hint=USE_A_FOLDER)


def check_package(salvage: "Salvage") -> "Rebuilt":
    """What `write_package` would write, without a place for it.

    Raises:
        DamageError: As that.
    """
    from mlarchive.package.repairing.rebuilding import rebuild

    with Path(os.devnull).open("wb") as nowhere:
        return rebuild(salvage, nowhere)


def write_files(salvage: "Salvage", folder: Path, progress: Progress | None = None) -> int:
    """Write the whole files, series and documents into a new folder.

    Each file stands below the folder of its record under its own path, each metric series beside
    them as `KEY.metric`, its columns as they are; the documents stand at the top.

    Returns:
        How many files and series were written.

    Raises:
        DamageError: Nothing is whole.
        MlarchiveError: As the system says. Nothing is left behind then.
    """
    from mlarchive.package import extract

    documents = _savable(salvage)
    refuse_taken(folder)
    fsops.remove_stale_temporaries(folder.parent, deep=False)
    extract(_streams(salvage, documents), folder, progress=progress)
    return sum(item.is_here for item in salvage.items)


def check_files(salvage: "Salvage") -> int:
    """How many files and series `write_files` would write.

    Raises:
        DamageError: As that.
    """
    _savable(salvage)
    return sum(item.is_here for item in salvage.items)


def _savable(salvage: "Salvage") -> Sequence[tuple[str, bytes]]:
    """The whole documents, by the names of their files; refuse if there is nothing to save."""
    documents = [
        (f"{name}.json", raw) for name in DOCUMENTS if (raw := getattr(salvage, name)) is not None
    ]
    if not documents and not any(item.is_here for item in salvage.items):
        raise DamageError(f"no file of {salvage.survey.source.name} is whole", hint=NOTHING_SAVED)
    return documents


def refuse_taken(path: Path) -> None:
    """Refuse an output that is there already.

    Raises:
        ConflictError: It is.
    """
    with fsops.explaining(path, "read"):
        taken = path.is_symlink() or path.exists()
    if taken:
        raise ConflictError(f"{path} exists already", hint="name a new one, or remove it")


def _streams(salvage: "Salvage", documents: Sequence[tuple[str, bytes]]) -> Iterator[Stream]:
    from mlarchive.package.repairing.placing import Places

    places = Places(name for name, _ in documents)
    for name, raw in documents:
        entry = File(path=name, size=len(raw), sha256=hashlib.sha256(raw).hexdigest())
        yield Stream(owner="", entry=entry, open=partial(io.BytesIO, raw))
    for item in salvage.items:
        if item.is_here:
            if item.kind == "file":
                place = places.of_file(item.owner, item.name)
            else:
                place = places.of_series(item.owner, item.name, item.dataset)
            entry = File(path=place, size=item.size, sha256=item.sha256)
            yield Stream(owner=item.owner, entry=entry, open=partial(salvage.open, item))


def _id(document: bytes | None, stated: bytes) -> str:
    return hashlib.sha256(document).hexdigest() if document is not None else stated.hex()
