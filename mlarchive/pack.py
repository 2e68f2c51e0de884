"""Use case: a snapshot becomes a package.

Every stream is read once, through the writer; what was measured is filled into the records, the
documents are derived and the package is closed. `pack_file` gives it its name only when it has
been read back and verified (law 3). Must not know any registry.
"""

import dataclasses
import hashlib
import io
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from mlarchive import __version__, fsops
from mlarchive.errors import ConflictError, DamageError, SourceChangedError, UnsupportedError
from mlarchive.fetching import fetched_ahead
from mlarchive.filling import EntryKey, entry_key, filled_records, in_order, measured
from mlarchive.package import Digest, PackageWriter
from mlarchive.package.checkpoints import checkpoint_name, owner_name
from mlarchive.package.documents import Documents, Meaning, encode_documents, localised
from mlarchive.package.documents import Packed as PackedBy
from mlarchive.package.handing import hand_on
from mlarchive.package.layout import Trailer
from mlarchive.package.signaturearea import signature_area
from mlarchive.package.tailwriter import no_signatures
from mlarchive.records import Address, AnyRecord, File, Loss, Run
from mlarchive.snapshot import Entry, Original, Snapshot, Stream, WithheldFileError, entry_name
from mlarchive.traces import UNATTACHED

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from mlarchive.package import Package
    from mlarchive.package.elsewhere import Elsewhere

Progress = Callable[[int], None]
"""Told the number of bytes that went by since the last time."""

Signatures = Callable[[Trailer], bytes]


class Packed(Struct, frozen=True, kw_only=True):
    """A package that was made.

    Attributes:
        path: Where it is; None if it went into a stream.
        content_id: What the object is.
        state_id: How it is labelled.
        package_id: These very bytes.
        size: Of the package, in bytes.
        raw_bytes: Of what is in it, unpacked: files and metric columns.
        losses: What could not be read or carried.
        thin: Whether it leans on another package for its chunks.
        fresh: Whether it was made now; else the same thing was there already.
    """

    path: Path | None
    content_id: str
    state_id: str
    package_id: str
    size: int
    raw_bytes: int
    losses: tuple[Loss, ...] = ()
    thin: bool = False
    fresh: bool = True


def pack(  # noqa: PLR0913  (what, where to, when, and how)
    snapshot: Snapshot,
    out: BinaryIO,
    *,
    packed_at: int,
    threads: int | None = None,
    elsewhere: "Elsewhere | None" = None,
    progress: Progress | None = None,
    signatures: Signatures = no_signatures,
) -> Packed:
    """Write a snapshot as a package; one that is signed as such, and full, goes as it is.

    A file that the source withholds (`WithheldFileError`) is a loss, and not in it.

    Args:
        snapshot: Whose streams are opened one after another.
        out: Written forward only.
        packed_at: The time that the package states, unless it goes as it is; ms since 1970 UTC.
        threads: For encoding; None for one a core. The bytes do not depend on it.
        elsewhere: What is left to other packages; None for a full package.
        progress: Told of the raw bytes read.
        signatures: Gives the signature area, of the trailer that is to be written.

    Raises:
        SourceChangedError: The source claimed something else than it gave.
        MlarchiveError: As the source's streams raise.
    """
    if elsewhere is None and snapshot.original and not snapshot.original.thin:
        from mlarchive.trust.carrying import goes_as_it_is

        if goes_as_it_is(snapshot):
            return _handed_on(snapshot, snapshot.original, out, signatures, progress)
    owners = {record.key: owner_name(record) for record in snapshot.records}
    with PackageWriter(out, threads=threads, elsewhere=elsewhere) as writer:

        def add(stream: Stream) -> Digest:
            kind, name = checkpoint_name(stream.entry)
            with stream.open() as raw:
                source = _counted(raw, progress) if progress else raw
                return writer.add(source, name, kind=kind, owner=owners[stream.owner])

        streams = fetched_ahead(in_order(snapshot))
        return _write(snapshot, streams, writer, add, packed_at=packed_at, signatures=signatures)


def _handed_on(
    snapshot: Snapshot,
    original: Original,
    out: BinaryIO,
    signatures: Signatures,
    progress: Progress | None,
) -> Packed:
    more = None if signatures is no_signatures else signatures
    ids = hand_on(original, out, more, progress)
    return Packed(
        path=None,
        content_id=ids.content_id,
        state_id=ids.state_id,
        package_id=ids.package_id,
        size=ids.size,
        raw_bytes=original.raw_size,
        losses=snapshot.losses,
    )


def pack_file(  # noqa: PLR0913  (those of `pack`, and where)
    snapshot: Snapshot,
    path: Path,
    *,
    packed_at: int,
    threads: int | None = None,
    elsewhere: "Elsewhere | None" = None,
    progress: Progress | None = None,
    signatures: Signatures = no_signatures,
) -> Packed:
    """Pack into a file that appears, verified, under its final name, or not at all.

    Packing the same thing to the same path again changes nothing and says so (`fresh`).

    Raises:
        ConflictError: The path is taken by something else.
        MlarchiveError: As `pack`, or as the file system says.
    """
    _package_at(path)
    fsops.remove_stale_temporaries(path.parent, deep=False)
    with fsops.scratch_folder(path.parent) as scratch:
        made = pack_scratch(
            snapshot,
            scratch,
            called=path,
            packed_at=packed_at,
            threads=threads,
            elsewhere=elsewhere,
            progress=progress,
            signatures=signatures,
        )
        return settle(made, path, snapshot.address)


def pack_scratch(  # noqa: PLR0913  (those of `pack`, and where)
    snapshot: Snapshot,
    scratch: Path,
    *,
    called: Path,
    packed_at: int,
    threads: int | None = None,
    elsewhere: "Elsewhere | None" = None,
    progress: Progress | None = None,
    signatures: Signatures = no_signatures,
) -> Packed:
    """Pack into a scratch folder and verify the package; it has no final name yet.

    Args:
        snapshot: As `pack`.
        scratch: Where the package is made.
        called: Where a person is told that it is written.
        packed_at: As `pack`.
        threads: As `pack`.
        elsewhere: As `pack`.
        progress: As `pack`.
        signatures: As `pack`.

    Raises:
        MlarchiveError: As `pack`, or as the file system says.
    """
    path = scratch / "packed.mlpkg"
    # Synced while it is read, below; a name in a scratch folder need not be.
    with fsops.atomic_file(path, called=called, durable=False) as file:
        packed = pack(
            snapshot,
            file,
            packed_at=packed_at,
            threads=threads,
            elsewhere=elsewhere,
            progress=progress,
            signatures=signatures,
        )
        file.flush()
        file.seek(0)
        # Reading a package loads numpy; while one is written, threads do that as it is needed.
        from mlarchive.package import Package

        with fsops.syncing(file), Package.open(file) as package:
            package.check_places()
    return msgspec.structs.replace(packed, path=path)


def pack_state(
    snapshot: Snapshot,
    base: "Package",
    path: Path,
    *,
    packed_at: int,
    called: Path | None = None,
) -> Packed:
    """Pack a snapshot whose content is a base package's, without reading any of its streams.

    Each stream is matched to the base's object of the digest that its source states, else to the
    entry of the same kind of record, native id and name.

    Args:
        snapshot: As its source gives it now.
        base: A full package of the same content.
        path: Where the thin package goes; replaced if it is there.
        packed_at: The time that the package states, ms since 1970 UTC.
        called: Where a person is told that it is written; the path by default.

    Raises:
        SourceChangedError: The content is not the base's; the message names the first
            difference.
    """
    known = _Base(base)
    with fsops.atomic_file(path, called=called) as file, PackageWriter(file) as writer:

        def reuse(stream: Stream) -> Digest:
            return writer.reuse(known.sha256(snapshot, stream), base)

        # The same content lacks the same, which only reading it would show.
        lost = tuple(loss for loss in base.meaning.losses if loss.field == UNATTACHED)
        snapshot = dataclasses.replace(snapshot, found_lost=lambda: lost)
        packed = _write(snapshot, in_order(snapshot), writer, reuse, packed_at=packed_at)
        if packed.content_id != base.content_id:
            raise SourceChangedError(
                f"the content of {snapshot.address} is not what the base package holds",
                hint="pack it in full",
            )
    return msgspec.structs.replace(packed, path=path)


def settle(made: Packed, path: Path, address: Address) -> Packed:
    """Give a verified package its final name, unless the same thing has it already.

    Args:
        made: In a scratch folder on the same file system; left there if it is not needed.
        path: The final name.
        address: What the object is called.

    Raises:
        ConflictError: Something else has it, or the same thing, damaged, under another name, or
            with fewer of its chunks.
    """
    assert made.path is not None  # noqa: S101  (a package in a scratch folder has a path)
    if present := _package_at(path):
        if (present.content_id, present.state_id) != (made.content_id, made.state_id):
            raise _taken(path)
        _require_sound(path, address, made.path)
        return msgspec.structs.replace(
            made, path=path, package_id=present.package_id, size=present.size, fresh=False
        )
    fsops.make_folder(path.parent)
    with fsops.explaining(path, "write"):
        fsops.publish(made.path, path, replace=False)
    return msgspec.structs.replace(made, path=path)


def _write(  # noqa: PLR0913  (two sides, and what both take)
    snapshot: Snapshot,
    streams: Iterable[Stream],
    writer: PackageWriter,
    take: Callable[[Stream], Digest],
    *,
    packed_at: int,
    signatures: Signatures = no_signatures,
) -> Packed:
    """Take every stream into the writer, derive the documents, close the package."""
    raw_bytes = 0

    def counted(stream: Stream) -> Digest:
        nonlocal raw_bytes
        digest = take(stream)
        raw_bytes += digest.size
        return digest

    documents, losses = _documents(snapshot, streams, counted, packed_at=packed_at)
    if signatures is no_signatures and snapshot.signatures:
        signatures = partial(_kept_signatures, snapshot.signatures)
    ids = writer.finish(documents, signatures)
    return Packed(
        path=None,
        content_id=ids.content_id,
        state_id=ids.state_id,
        package_id=ids.package_id,
        size=ids.size,
        raw_bytes=raw_bytes,
        losses=losses,
        thin=writer.thin,
    )


def _lost_of(record: AnyRecord) -> str:
    """What a record is called where something of it is lost: runs by their ids, as by sources."""
    named = isinstance(record, Run) and record.native.id
    return f"run {named}" if named else owner_name(record)


def _documents(
    snapshot: Snapshot,
    streams: Iterable[Stream],
    take: Callable[[Stream], Digest],
    *,
    packed_at: int,
) -> tuple[Documents, tuple[Loss, ...]]:
    """What a package says of a snapshot whose streams were measured, and what is lost."""
    by_key = snapshot.by_key
    owners = {key: owner_name(record) for key, record in by_key.items()}
    losses = [*snapshot.losses]
    entries = []
    for stream in streams:
        owner, name = owners[stream.owner], entry_name(stream.entry)
        try:
            digest = take(stream)
        except WithheldFileError as error:
            losses.append(Loss(record=_lost_of(by_key[stream.owner]), field=name, why=error.why))
        else:
            entries.append((stream, measured(stream, digest, owner)))
    if snapshot.settled is not None:
        snapshot.settled()
    if snapshot.found_lost is not None:
        losses.extend(snapshot.found_lost())
    meaning = Meaning(
        address=snapshot.address,
        subject=snapshot.subject,
        records=filled_records(snapshot, entries),
        losses=tuple(dict.fromkeys(losses)),
        transformations=snapshot.transformations,
        packed=PackedBy(tool=f"mlarchive {__version__}", time=packed_at),
    )
    return encode_documents(localised(meaning)), meaning.losses


def content_id_of(snapshot: Snapshot) -> str:
    """The content_id that a package of a snapshot would have; reads every stream, keeps none.

    Raises:
        MlarchiveError: As its streams say, or as they are not what the source claims.
    """
    streams = fetched_ahead(in_order(snapshot))
    documents, _ = _documents(snapshot, streams, _digest, packed_at=0)
    return documents.content_id


def _digest(stream: Stream) -> Digest:
    digest, size = hashlib.sha256(), 0
    with stream.open() as raw:
        while block := raw.read(1 << 20):
            digest.update(block)
            size += len(block)
    return Digest(size=size, sha256=digest.hexdigest())


def _kept_signatures(text: bytes, trailer: Trailer) -> bytes:
    """The signatures of the package that a snapshot is from (`spec/trust.md`, 2.4)."""
    area = signature_area(text, trailer.signature_length)
    if area is None:
        raise UnsupportedError(
            "the package has more signatures than one that is written has room for",
            hint="copy the file itself",
        )
    return area


class _Base:
    """The entries of a base package, found by what a source can say of them."""

    def __init__(self, base: "Package") -> None:
        self._objects = base.objects
        self._entries: dict[tuple[str, str, EntryKey], Entry | None] = {}
        for record in base.meaning.records:
            for entry in (*getattr(record, "files", ()), *getattr(record, "metrics", ())):
                key = (*_native(record), entry_key(entry))
                # Two that cannot be told apart match nothing.
                self._entries[key] = None if key in self._entries else entry

    def sha256(self, snapshot: Snapshot, stream: Stream) -> str:
        """The base's object for a stream.

        Raises:
            SourceChangedError: It has none, or one of another size.
        """
        stated = stream.entry.sha256
        if stated in self._objects:
            return stated
        record = snapshot.record(stream.owner)
        entry = self._entries.get((*_native(record), entry_key(stream.entry)))
        if stated or entry is None or _claimed(stream.entry) not in {-1, _claimed(entry)}:
            raise SourceChangedError(
                f"{entry_name(stream.entry)!r} of {owner_name(record)} is not what the base "
                "package holds",
                hint="pack the object in full",
            )
        return entry.sha256


def _native(record: AnyRecord) -> tuple[str, str]:
    return str(record.__struct_config__.tag), record.native.id


def _claimed(entry: Entry) -> int:
    return entry.size if isinstance(entry, File) else entry.points


def _package_at(path: Path) -> Packed | None:
    """The package that has a name already, if any.

    Raises:
        ConflictError: What has the name is no package.
    """
    if not os.path.lexists(path):
        return None
    with fsops.explaining(path, "read"):
        if not path.is_file():
            # Opening a pipe would wait for a writer.
            raise _taken(path)
    from mlarchive.package import Package

    try:
        with Package.open(path) as package:
            return Packed(
                path=path,
                content_id=package.content_id,
                state_id=package.state_id,
                package_id=package.package_id,
                size=package.size,
                raw_bytes=0,
            )
    except DamageError as error:
        raise _taken(path) from error


def _require_sound(path: Path, address: Address, made: Path) -> None:
    """Refuse to call a package present that is less than the one that was made, or damaged.

    Raises:
        ConflictError: It is damaged, lacks chunks that the other has, or what it holds is called
            otherwise.
    """
    from mlarchive.package import Package

    try:
        with Package.open(path) as package:
            package.verify(full=False)
            present, missing = package.meaning.address, set(package.missing())
    except DamageError as error:
        raise ConflictError(
            f"{path} exists already and is damaged: {error.message}",
            hint="move it away, then run the same command again",
        ) from error
    if missing:
        with Package.open(made) as package:
            missing.difference_update(package.missing())
    if missing:
        raise ConflictError(
            f"{path} exists already, and leaves chunks to another package that the new one has",
            hint="choose another name, and remove the old one when the new one is there",
        )
    if (present.name, present.version) != (address.name, address.version):
        name = f"{present.name} {present.version}".rstrip()
        raise ConflictError(
            f"{path} exists already and holds the same under another name, {name}",
            hint="choose another name for the file, or remove it first",
        )


def _taken(path: Path) -> ConflictError:
    return ConflictError(
        f"{path} exists already and holds something else",
        hint="choose another name, or remove it first",
    )


def _counted(raw: BinaryIO, progress: Progress) -> BinaryIO:
    """The same bytes, with word of each read."""
    return io.BufferedReader(_Counting(raw, progress))


class _Counting(io.RawIOBase):
    def __init__(self, raw: BinaryIO, progress: Progress) -> None:
        super().__init__()
        self._raw = raw
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        into = getattr(self._raw, "readinto", None)
        if into is None:
            data = self._raw.read(len(view))
            view[: len(data)] = data
            count = len(data)
        else:
            count = int(into(view) or 0)
        self._progress(count)
        return count
